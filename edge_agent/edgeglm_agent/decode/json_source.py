"""Plain JSON: paths say where the numbers stand, `forEach` says where the items of a batch do."""

from edgeglm_agent.decode.event_time import event_time_ns
from edgeglm_agent.decode.free_text import TextField
from edgeglm_agent.decode.id_template import Captures
from edgeglm_agent.decode.json_payload import parse_json
from edgeglm_agent.decode.measure import Measure
from edgeglm_agent.decode.naming import Naming
from edgeglm_agent.decode.observation import Decoded, Observation, Reading, Words
from edgeglm_agent.decode.path import Place, compile_for_each, compile_path
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_api.sensor_graph import Source


class JsonReader:
    """Reads the JSON payloads of one source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._items = compile_for_each(source.for_each) if source.for_each else None
        self._naming = Naming(source)
        self._measures = tuple((Measure(each), compile_path(each.path or "")) for each in source.measurements)
        self._texts = tuple(map(TextField, source.text))
        self._time = compile_path(source.timestamp.path) if source.timestamp else None

    def read(self, captures: Captures, payload: bytes, arrived_ns: int) -> Decoded:
        """Understand one payload; raises Refused with the reason when nothing of it can be used."""
        document = parse_json(payload)
        observations: list[Observation] = []
        refused: list[Reason] = []
        for item in self._items(document) if self._items else [document]:
            try:
                observation, reasons = self._observation(captures, Place(document, item), arrived_ns)
            except Refused as refusal:
                refused.append(refusal.reason)
            else:
                observations.append(observation)
                refused += reasons
        if not observations:
            raise Refused(refused[0] if refused else Reason.MISSING)
        return Decoded(tuple(observations), tuple(refused))

    def _observation(self, captures: Captures, place: Place, arrived_ns: int) -> tuple[Observation, list[Reason]]:
        readings, refused = self._readings(place)
        words = self._words(place, refused) if self._texts else ()
        if not readings and not words and (self._measures or self._texts):
            raise Refused(refused[0] if refused else Reason.MISSING)
        observation = Observation(
            source=self._source.name,
            entity=self._naming.entity(captures, place),
            event_ns=self._event_ns(place, arrived_ns),
            readings=tuple(readings),
            relations=self._naming.relations(captures, place),
            words=words,
        )
        return observation, refused

    def _readings(self, place: Place) -> tuple[list[Reading], list[Reason]]:
        readings: list[Reading] = []
        refused: list[Reason] = []
        for measure, get in self._measures:
            try:
                readings.append(measure.reading(get(place), place))
            except Refused as refusal:
                refused.append(refusal.reason)
        return readings, refused

    def _words(self, place: Place, refused: list[Reason]) -> tuple[Words, ...]:
        words: list[Words | None] = []
        for field in self._texts:
            try:
                words.append(field.words(place))
            except Refused as refusal:
                refused.append(refusal.reason)
        return tuple(each for each in words if each is not None)

    def _event_ns(self, place: Place, arrived_ns: int) -> int:
        if self._time is None or self._source.timestamp is None:
            return arrived_ns
        try:
            value = self._time(place)
        except Refused as error:
            raise Refused(Reason.TIMESTAMP) from error
        return event_time_ns(value, self._source.timestamp.format)
