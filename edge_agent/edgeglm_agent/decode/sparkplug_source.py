"""Sparkplug B: the names of the metrics say what is measured, births and deaths whether there is anybody to measure it.

Read is what `Births` has made of a message: without aliases, so that reading needs no memory.
"""

from collections.abc import Iterator
from functools import lru_cache

import msgspec

from edgeglm_agent.decode.event_time import event_time_ns
from edgeglm_agent.decode.gathered import Gathered
from edgeglm_agent.decode.id_template import Captures
from edgeglm_agent.decode.measure import Measure
from edgeglm_agent.decode.name_pattern import NamePattern
from edgeglm_agent.decode.naming import Naming
from edgeglm_agent.decode.observation import Decoded, Entity, Observation, Reading
from edgeglm_agent.decode.path import Place
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.decode.senml_source import MAX_KNOWN_NAMES
from edgeglm_agent.decode.sparkplug import CONNECTION, Change, Telling, Told
from edgeglm_agent.decode.sparkplug_topic import compile_sparkplug_topic
from edgeglm_api.sensor_graph import Limits, Source

_NOWHERE = Place(None, None)


class SparkplugReader:
    """Reads the tellings of one source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._topic = compile_sparkplug_topic(source.topic)
        self._naming = Naming(source)
        self._measures = tuple((Measure(each), NamePattern(each.name or "")) for each in source.measurements)
        self._known = lru_cache(MAX_KNOWN_NAMES)(self._find)

    def read(self, captures: Captures, payload: bytes, arrived_ns: int) -> Decoded:
        """Understand one telling; raises Refused when it says something, and nothing of that can be used.

        Metrics that no measurement names are passed over: a node tells of whatever has changed.
        """
        telling = msgspec.msgpack.decode(payload, type=Telling)
        gathered = Gathered()
        for told in telling.told:
            if self._topic.wants(told.device):
                try:
                    self._gather(gathered, captures, told, arrived_ns)
                except Refused as refusal:
                    gathered.refuse(refusal.reason)
        holding = [each for change in telling.changes for each in self._holding(captures, change)]
        return gathered.decoded(*holding) if holding or gathered.any else Decoded(())

    def _gather(self, gathered: Gathered, captures: Captures, told: Told, arrived_ns: int) -> None:
        if told.refused and not told.name:
            raise Refused(Reason(told.refused))
        if (found := self._known(told.name)) is None:
            return
        measure, named = found
        if told.refused:
            raise Refused(Reason(told.refused))
        if told.value is None:
            raise Refused(Reason.MISSING)
        reading = measure.reading(told.value, _NOWHERE)
        at_ns = arrived_ns if told.time_ms is None else event_time_ns(told.time_ms, "Milliseconds")
        said = {**captures, **self._topic.of_device(told.device), **named}
        gathered.add(self._bare(said, at_ns), reading)

    def _holding(self, captures: Captures, change: Change) -> Iterator[Observation]:
        """Yield that entities have come or gone: all that the metrics of a device or a node speak of."""
        if not self._topic.wants(change.device):
            return
        known: set[Entity] = set()
        for name in change.names:
            if (found := self._known(name)) is not None:
                said = {**captures, **self._topic.of_device(change.device), **found[1]}
                try:
                    bare = self._bare(said, change.at_ns)
                except Refused:
                    continue  # whoever has no name has said nothing before
                if bare.entity not in known:
                    known.add(bare.entity)
                    state = Reading(CONNECTION, 0.0, Limits(), word=change.word)
                    yield msgspec.structs.replace(bare, readings=(state,), holds=True)

    def _find(self, name: str) -> tuple[Measure, Captures] | None:
        """Return the first measurement that has this name, and what the name says beside it."""
        for measure, pattern in self._measures:
            if (named := pattern.match(name)) is not None:
                return measure, named
        return None

    def _bare(self, captures: Captures, event_ns: int) -> Observation:
        return Observation(
            source=self._source.name,
            entity=self._naming.entity(captures, _NOWHERE),
            event_ns=event_ns,
            readings=(),
            relations=self._naming.relations(captures, _NOWHERE),
        )
