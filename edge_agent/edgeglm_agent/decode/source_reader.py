"""A source, compiled: from a message's topic and payload to what it says."""

from functools import lru_cache
from typing import Final, Protocol

from edgeglm_agent.decode.id_template import Captures
from edgeglm_agent.decode.json_source import JsonReader
from edgeglm_agent.decode.naming import Naming
from edgeglm_agent.decode.observation import Decoded, Observation
from edgeglm_agent.decode.path import Place
from edgeglm_agent.decode.plain import PlainNumbers, is_plain
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.decode.senml_source import SenmlReader
from edgeglm_agent.decode.sensor_things import SensorThingsReader
from edgeglm_agent.decode.source_topic import topic_of
from edgeglm_agent.decode.sparkplug_source import SparkplugReader
from edgeglm_agent.decode.topic import MAX_KNOWN_TOPIC_CHARS, MAX_KNOWN_TOPICS
from edgeglm_api.sensor_graph import Source


class FormatReader(Protocol):
    """Reads the payloads of one source, in the one format that it has."""

    def __init__(self, source: Source) -> None: ...

    def read(self, captures: Captures, payload: bytes, arrived_ns: int) -> Decoded:
        """Understand one payload; raises Refused with the reason when nothing of it can be used."""
        ...


class SourceReader:
    """Reads the messages of one source. Stateless: the same message says the same at any time."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.topic = topic_of(source)
        self._known = lru_cache(MAX_KNOWN_TOPICS)(self.topic.match)
        self._format = _FORMATS[source.format](source)
        plain = is_plain(source)
        self.numbers = PlainNumbers(source) if plain and source.format == "JSON" else None
        """Reads what is plain, when the topic says the rest."""
        self.packs = self._format if plain and isinstance(self._format, SenmlReader) else None
        """Knows what the names in plain packs stand for."""
        self._naming = Naming(source)

    def read(self, topic: str, payload: bytes, arrived_ns: int) -> Decoded:
        """Understand one message whose topic matches; raises Refused when nothing of it can be used."""
        match = self._known if len(topic) <= MAX_KNOWN_TOPIC_CHARS else self.topic.match
        captures = match(topic)
        if captures is None:
            raise Refused(Reason.UNMATCHED)
        return self._format.read(captures, payload, arrived_ns)

    def about(self, topic: str) -> Observation | None:
        """Return what a topic alone says: an observation without readings or time; None when it does not say enough."""
        naming, captures = self._naming, self.topic.match(topic)
        if captures is None or not naming.of_topic:
            return None
        try:
            entity, relations = naming.entity(captures, _NOWHERE), naming.relations(captures, _NOWHERE)
        except Refused:
            return None
        return Observation(self.source.name, entity, 0, (), relations)


_NOWHERE: Final = Place(None, None)
_FORMATS: Final[dict[str, type[FormatReader]]] = {
    "JSON": JsonReader,
    "SenML": SenmlReader,
    "SensorThings": SensorThingsReader,
    "SparkplugB": SparkplugReader,
}
