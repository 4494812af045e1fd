"""From a value in a payload to a reading: its quality, its map, its type and its plausible range; or its word."""

import math
from collections.abc import Callable
from typing import Any, Final

from edgeglm_agent.decode.json_payload import NUMERIC
from edgeglm_agent.decode.observation import Reading
from edgeglm_agent.decode.path import Getter, Place, compile_path
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.decode.word import word_of
from edgeglm_api.sensor_graph import Measurement

LARGEST_MAGNITUDE: Final = 1e15
"""Beyond it no sensor measures, and sums would lose their meaning."""


class BadMap(ValueError):  # noqa: N818 - names what it is about
    """The map leads to something that is not of the measurement's type."""


class Measure:
    """One measurement, compiled; raises BadMap, and BadPath for the path of its quality."""

    def __init__(self, measurement: Measurement) -> None:
        self.rules = measurement
        self._map = {word: _meant(measurement.type, value) for word, value in measurement.map.items()}
        self._quality = compile_path(measurement.quality.path) if measurement.quality else None
        self._number = _NUMBERS.get(measurement.type)
        """None for words."""

    def reading(self, value: Any, place: Place) -> Reading:  # noqa: ANN401 - the shape of JSON
        """Return what a value says; raises Refused when it says nothing that can be used."""
        rules = self.rules
        if self._quality is not None:
            self._refuse_bad_quality(self._quality, place)
        said = self._mapped(value) if self._map else value
        if self._number is None:
            return Reading(rules.property, 0.0, rules.limits, word=word_of(said))
        number = _in_range(self._number(said), rules)
        return Reading(rules.property, number, rules.limits, counter=rules.type == "Counter")

    def _mapped(self, value: Any) -> Any:  # noqa: ANN401 - the shape of JSON
        if (mapped := self._map.get(word_of(value))) is None:
            raise Refused(Reason.UNMAPPED)
        return mapped

    def _refuse_bad_quality(self, get: Getter, place: Place) -> None:
        try:
            said = word_of(get(place))
        except Refused as error:
            raise Refused(Reason.BAD_QUALITY) from error
        if self.rules.quality is None or said not in self.rules.quality.good:
            raise Refused(Reason.BAD_QUALITY)


def _meant(kind: str, value: str) -> float | bool | str:
    """Read the right side of a map."""
    if kind == "Enum":
        return value
    if kind == "Boolean":
        if value not in {"true", "false"}:
            raise BadMap(f"leads to {value!r}, but a Boolean is `true` or `false`")
        return value == "true"
    try:
        return float(value)
    except ValueError as error:
        raise BadMap(f"leads to {value!r}, which is no number") from error


def _number(value: Any) -> float:  # noqa: ANN401 - the shape of JSON
    if type(value) not in NUMERIC:
        raise Refused(Reason.NOT_A_NUMBER)
    if not -LARGEST_MAGNITUDE <= value <= LARGEST_MAGNITUDE:
        strange = isinstance(value, float) and not math.isfinite(value)
        raise Refused(Reason.NOT_FINITE if strange else Reason.OUT_OF_RANGE)
    # Of 0.0 and -0.0, which are equal, the order of arrival would decide which one is the least.
    return float(value) + 0.0


def _boolean(value: Any) -> float:  # noqa: ANN401 - the shape of JSON
    if not isinstance(value, bool):
        raise Refused(Reason.NOT_A_BOOLEAN)
    return float(value)


def _counter(value: Any) -> float:  # noqa: ANN401 - the shape of JSON
    number = _number(value)
    if number < 0:
        raise Refused(Reason.OUT_OF_RANGE)
    return number


def _in_range(number: float, rules: Measurement) -> float:
    if (rules.min is not None and number < rules.min) or (rules.max is not None and number > rules.max):
        raise Refused(Reason.OUT_OF_RANGE)
    return number


_NUMBERS: Final[dict[str, Callable[[Any], float]]] = {"Number": _number, "Boolean": _boolean, "Counter": _counter}
