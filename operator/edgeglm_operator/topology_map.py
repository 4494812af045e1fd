"""A user's ConfigMap with topologies: one in each key, as JSON.

The API server checks nothing of it, so all is checked here: its size before it is read, then its shape, and that each
relation leads from and to an entity. JSON and no YAML, which a graph of this size would take a second to read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec

from edgeglm_api.bundle import MAX_BYTES
from edgeglm_api.sensor_graph import Topology, TopologyEdge, TopologyNode

MAX_NODES: Final = 1024
MAX_EDGES: Final = 2048
"""More than a graph may say itself: what is too large for the bundle is told by the bundle."""
MAX_KEYS: Final = 16
"""Of one ConfigMap; those beyond, in the order of the alphabet, are not read."""

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_Type = Annotated[str, msgspec.Meta(max_length=63, pattern="^[A-Za-z][A-Za-z0-9_]*$")]


class TopologyMap(msgspec.Struct, frozen=True):
    """What is in it."""

    keys: dict[str, Topology | str]
    """By key: a topology, or what is wrong with it and where."""


class _Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: _Id
    type: _Type
    label: Annotated[str, msgspec.Meta(max_length=128)] = ""


class _Edge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: _Id
    target: _Id
    type: _Type


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    nodes: Annotated[tuple[_Node, ...], msgspec.Meta(max_length=MAX_NODES)]
    edges: Annotated[tuple[_Edge, ...], msgspec.Meta(max_length=MAX_EDGES)] = ()


def topology_map_from(raw: Mapping[str, Any]) -> TopologyMap:
    """Read a ConfigMap."""
    data: Mapping[str, Any] = raw.get("data") or {}
    return TopologyMap({key: _topology(data[key]) for key in sorted(data)[:MAX_KEYS]})


def _topology(text: object) -> Topology | str:
    if not isinstance(text, str):
        return "is not text; write the JSON as a block, after |"
    if (size := len(text.encode())) > MAX_BYTES:
        return f"has {size} bytes, and a topology has at most {MAX_BYTES}; leave out what no question is about"
    try:
        written = msgspec.json.decode(text, type=_Written)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at ")
        return f"{path.strip('`').removeprefix('$.') or 'as a whole'}: {message}"
    except msgspec.DecodeError as error:
        return f"is not JSON: {error}"
    return next(_problems(written), None) or Topology(
        nodes=tuple(TopologyNode(id=each.id, type=each.type, label=each.label) for each in written.nodes),
        edges=tuple(TopologyEdge(source=each.source, target=each.target, type=each.type) for each in written.edges),
    )


def _problems(written: _Written) -> Iterator[str]:
    count = Counter(node.id for node in written.nodes)
    yield from (f"nodes: id {each!r} stands {n} times; keep one" for each, n in count.items() if n > 1)
    for at, edge in enumerate(written.edges):
        for end, node in (("source", edge.source), ("target", edge.target)):
            if node not in count:
                yield f"edges[{at}].{end}: {node!r} is not among the nodes; add it, or leave the relation out"
