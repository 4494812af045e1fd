"""When a payload says that it was measured, in nanoseconds since the epoch."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from edgeglm_agent.decode.refused import Reason, Refused

_LATEST_NANOS: Final = 4_102_444_800 * 1_000_000_000  # the year 2100: what lies beyond is no time but a wrong unit
_NEAR_NANOS: Final = 1_000_000_000
"""So near to the latest moment it depends on how a timestamp is rounded whether it is one."""
_DIGITS: Final = re.compile(r"[0-9]{1,19}")
"""Nanoseconds come as text, too, and they alone: beyond 2**53 many writers of JSON cannot write them as a number."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def event_time_ns(value: Any, time_format: str) -> int:  # noqa: ANN401 - the shape of JSON
    """Read a timestamp; raises Refused when it is none of that format."""
    return time_reader(time_format)(value)


def time_reader(time_format: str) -> Callable[[Any], int]:
    """Return what reads timestamps of a format, and raises Refused for what is none."""
    return _READERS[time_format]


def times_reader(time_format: str) -> Callable[[Sequence[Any]], list[int]]:
    """Return what reads many timestamps of a format, and raises Refused when any is none."""
    read, nanos = _READERS[time_format], _NANOS.get(time_format)

    def read_all(values: Sequence[Any]) -> list[int]:
        if (
            nanos is None
            or {*map(type, values)} != {float}
            or not 0 <= min(values) <= max(values) < (_LATEST_NANOS - _NEAR_NANOS) / nanos
        ):
            return list(map(read, values))
        return [round(value * nanos / 1_000) * 1_000 for value in values]  # what `_scaled` says of each

    return read_all


def _scaled(value: Any, nanos: int) -> int:  # noqa: ANN401 - the shape of JSON
    # A float of seconds carries some 200 ns of noise; microseconds are what it can honestly say.
    if type(value) is float and -_LATEST_NANOS <= value * nanos <= _LATEST_NANOS:
        scaled = round(value * nanos / 1_000) * 1_000
    elif type(value) is int:
        scaled = value * nanos
    else:
        raise Refused(Reason.TIMESTAMP)
    if not 0 <= scaled < _LATEST_NANOS:
        raise Refused(Reason.TIMESTAMP)
    return scaled


def _nanoseconds(value: Any) -> int:  # noqa: ANN401 - the shape of JSON
    digits = isinstance(value, str) and _DIGITS.fullmatch(value)
    return _scaled(int(value) if digits else value, nanos=1)


def _iso8601(value: Any) -> int:  # noqa: ANN401 - the shape of JSON
    if not isinstance(value, str) or len(value) > 64:
        raise Refused(Reason.TIMESTAMP)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise Refused(Reason.TIMESTAMP) from error
    if moment.tzinfo is None:  # a local time without its zone is a guess
        raise Refused(Reason.TIMESTAMP)
    span = moment - _EPOCH
    return _scaled((span.days * 86_400 + span.seconds) * 1_000_000_000 + span.microseconds * 1_000, nanos=1)


_NANOS: Final = {"Seconds": 1_000_000_000, "Milliseconds": 1_000_000}
"""Of the formats that are numbers, in nanoseconds."""
_READERS: Final[dict[str, Callable[[Any], int]]] = {
    **{name: partial(_scaled, nanos=nanos) for name, nanos in _NANOS.items()},
    "Nanoseconds": _nanoseconds,
    "ISO8601": _iso8601,
}
