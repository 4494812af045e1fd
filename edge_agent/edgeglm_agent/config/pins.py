"""Endpoint hosts that are pinned at the site: a graph that would ask elsewhere is left out, and the others go on.

The pins do not come on the way of the bundle, so who writes bundles cannot move them.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from edgeglm_agent.config.problem import BadSetup
from edgeglm_api.bundle import Bundle, Endpoint, Graph
from edgeglm_api.endpoint_hosts import HOST, is_pinned

_MAX_HOSTS: Final = 256
_MAX_FILE_BYTES: Final = 64 * 1024


class RefusedGraph(msgspec.Struct, frozen=True):
    """A graph of the bundle that does not run here."""

    graph: str
    reason: str
    message: str


class Admitted(msgspec.Struct, frozen=True):
    """What of a bundle may run here, and what may not."""

    bundle: Bundle
    refused: list[RefusedGraph]


class Pins(msgspec.Struct, frozen=True):
    """The hosts; None: anywhere."""

    hosts: frozenset[str] | None = None

    def admit(self, bundle: Bundle) -> Admitted:
        """Return the bundle without the graphs that name an endpoint elsewhere."""
        if self.hosts is None:
            return Admitted(bundle, [])
        elsewhere = {each.name: each for each in bundle.endpoints if not is_pinned(each.url, self.hosts)}
        refused = {graph.uid: refusal for graph in bundle.graphs if (refusal := _refusal(graph, elsewhere))}
        return Admitted(
            msgspec.structs.replace(
                bundle,
                graphs=tuple(graph for graph in bundle.graphs if graph.uid not in refused),
                endpoints=tuple(each for each in bundle.endpoints if each.name not in elsewhere),
            ),
            list(refused.values()),
        )


def read_pins(hosts: Iterable[str], file: Path | None) -> Pins:
    """Return the pins of the command line and of a file, a host a line; raises BadSetup."""
    try:
        lines = _lines(file) if file else []
    except OSError as error:
        raise BadSetup(f"{file}: {error.strerror}") from error
    pinned = [*hosts, *lines]
    for host in pinned:
        if not HOST.fullmatch(host):
            raise BadSetup(f"{host[:300]!r} is no HOST or HOST:PORT in lower case")
    if len(pinned) > _MAX_HOSTS:
        raise BadSetup(f"{len(pinned)} endpoint hosts are given; at most {_MAX_HOSTS} are taken")
    return Pins(frozenset(pinned) if pinned or file else None)


def _lines(file: Path) -> list[str]:
    with file.open("rb") as opened:
        text = opened.read(_MAX_FILE_BYTES).decode("utf-8", "replace")
    return [line for each in text.splitlines() if (line := each.partition("#")[0].strip())]


def _refusal(graph: Graph, elsewhere: dict[str, Endpoint]) -> RefusedGraph | None:
    endpoint = next((elsewhere[name] for name in graph.reasoning.endpoints if name in elsewhere), None)
    if endpoint is None:
        return None
    message = f"endpoint {endpoint.name} is at {endpoint.url[:300]!r}, and this site's endpoint hosts do not name that"
    return RefusedGraph(graph.name, "EndpointNotPinned", message)
