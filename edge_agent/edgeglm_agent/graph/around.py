"""Whom relations lead to in a window: what derived properties over neighbours are made of.

Relations lead wherever they lead, also out of the partition. Who is elsewhere has no values in this window, and is
missed in a sum like one that is silent.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

import msgspec

from edgeglm_agent.graph.relations import Relations
from edgeglm_agent.graph.window import Window
from edgeglm_api.sensor_graph import Topology

Way = tuple[str, bool]
"""A type of relations, and whether it is followed against its direction."""
_NOBODY: Final[Mapping[str, bool]] = {}


class Around(msgspec.Struct, frozen=True):
    """Who is next to whom, by the ways that are wanted, and of which type everybody is."""

    led: Mapping[Way, Mapping[str, Mapping[str, bool]]]
    """Way to entity to whom it leads, and whether it led there all the time."""
    kinds: Mapping[str, str]

    def of(self, entity: str, way: Way) -> Mapping[str, bool]:
        """Return whom a way leads to from an entity, in order, and whether it led there all the time."""
        return self.led[way].get(entity, _NOBODY)


NOTHING_AROUND: Final = Around({}, {})


def around(window: Window, relations: Relations, topology: Topology, ways: Collection[Way]) -> Around:
    """Return whom the relations that are known of a window lead to."""
    led: dict[Way, dict[str, dict[str, bool]]] = {way: {} for way in ways}
    for source, target, kind, steady in sorted(_edges(window, relations, topology)):
        for way, here, there in (((kind, False), source, target), ((kind, True), target, source)):
            if way in led:
                others = led[way].setdefault(here, {})
                others[there] = steady or others.get(there, False)
    return Around(
        {way: {each: dict(sorted(others.items())) for each, others in found.items()} for way, found in led.items()},
        _kinds(window, relations, topology),
    )


def _edges(window: Window, relations: Relations, topology: Topology) -> Iterator[tuple[str, str, str, bool]]:
    for source, target, kind in window.pane.edges:
        yield source, target, kind, True
    for edge in topology.edges:
        yield edge.source, edge.target, edge.type, True
    for tie in relations.during(window.start_ns, window.end_ns):
        yield tie.source, tie.target, tie.type, tie.since_ns <= window.start_ns and tie.until_ns >= window.end_ns


def _kinds(window: Window, relations: Relations, topology: Topology) -> dict[str, str]:
    kinds = {tie.target: tie.target_type for tie in relations.during(window.start_ns, window.end_ns)}
    kinds |= {entity: related.type for entity, related in relations.related.items()}
    return kinds | window.pane.entities | {node.id: node.type for node in topology.nodes}
