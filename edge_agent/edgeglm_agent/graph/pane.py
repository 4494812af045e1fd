"""A pane: what was observed in one slice of event time, as mergeable statistics and a set of relations."""

from collections.abc import Iterable, Sequence
from copy import copy

import msgspec

from edgeglm_agent.decode.observation import Observation, Reading
from edgeglm_agent.graph.happened import Happened, happened, merge_happened
from edgeglm_agent.graph.remark import merge_remarks, remark
from edgeglm_agent.graph.stat import Moments, Stat, Watched, merge_stats, stat_of


class Pane(msgspec.Struct):
    """An accumulator with one owner, the partition that it belongs to."""

    entities: dict[str, str] = {}
    """Id to type."""
    stats: dict[str, dict[str, Stat]] = {}
    """Entity to property to summary."""
    events: dict[str, dict[str, Happened]] = {}
    """Entity to property to what happened."""
    remarks: dict[str, dict[str, Happened]] = {}
    """Entity to property to what was written of it, where the source opts in to that."""
    edges: set[tuple[str, str, str]] = set()
    """Source, target, type."""
    heard: dict[str, dict[str, int]] = {}
    """Source to entity to the last time that it was heard, of sources that are to be heard regularly."""
    messages: dict[str, int] = {}
    """Source to the number of messages that are accounted for here: the books need it when the window closes."""

    def happen(self, observation: Observation) -> None:
        """Take the events of an observation in, and what else it says."""
        for reading in observation.readings:
            self._merge_event(observation.entity.id, reading.property, happened(reading.word, observation.event_ns))
        self.add(observation)

    def add(self, observation: Observation) -> None:
        """Take one observation in."""
        entity = observation.entity
        self.know(entity.id, entity.type)
        for reading in observation.readings:
            if not reading.word:
                self._measure(entity.id, reading, observation.event_ns)
        for each in observation.words:
            self._merge_remark(entity.id, each.property, remark(each.text, observation.event_ns))
        for relation in observation.relations:
            self.know(relation.to.id, relation.to.type)
            self.edges.add((entity.id, relation.to.id, relation.type))

    def hear(self, observation: Observation) -> None:
        """Note that an entity was heard."""
        self._merge_heard(observation.source, observation.entity.id, observation.event_ns)

    def measure(
        self, entity: str, measured: Sequence[Watched], columns: Iterable[Sequence[float]], moments: Moments
    ) -> None:
        """Take in what was measured of an entity that is known: for each property its values, one for each moment."""
        properties = self.stats.get(entity)
        if properties is None:
            properties = self.stats[entity] = {}
        for each, values in zip(measured, columns, strict=True):
            stat = properties.get(each.property)
            if stat is None:
                stat = properties[each.property] = Stat.nothing()
            stat.take_all(values, moments, each)

    def count(self, source: str, messages: int = 1) -> None:
        """Account for messages here: a message may say many things, but it is windowed once."""
        self.messages[source] = self.messages.get(source, 0) + messages

    def merge(self, other: "Pane") -> None:
        """Take another pane of the same partition in."""
        for entity, kind in other.entities.items():
            self.know(entity, kind)
        for source, count in other.messages.items():
            self.messages[source] = self.messages.get(source, 0) + count
        for entity, properties in other.stats.items():
            for name, stat in properties.items():
                self._merge_stat(entity, name, stat)
        self._merge_told(other)
        for source, entities in other.heard.items():
            for entity, last_ns in entities.items():
                self._merge_heard(source, entity, last_ns)
        self.edges |= other.edges

    def know(self, entity: str, kind: str) -> None:
        """Note that there is an entity."""
        known = self.entities.get(entity)
        # Two sources that disagree on a type must not make the order of arrival decide.
        if known is None or kind < known:
            self.entities[entity] = kind

    def _measure(self, entity: str, reading: Reading, event_ns: int) -> None:
        properties = self.stats.get(entity)
        if properties is None:
            properties = self.stats[entity] = {}
        known = properties.get(reading.property)
        if known is None:
            properties[reading.property] = stat_of(reading.value, event_ns, reading.limits)
        else:
            known.take(reading.value, event_ns, reading.limits)

    def _merge_told(self, other: "Pane") -> None:
        for entity, kinds in other.events.items():
            for name, event in kinds.items():
                self._merge_event(entity, name, event)
        for entity, written in other.remarks.items():
            for name, each in written.items():
                self._merge_remark(entity, name, each)

    def _merge_heard(self, source: str, entity: str, last_ns: int) -> None:
        heard = self.heard.setdefault(source, {})
        heard[entity] = max(heard.get(entity, 0), last_ns)

    def _merge_event(self, entity: str, name: str, event: Happened) -> None:
        kinds = self.events.setdefault(entity, {})
        known = kinds.get(name)
        kinds[name] = event if known is None else merge_happened(known, event)

    def _merge_remark(self, entity: str, name: str, written: Happened) -> None:
        fields = self.remarks.setdefault(entity, {})
        known = fields.get(name)
        fields[name] = written if known is None else merge_remarks(known, written)

    def _merge_stat(self, entity: str, name: str, stat: Stat) -> None:
        properties = self.stats.setdefault(entity, {})
        known = properties.get(name)
        # A copy: the other pane goes on taking readings into its own.
        properties[name] = copy(stat) if known is None else merge_stats(known, stat)
