"""The entity graph of one window: what the model is asked about, and what its answer is checked against."""

import msgspec

from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.state import Said


class Measured(msgspec.Struct, frozen=True, omit_defaults=True):
    """The statistics of one property of a node."""

    property: str
    unit: str
    n: int
    mean: float
    min: float
    max: float
    last: float
    slope: float
    """Per second."""
    z: float | None = None
    """None until the baseline is warm."""
    trend: float | None = None
    """Per hour, over the hour before; 0 when there is no steady change, None until that can be told."""


class Stated(msgspec.Struct, frozen=True, omit_defaults=True):
    """A state of a node."""

    property: str
    word: str
    """At the end of the window."""
    since_ns: int
    before: str = ""
    changes: tuple[Said, ...] = ()
    """The last ones within the window; `before` is what held until the first of them."""


class Occurred(msgspec.Struct, frozen=True):
    """Events of a node."""

    property: str
    n: int
    last: tuple[Said, ...]
    """The last ones, in order of time; `n` counts all."""


class Node(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entity."""

    id: str
    type: str
    label: str = ""
    measured: tuple[Measured, ...] = ()
    states: tuple[Stated, ...] = ()
    events: tuple[Occurred, ...] = ()
    remarks: tuple[Occurred, ...] = ()
    """What was written of it; the text stands where an event has its word."""


class Edge(msgspec.Struct, frozen=True, omit_defaults=True):
    """A relation between two nodes."""

    id: str
    source: str
    target: str
    type: str
    since_ns: int = 0
    """Set when it began within the window."""
    until_ns: int = 0
    """Set when it ended within the window."""


class EntityGraph(msgspec.Struct, frozen=True, omit_defaults=True):
    """Nodes in the order of a breadth-first search from what is wrong, edges and evidence in canonical order."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    evidence: tuple[Evidence, ...]
    truncated: bool = False

    @property
    def anomalous(self) -> frozenset[str]:
        """The nodes that evidence is about."""
        return frozenset(item.node for item in self.evidence)
