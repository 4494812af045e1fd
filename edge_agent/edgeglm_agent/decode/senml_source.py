"""SenML: the names of the records say what is measured and where, the packs carry time and unit themselves."""

from functools import lru_cache
from typing import Final

from edgeglm_agent.decode.gathered import Gathered
from edgeglm_agent.decode.id_template import Captures
from edgeglm_agent.decode.json_payload import parse_json
from edgeglm_agent.decode.measure import Measure
from edgeglm_agent.decode.name_pattern import NamePattern
from edgeglm_agent.decode.naming import Naming
from edgeglm_agent.decode.observation import Decoded, Observation
from edgeglm_agent.decode.path import Place
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.decode.senml import Record, Value, resolve
from edgeglm_agent.decode.unit import converted
from edgeglm_api.sensor_graph import Measurement, Source

MAX_KNOWN_NAMES: Final = 16_384
MAX_KNOWN_NAME_CHARS: Final = 256
"""Devices say the same names again and again; strangers may say any number of them, and long ones."""
_NOWHERE: Final = Place(None, None)
"""Paths are for formats whose fields have no meaning of their own."""


class SenmlReader:
    """Reads the SenML packs of one source."""

    def __init__(self, source: Source) -> None:
        self._source = source
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

    def _gather(self, gathered: Gathered, captures: Captures, record: Record) -> None:
        find = self._known if len(record.name) <= MAX_KNOWN_NAME_CHARS else self._find
        if (found := find(record.name)) is not None:
            measure, named = found
            reading = measure.reading(_in_unit(measure.rules, record), _NOWHERE)
            gathered.add(self._bare(record, {**captures, **named}), reading)

    def _find(self, name: str) -> tuple[Measure, Captures] | None:
        """Return the first measurement that has this name, and what the name says beside it."""
        for measure, pattern in self._measures:
            named = pattern.match(name)
            if named is not None:
                return measure, named
        return None

    def _bare(self, record: Record, captures: Captures) -> Observation:
        return Observation(
            source=self._source.name,
            entity=self._naming.entity(captures, _NOWHERE),
            event_ns=record.time_ns,
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
