"""SenML: the names of the records say what is measured and where, the packs carry time and unit themselves."""

from functools import lru_cache
from typing import Final

import msgspec

from edgeglm_agent.decode.gathered import Gathered
from edgeglm_agent.decode.id_template import Captures
from edgeglm_agent.decode.json_payload import parse_json
from edgeglm_agent.decode.measure import Measure
from edgeglm_agent.decode.name_pattern import NamePattern
from edgeglm_agent.decode.naming import Naming
from edgeglm_agent.decode.observation import Decoded, Observation
from edgeglm_agent.decode.path import Place
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.decode.senml import Record, Value, is_name, resolve
from edgeglm_agent.decode.unit import converted
from edgeglm_api.sensor_graph import Measurement, Source

MAX_KNOWN_NAMES: Final = 16_384
MAX_KNOWN_NAME_CHARS: Final = 256
"""Devices say the same names again and again; strangers may say any number of them, and long ones."""
_NOWHERE: Final = Place(None, None)
"""Paths are for formats whose fields have no meaning of their own."""


class Spoken(msgspec.Struct, frozen=True):
    """What the name of a record stands for."""

    about: Observation
    """Without readings and time."""
    rules: Measurement


class SenmlReader:
    """Reads the SenML packs of one source."""

    def __init__(self, source: Source) -> None:
        self.source = source.name
        self._naming = Naming(source)
        self._measures = tuple((Measure(each), NamePattern(each.name or "")) for each in source.measurements)
        self._known = lru_cache(MAX_KNOWN_NAMES)(self._find)

    def read(self, captures: Captures, payload: bytes, arrived_ns: int) -> Decoded:
        """Understand one pack; raises Refused with the reason when nothing of it can be used.

        Records that no measurement names are passed over: a device says more than is asked for.
        """
        records, refused = resolve(parse_json(payload), arrived_ns)
        gathered = Gathered(refused)
        for record in records:
            try:
                self._gather(gathered, captures, record)
            except Refused as refusal:
                gathered.refuse(refusal.reason)
        return gathered.decoded()

    def spoken(self, captures: Captures, name: str, unit: str) -> Spoken | None:
        """Return what a name stands for; None when it stands for nothing, or its values are not in our unit."""
        found = self._find(name) if is_name(name) else None
        if found is None or (unit and found[0].rules.unit not in {"", unit}):
            return None
        measure, named = found
        try:
            return Spoken(self._bare(0, {**captures, **named}), measure.rules)
        except Refused:
            return None

    def _gather(self, gathered: Gathered, captures: Captures, record: Record) -> None:
        find = self._known if len(record.name) <= MAX_KNOWN_NAME_CHARS else self._find
        if (found := find(record.name)) is not None:
            measure, named = found
            reading = measure.reading(_in_unit(measure.rules, record), _NOWHERE)
            gathered.add(self._bare(record.time_ns, {**captures, **named}), reading)

    def _find(self, name: str) -> tuple[Measure, Captures] | None:
        """Return the first measurement that has this name, and what the name says beside it."""
        for measure, pattern in self._measures:
            named = pattern.match(name)
            if named is not None:
                return measure, named
        return None

    def _bare(self, event_ns: int, captures: Captures) -> Observation:
        return Observation(
            source=self.source,
            entity=self._naming.entity(captures, _NOWHERE),
            event_ns=event_ns,
            readings=(),
            relations=self._naming.relations(captures, _NOWHERE),
        )


def _in_unit(rules: Measurement, record: Record) -> Value:
    """Return what a record says, in the unit of the measurement; a record or a measurement without unit has its way."""
    value = record.sum if rules.type == "Counter" and record.sum is not None else record.value
    if value is None:
        raise Refused(Reason.MISSING)
    if isinstance(value, str | bool) or not rules.unit or not record.unit:
        return value
    return converted(value, said=record.unit, wanted=rules.unit)
