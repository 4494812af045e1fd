"""Where entities are, and what holds of them there: the states and relations of one graph, over all its partitions.

An entity whose relations change may go from one partition to another. What holds of it is then known in both: until
that moment it was in the one, from then on it is in the other, and each window looks up its own time.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from edgeglm_agent.decode.observation import Observation
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.graph.around import NOTHING_AROUND, Around, Known, around, known_around, told_around
from edgeglm_agent.graph.derive import derive
from edgeglm_agent.graph.membership import UNASSIGNED, WHOLE
from edgeglm_agent.graph.partition import Partition
from edgeglm_agent.graph.relations import Relations, Tie, near
from edgeglm_agent.graph.silence import Silent, listened
from edgeglm_agent.graph.state import forget_before, hold, states_in, take_along
from edgeglm_agent.graph.window import Window
from edgeglm_agent.pipeline.era import Era

MAX_PARTITIONS: Final = 1024


class Whereabouts:
    """Owner of the relations; what holds of an entity is in its partitions."""

    def __init__(self, relations: Relations, partitions: dict[str, Partition]) -> None:
        self.relations = relations
        self.partitions = partitions
        self.changed = False
        """Whether relations changed since the last checkpoint."""
        self.touched: set[str] = set()
        """Partitions that changed since then."""
        self._spans: dict[tuple[int, int, int], _Span] = {}
        """What was looked up last, by era, start and end: partitions close the same window one after the other."""

    def partition(self, name: str) -> Partition:
        """Return a partition, made when missing; raises Refused when there are too many."""
        if name not in self.partitions:
            if len(self.partitions) >= MAX_PARTITIONS:
                raise Refused(Reason.SERIES_LIMIT)
            self.partitions[name] = Partition()
        self.touched.add(name)
        return self.partitions[name]

    def of(self, era: Era, observation: Observation) -> str:
        """Return the partition of an observation."""
        return era.membership.of_observation(observation, self.relations)

    def note(self, era: Era, observation: Observation) -> tuple[str, bool]:
        """Take in relations that begin or end; return the partition that they are about, and whether somebody moved."""
        self.relations.note(observation, self._settled_ns(era.reach_ns))
        self.changed = True
        self._spans.clear()
        before = self._owner(era, observation.entity.id, observation.event_ns - 1)
        after = self.of(era, observation)
        moves = before != after and before in self.partitions
        if moves:
            self._move(era, observation.event_ns, before, after)
        return (before if after == UNASSIGNED else after), moves

    def hold(self, era: Era, name: str, observation: Observation, *, late: bool, now_ns: int) -> None:
        """Note the states of an observation where the entity was, and where it is."""
        entity, names = observation.entity.id, {name}
        if entity in self.relations.related:
            names |= {self._owner(era, entity, max(observation.event_ns, now_ns))} & self.partitions.keys()
        for each in names:
            partition = self.partition(each)
            hold(partition.holders, observation, late=late)
            partition.known.setdefault(entity, observation.event_ns)

    def close(self, window: Window, era: Era) -> Window:
        """Return a window that was just closed with who was missed, and all that held in it."""
        return self.complete(window, era, self._silent(era, window))

    def complete(self, window: Window, era: Era, silent: tuple[Silent, ...]) -> Window:
        """Return a window with the states and relations that held in it."""
        holders = self.partitions[window.partition].holders

        def belongs(entity: str) -> bool:
            return window.partition in self._owners(era, entity, window.start_ns, window.end_ns - 1)

        def leads_here(tie: Tie) -> bool:
            return window.partition == self._owner(era, tie.source, max(tie.since_ns, window.start_ns))

        states = {
            entity: known
            for entity, known in states_in(holders, window.start_ns, window.end_ns).items()
            if entity not in self.relations.related or entity in window.pane.entities or belongs(entity)
        }
        for entity in states:
            window.pane.know(entity, holders[entity].type)
        held = self._span(window, era).ties
        if held and window.partition != WHOLE:
            held = near(held, era.surroundings.entities(window).keys() | {window.partition}, leads_here)
        for tie in held:
            window.pane.know(tie.source, self.relations.related[tie.source].type)
        for each in silent:
            window.pane.know(each.entity, each.type)
        return msgspec.structs.replace(window, states=states, ties=tuple(held), silent=silent)

    def derive(self, window: Window, era: Era) -> Window:
        """Return a window with what can be derived of all that is in it."""
        if not era.derivations:
            return window
        whole = derive(window, era.derivations, self._around(window, era) if era.ways else NOTHING_AROUND)
        known = self.partitions[window.partition].known
        for entity in whole.made_of:
            known[entity] = max(known.get(entity, 0), window.end_ns)
        return whole

    def _around(self, window: Window, era: Era) -> Around:
        def owners(entity: str) -> set[str]:
            return self._owners(era, entity, window.start_ns, window.end_ns - 1)

        span, topology = self._span(window, era), era.rules.topology
        if span.known is None:
            span.known = known_around(window, span.ties, self.relations, topology, era.ways, owners)
        told = told_around(window.pane, era.ways, era.told_once)
        return around(window, span.known, told, lambda entity: window.partition in owners(entity))

    def _span(self, window: Window, era: Era) -> "_Span":
        key = era.number, window.start_ns, window.end_ns
        if key not in self._spans:
            self._spans = {key: _Span(self.relations.during(window.start_ns, window.end_ns))}
        return self._spans[key]

    def _silent(self, era: Era, window: Window) -> tuple[Silent, ...]:
        partition = self.partitions[window.partition]
        silent = listened(partition.expected, window.pane, window.end_ns, era.expected)
        newest_ns = max(window.end_ns, self.relations.newest_ns)
        for each in silent:
            if each.entity in self.relations.related and self._owner(era, each.entity, newest_ns) != window.partition:
                partition.miss_no_more(each.entity)
        return tuple(each for each in silent if each.entity in partition.expected[each.source])

    def forget_before(self, era: Era, name: str, before_ns: int) -> None:
        """Forget what no window of a partition that is still to come looks up."""
        partition = self.partitions[name]
        forget_before(partition.holders, before_ns)
        if not self.relations.related:
            return
        newest_ns = max(before_ns, self.relations.newest_ns)
        for entity in partition.holders.keys() & self.relations.related.keys() - partition.heard:
            if name not in self._owners(era, entity, before_ns, newest_ns):
                del partition.holders[entity]

    def _move(self, era: Era, at_ns: int, before: str, after: str) -> None:
        """Let all that goes along be known there: with a box, what is in it."""
        old = self.partition(before)
        new = self.partition(after) if after != UNASSIGNED else None
        for entity in sorted(old.heard | old.holders.keys()):
            if self._owner(era, entity, at_ns) == after:
                old.leave(entity)
                if new is not None:
                    take_along(entity, new.holders, old.holders)
                    new.known.setdefault(entity, at_ns)

    def _owners(self, era: Era, entity: str, *moments: int) -> set[str]:
        return {self._owner(era, entity, moment) for moment in moments}

    def _owner(self, era: Era, entity: str, at_ns: int) -> str:
        return era.membership.of_entity(entity, at_ns, self.relations)

    def _settled_ns(self, reach_ns: int) -> int:
        """Return the earliest moment that an open window, of any partition, may look back to."""
        reached = _watermarks({name: each for name, each in self.partitions.items() if each.is_open})
        return min(reached or [max(_watermarks(self.partitions), default=0)]) - reach_ns


class _Span(msgspec.Struct):
    """What relations say of one span of time, whichever partition asks."""

    ties: list[Tie]
    known: Known | None = None


def _watermarks(partitions: Mapping[str, Partition]) -> list[int]:
    return [partition.watermark_ns for partition in partitions.values()]
