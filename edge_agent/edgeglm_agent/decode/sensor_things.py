"""OGC SensorThings (18-088): Observations as a server publishes them over MQTT.

Which Datastream an Observation is of stands in the payload when it is expanded there, else in the topic
(`v1.1/Datastreams(42)/Observations`); a link alone does not say it.
"""

import re
from typing import Any, Final

from edgeglm_agent.decode.event_time import event_time_ns
from edgeglm_agent.decode.gathered import Gathered
from edgeglm_agent.decode.id_template import Captures
from edgeglm_agent.decode.json_payload import parse_json
from edgeglm_agent.decode.measure import Measure
from edgeglm_agent.decode.name_pattern import NamePattern
from edgeglm_agent.decode.naming import Naming
from edgeglm_agent.decode.observation import Decoded, Observation
from edgeglm_agent.decode.path import Place, compile_path
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_api.sensor_graph import Measurement, Source

DATASTREAM: Final = "datastream"
"""The capture that holds the Datastream's id."""
RESULT: Final = "$.result"
_IN_TOPIC: Final = re.compile(r"Datastreams\('?([^()']+)'?\)")


class SensorThingsReader:
    """Reads the Observations of one source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._naming = Naming(source)
        self._wanted = tuple(_Wanted(each) for each in source.measurements)

    def read(self, captures: Captures, payload: bytes, arrived_ns: int) -> Decoded:
        """Understand one Observation; raises Refused with the reason when nothing of it can be used."""
        document = parse_json(payload)
        if not isinstance(document, dict):
            raise Refused(Reason.NOT_AN_OBSERVATION)
        place = Place(document, document)
        fields = {**captures, DATASTREAM: _datastream(document, captures)}
        event_ns = _event_ns(document, arrived_ns)
        gathered = Gathered()
        for wanted in self._wanted:
            found = wanted.match(fields[DATASTREAM])
            if found is None:
                continue
            try:
                reading = wanted.measure.reading(wanted.value(place), place)
                gathered.add(self._bare(fields | found, place, event_ns), reading)
            except Refused as refusal:
                gathered.refuse(refusal.reason)
        return gathered.decoded()

    def _bare(self, fields: Captures, place: Place, event_ns: int) -> Observation:
        return Observation(
            source=self._source.name,
            entity=self._naming.entity(fields, place),
            event_ns=event_ns,
            readings=(),
            relations=self._naming.relations(fields, place),
        )


class _Wanted:
    """One measurement: of which Datastreams, and where in the result."""

    def __init__(self, measurement: Measurement) -> None:
        self.measure = Measure(measurement)
        self.value = compile_path(measurement.path or RESULT)
        self._pattern = NamePattern(measurement.name) if measurement.name else None

    def match(self, datastream: str) -> dict[str, str] | None:
        """Return what the Datastream's id captures, or None when it is another one."""
        return self._pattern.match(datastream) if self._pattern else {}


def _datastream(observation: dict[str, Any], captures: Captures) -> str:
    """Return the Datastream's id; empty when nothing says it."""
    expanded = observation.get("Datastream")
    said = expanded.get("@iot.id") if isinstance(expanded, dict) else None
    if isinstance(said, str | int) and not isinstance(said, bool):
        return str(said)
    return next((found[1] for level in captures.values() if (found := _IN_TOPIC.fullmatch(level))), "")


def _event_ns(observation: dict[str, Any], arrived_ns: int) -> int:
    """Of a phenomenon that took a while, the end: before it, nobody could know the result."""
    when = observation.get("phenomenonTime") or observation.get("resultTime")
    if when is None:
        return arrived_ns
    return event_time_ns(when.rpartition("/")[2] if isinstance(when, str) else when, "ISO8601")
