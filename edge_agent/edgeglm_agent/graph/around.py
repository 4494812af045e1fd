"""Whom relations lead to in a window: what derived properties over neighbours are made of.

Relations lead wherever they lead, also out of the partition. Who is elsewhere has no values in this window, and is
missed in a sum like one that is silent.
"""

from collections import ChainMap, Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.relations import Relations, Tie
from edgeglm_agent.graph.window import Window
from edgeglm_api.sensor_graph import Source, Topology

Way = tuple[str, bool]
"""A type of relations, and whether it is followed against its direction."""
Led = Mapping[Way, Mapping[str, Mapping[str, bool]]]
"""Way to entity to whom it leads, in order, and whether it led there all the time."""
_Edge = tuple[str, str, str, bool]
_NOBODY: Final[Mapping[str, bool]] = {}


class Known(msgspec.Struct, frozen=True):
    """What relations that come and go, and the topology, say of a span of time: the same for all partitions."""

    led: Led
    nodes: dict[str, str]
    """Of which type entities are, by the topology."""
    related: dict[str, str]
    """The same by relations."""
    homes: Mapping[str, set[str]]
    """Partition to those in it from whom a way leads."""


class Around(msgspec.Struct, frozen=True):
    """Who is next to whom in one window, and of which type everybody is."""

    known: Led
    told: Led
    """By readings of this window."""
    kinds: Mapping[str, str]
    home: Collection[str]
    """Those of the window's own partition, as far as ways lead from them."""

    def of(self, entity: str, way: Way) -> Mapping[str, bool]:
        """Return whom a way leads to from an entity, in order, and whether it led there all the time."""
        known, told = self.known[way].get(entity, _NOBODY), self.told[way].get(entity, _NOBODY)
        if not told:
            return known
        return {other: known.get(other, False) or told.get(other, False) for other in sorted({*known, *told})}

    def starts(self, way: Way) -> list[str]:
        """Return from whom at home a way leads, in order."""
        return sorted(each for each in self.home if each in self.known[way] or each in self.told[way])


NOTHING_AROUND: Final = Around({}, {}, {}, ())


def known_around(
    window: Window,
    ties: Collection[Tie],
    relations: Relations,
    topology: Topology,
    ways: Collection[Way],
    owners: Callable[[str], Iterable[str]],
) -> Known:
    """Return what is known of a window's span. `owners` tells in which partitions an entity is then."""
    of_ties = (
        (tie.source, tie.target, tie.type, tie.since_ns <= window.start_ns and tie.until_ns >= window.end_ns)
        for tie in ties
    )
    of_topology = ((edge.source, edge.target, edge.type, True) for edge in topology.edges)
    led = _led((*of_ties, *of_topology), ways)
    homes: dict[str, set[str]] = {}
    for entity in set[str]().union(*led.values()):
        for owner in owners(entity):
            homes.setdefault(owner, set()).add(entity)
    related = {tie.target: tie.target_type for tie in ties}
    related |= {entity: each.type for entity, each in relations.related.items()}
    return Known(led, {node.id: node.type for node in topology.nodes}, related, homes)


def around(window: Window, known: Known, told: Led, at_home: Callable[[str], bool]) -> Around:
    """Return what is around the entities of one partition's window."""
    own = known.homes.get(window.partition, frozenset()) | {window.partition} | window.pane.stats.keys()
    own |= {each for each in set[str]().union(*told.values()) if at_home(each)}
    return Around(known.led, told, ChainMap(known.nodes, window.pane.entities, known.related), own)


def told_around(pane: Pane, ways: Collection[Way], told_once: Collection[str]) -> Led:
    """Return whom the readings of a window say that relations lead to.

    Of a type that a message tells once, a second target is a later one: it led to neither all the time.
    """
    return _led(_told(pane, told_once), ways) if pane.edges else {way: {} for way in ways}


def told_once(sources: Iterable[Source]) -> frozenset[str]:
    """Return the types of relations of which no message of any source tells two."""
    counts = [Counter(relation.type for relation in source.relations) for source in sources]
    return frozenset(kind for each in counts for kind in each if all(other[kind] <= 1 for other in counts))


def _told(pane: Pane, told_once: Collection[str]) -> Iterator[_Edge]:
    targets = Counter((source, kind) for source, _, kind in pane.edges)
    for source, target, kind in pane.edges:
        yield source, target, kind, kind not in told_once or targets[source, kind] == 1


def _led(edges: Iterable[_Edge], ways: Collection[Way]) -> Led:
    led: dict[Way, dict[str, dict[str, bool]]] = {way: {} for way in ways}
    for source, target, kind, steady in sorted(edges):
        for way, here, there in (((kind, False), source, target), ((kind, True), target, source)):
            if way in led:
                others = led[way].setdefault(here, {})
                others[there] = steady or others.get(there, False)
    return {way: {each: dict(sorted(others.items())) for each, others in found.items()} for way, found in led.items()}
