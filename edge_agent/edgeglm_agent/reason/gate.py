"""What may pass out of the site: the one way from a request to what an endpoint sees of it.

The stricter rule holds: that which the request was made under, or that of the graph as it is now.
"""

import re
from collections.abc import Mapping
from typing import Final

from edgeglm_agent.decode.sparkplug import OFFLINE, ONLINE
from edgeglm_agent.graph.model import EntityGraph
from edgeglm_agent.reason.disguise import View, disguised, words_of
from edgeglm_agent.reason.request import Disclosure, Request
from edgeglm_api.bundle import Bundle, Endpoint, Graph
from edgeglm_api.data_policy import to_cloud
from edgeglm_api.sensor_graph import ToCloud

_STRICTEST_FIRST: Final[tuple[ToCloud, ...]] = ("Never", "Pseudonymised", "Allowed")


class Gate:
    """Owner of the key of pseudonyms, and of what the graphs let out now."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._now: Mapping[str, ToCloud] = {}

    def apply(self, bundle: Bundle) -> None:
        """Take on the policies of a bundle."""
        self._now = {graph.uid: _to_cloud(graph) for graph in bundle.graphs}

    def view(self, request: Request, endpoint: Endpoint) -> View | None:
        """Return what an endpoint may see of a request; None when that is nothing."""
        if endpoint.place == "Edge":
            return View(request)
        policy = self._policy(request)
        if policy == "Never":
            return None
        return View(request) if policy == "Allowed" else disguised(request, self._key)

    def _policy(self, request: Request) -> ToCloud:
        """Return the strictest that is known; where none is, nothing leaves."""
        then = request.disclosure.cloud if request.disclosure else None
        known = {policy for policy in (then, self._now.get(request.graph_uid)) if policy is not None}
        return min(known, key=_STRICTEST_FIRST.index, default="Never")


def disclosure_of(rules: Graph, subject: EntityGraph) -> Disclosure:
    """Return what of a question may leave the site."""
    cloud = _to_cloud(rules)
    if cloud != "Pseudonymised":
        return Disclosure(cloud)
    listed = {word for source in rules.sources for each in source.measurements for word in each.map.values()}
    if any(source.format == "SparkplugB" for source in rules.sources):
        listed |= {ONLINE, OFFLINE}  # not a device's words but ours
    names = _names(rules, subject)
    labels = {label for label in rules.question.labels if not any(_carries(label, name) for name in names)}
    return Disclosure(cloud, tuple(sorted((listed & words_of(subject)) | labels)))


def kept_at_site(request: Request) -> str:
    """Say why the cloud was not asked about a request that nobody answered; empty when it was, or never would be."""
    if request.disclosure is None or request.disclosure.cloud != "Never" or request.reasoning.route == "EdgeOnly":
        return ""
    return (
        "no engine at the site answered in time, and reasoning.dataPolicy lets nothing leave the site (cloud: Never),"
        " so no other was asked"
    )


def routes_of(bundle: Bundle) -> dict[str, tuple[str, ...]]:
    """Return the endpoints that each graph may ask, by its uid: those of its route, as far as its data may go there."""
    outside = {endpoint.name for endpoint in bundle.endpoints if endpoint.place == "Cloud"}
    return {
        graph.uid: tuple(
            name for name in graph.reasoning.endpoints if name not in outside or _to_cloud(graph) != "Never"
        )
        for graph in bundle.graphs
    }


def _names(rules: Graph, subject: EntityGraph) -> frozenset[str]:
    """Return the names that are known: those in the rules, and those in the window."""
    aliases = (name for source in rules.sources for pair in source.entity.aliases.items() for name in pair)
    known = (node.id for node in rules.topology.nodes)
    return frozenset({*aliases, *known, *(node.id for node in subject.nodes)})


def _carries(label: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", label, re.IGNORECASE) is not None


def _to_cloud(rules: Graph) -> ToCloud:
    return to_cloud(rules.reasoning.data_policy, rules.sources)
