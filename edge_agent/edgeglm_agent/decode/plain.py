"""Plain sources: numbers at fixed places in JSON, of an entity that the topic names. Most of what sensors send is that.

Such payloads are read here without making observations of them, a value for each measurement, and many at once where
many have come. What is not as it should be is left to the reader of the format, which alone says what of it can be
used, and why the rest cannot.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

from edgeglm_agent.decode.event_time import time_reader, times_reader
from edgeglm_agent.decode.json_payload import NUMERIC, parse_flat_objects, parse_json
from edgeglm_agent.decode.measure import LARGEST_MAGNITUDE
from edgeglm_agent.decode.path import Place, compile_path, member_of
from edgeglm_agent.decode.refused import Refused
from edgeglm_api.sensor_graph import Measurement, Source

_STRANGE: Final = (Refused, LookupError, TypeError)
"""A payload that is not as it should be: no JSON, nothing at a place, or a list where an object should be."""


Numbers = tuple[int, Sequence[float]]
"""What a payload says: when, in nanoseconds since the epoch, and a value for each measurement."""


class PlainNumbers:
    """Reads the payloads of one plain source."""

    def __init__(self, source: Source) -> None:
        self._values = _picker([each.path or "" for each in source.measurements])
        self._bounds = tuple(map(bounds_of, source.measurements))
        self._moment = _moment(source)
        time_format = source.timestamp.format if source.timestamp else "Nanoseconds"
        self._time, self._times = time_reader(time_format), times_reader(time_format)

    def read_all(self, payloads: Sequence[bytes], arrived_ns: Sequence[int]) -> Sequence[Numbers | None]:
        """Return what each payload says; None for those about which anything is strange."""
        together = self._read_together(payloads, arrived_ns) if len(payloads) > 1 else None
        return list(map(self.read, payloads, arrived_ns)) if together is None else together

    def _read_together(self, payloads: Sequence[bytes], arrived_ns: Sequence[int]) -> Sequence[Numbers] | None:
        """Do what `read` does for all of them, column by column; None when anything about any of them is strange."""
        documents = parse_flat_objects(payloads)
        if documents is None:
            return None
        try:
            rows = list(map(self._values, documents))
            times = arrived_ns if self._moment is None else self._times(list(map(self._moment, documents)))
        except _STRANGE:
            return None
        for column, (least, most) in zip(zip(*rows, strict=True), self._bounds, strict=True):
            if {*map(type, column)} != {float} or not least <= min(column) <= max(column) <= most:
                return None
        return list(zip(times, rows, strict=True))

    def read(self, payload: bytes, arrived_ns: int) -> Numbers | None:
        """Return what a payload says; None when anything about it is strange."""
        try:
            document = parse_json(payload)
            values = self._values(document)
            event_ns = arrived_ns if self._moment is None else self._time(self._moment(document))
        except _STRANGE:
            return None
        whole = False
        for value, (least, most) in zip(values, self._bounds, strict=True):
            kind = type(value)
            if kind is not float:
                if kind not in NUMERIC:
                    return None
                whole = True
            if not least <= value <= most:
                return None
        return event_ns, (tuple(map(float, values)) if whole else values)


def is_plain(source: Source) -> bool:
    """Tell whether a source is one; of SenML, whether its packs can be."""
    return (
        source.kind == "Telemetry"
        and source.format in {"JSON", "SenML"}
        and not source.for_each
        and not source.text
        and bool(source.measurements)
        and all(each.type == "Number" and not each.map and each.quality is None for each in source.measurements)
        and source.limits.readings_per_second is None
    )


def _picker(paths: Sequence[str]) -> Callable[[Any], Sequence[Any]]:
    """Return a function that finds all values of a payload, or raises one of what is strange."""
    names = [name for path in paths if (name := member_of(path)) is not None]
    if 1 < len(names) == len(paths):
        return itemgetter(*names)
    finds = [compile_path(path) for path in paths]
    return lambda document: tuple(find(Place(document, document)) for find in finds)


def _moment(source: Source) -> Callable[[Any], Any] | None:
    """Return a function that finds what a payload says of when; None where its arrival tells that."""
    if source.timestamp is None:
        return None
    name, find = member_of(source.timestamp.path), compile_path(source.timestamp.path)
    if name is not None:
        return itemgetter(name)
    return lambda document: find(Place(document, document))


def bounds_of(rules: Measurement) -> tuple[float, float]:
    """Return the least and the largest value that is taken."""
    least = -LARGEST_MAGNITUDE if rules.min is None else max(rules.min, -LARGEST_MAGNITUDE)
    return least, LARGEST_MAGNITUDE if rules.max is None else min(rules.max, LARGEST_MAGNITUDE)
