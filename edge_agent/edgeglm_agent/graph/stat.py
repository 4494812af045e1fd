"""Statistics of one series that merge in any order to the same bits.

Sums are kept in integers, values scaled by 2**64 and times in milliseconds: floating-point addition depends on the
order of its terms, and the order in which packets arrive must not change a window (a replay would then ask another
question).
"""

import math
from collections.abc import Sequence
from operator import mul
from typing import Final, Self

import msgspec

from edgeglm_api.sensor_graph import Limits

_SCALE_BITS: Final = 64
_SCALE: Final = 2.0**_SCALE_BITS
_NANOS_PER_MILLI: Final = 1_000_000


class Breach(msgspec.Struct, frozen=True, array_like=True):
    """How often a limit was passed, and when first."""

    limit: str
    bound: float
    onset_ns: int
    count: int
    last_ns: int = 0


class Back(msgspec.Struct, frozen=True, array_like=True):
    """When the value was within a limit by its hysteresis, first and last."""

    limit: str
    first_ns: int
    last_ns: int


class Moments:
    """When some readings were made: what the sums over their times need, once for all that was measured then."""

    __slots__ = ("base", "last_at", "last_ns", "since", "sum_t", "sum_tt", "times")

    def __init__(self, times: Sequence[int]) -> None:
        self.times = times
        self.last_ns = last_ns = max(times)
        self.last_at = times.index(last_ns) if times.count(last_ns) == 1 else None
        """Which one it is; None when there are several."""
        self.base = base = times[0] // _NANOS_PER_MILLI
        """In milliseconds. Counted from there, times are small numbers, whose products cost little."""
        self.since = [at // _NANOS_PER_MILLI - base for at in times]
        n, since = len(times), sum(self.since)
        self.sum_t = n * base + since
        self.sum_tt = n * base * base + 2 * base * since + sum(map(mul, self.since, self.since))

    def last_of(self, values: Sequence[float]) -> float:
        """Return the value of the last moment, the larger one when there are two."""
        if self.last_at is not None:
            return values[self.last_at]
        return max(value for at, value in zip(self.times, values, strict=True) if at == self.last_ns)


class Watched(msgspec.Struct, frozen=True, gc=False):
    """A property, and the limits that its values are held against."""

    property: str
    limits: Limits
    least: float
    most: float
    """Values between these two pass none of the limits, and nothing else is to be noted of them either."""


def watched(name: str, limits: Limits) -> Watched:
    """Return a property with its limits, ready for many values."""
    if limits.hysteresis is None and limits.rate is None:
        lows = [bound for _, bound in _lows(limits) if bound is not None]
        highs = [bound for _, bound in _highs(limits) if bound is not None]
        return Watched(name, limits, max(lows, default=-math.inf), min(highs, default=math.inf))
    return Watched(name, limits, math.inf, -math.inf)


class Stat(msgspec.Struct, array_like=True):
    """A mergeable summary of the readings of one series; an accumulator of the pane that it belongs to."""

    n: int
    min: float
    max: float
    last_ns: int
    last: float
    sum_v: int
    sum_t: int
    sum_tt: int
    sum_tv: int
    breaches: tuple[Breach, ...] = ()
    rate: float | None = None
    """How steep the line may be, per second."""
    hysteresis: float | None = None
    """By how much the value has to be back for a breach to end."""
    backs: tuple[Back, ...] = ()
    """With hysteresis only."""

    @classmethod
    def nothing(cls) -> Self:
        """Return the summary of no reading: an accumulator to begin with."""
        return cls(0, math.inf, -math.inf, -1, 0.0, 0, 0, 0, 0)

    @property
    def mean(self) -> float:
        """The arithmetic mean."""
        return math.ldexp(self.sum_v / self.n, -_SCALE_BITS)

    @property
    def slope_per_second(self) -> float:
        """The slope of the least-squares line; 0 when all readings are of one moment."""
        spread = self.n * self.sum_tt - self.sum_t * self.sum_t
        if spread == 0:
            return 0.0
        return math.ldexp((self.n * self.sum_tv - self.sum_t * self.sum_v) * 1000 / spread, -_SCALE_BITS)

    def take(self, value: float, event_ns: int, limits: Limits) -> None:
        """Take one more reading in: to the bit what merging with its summary comes to, at a third of the cost."""
        scaled, millis = _scaled(value), event_ns // _NANOS_PER_MILLI
        self.n += 1
        self.min = min(self.min, value)
        self.max = max(self.max, value)
        if event_ns > self.last_ns or (event_ns == self.last_ns and value > self.last):
            self.last_ns, self.last = event_ns, value
        self.sum_v += scaled
        self.sum_t += millis
        self.sum_tt += millis * millis
        self.sum_tv += millis * scaled
        self._hold(value, event_ns, limits)

    def take_all(self, values: Sequence[float], moments: Moments, watched: Watched) -> None:
        """Take some readings in, a value for each moment: to the bit what taking each of them comes to."""
        # A negative zero equals zero, so that the order of arrival would decide which of them is the least.
        lowest, highest, last = min(values) + 0.0, max(values) + 0.0, moments.last_of(values) + 0.0
        scaled = [int(value * _SCALE) for value in values]
        total = sum(scaled)
        self.n += len(values)
        # min() and max() of two take twice as long as a comparison, and this is done for each sheet.
        if lowest < self.min:  # noqa: PLR1730
            self.min = lowest
        if highest > self.max:  # noqa: PLR1730
            self.max = highest
        if moments.last_ns > self.last_ns or (moments.last_ns == self.last_ns and last > self.last):
            self.last_ns, self.last = moments.last_ns, last
        self.sum_v += total
        self.sum_t += moments.sum_t
        self.sum_tt += moments.sum_tt
        self.sum_tv += moments.base * total + sum(map(mul, moments.since, scaled))
        if lowest < watched.least or highest > watched.most:
            for value, at in zip(values, moments.times, strict=True):
                self._hold(value, at, watched.limits)

    def _hold(self, value: float, event_ns: int, limits: Limits) -> None:
        """Hold a reading against its limits."""
        if passed := _passed(value, limits):
            self.breaches = _merge_breaches(self.breaches, _breaches(passed, event_ns))
        if limits.rate is not None:
            self.rate = _least(self.rate, limits.rate)
        if limits.hysteresis is not None:
            self.hysteresis = _least(self.hysteresis, limits.hysteresis)
            self.backs = _merge_backs(self.backs, _backs(value, event_ns, limits, limits.hysteresis))


def stat_of(value: float, event_ns: int, limits: Limits) -> Stat:
    """Return the summary of a single reading."""
    scaled, millis = _scaled(value), event_ns // _NANOS_PER_MILLI
    return Stat(
        n=1,
        min=value,
        max=value,
        last_ns=event_ns,
        last=value,
        sum_v=scaled,
        sum_t=millis,
        sum_tt=millis * millis,
        sum_tv=millis * scaled,
        breaches=_breaches(_passed(value, limits), event_ns),
        rate=limits.rate,
        hysteresis=limits.hysteresis,
        backs=() if limits.hysteresis is None else _backs(value, event_ns, limits, limits.hysteresis),
    )


def merge_stats(one: Stat, other: Stat) -> Stat:
    """Return the summary of both; associative and commutative to the bit."""
    last_ns, last = max((one.last_ns, one.last), (other.last_ns, other.last))
    return Stat(
        n=one.n + other.n,
        min=min(one.min, other.min),
        max=max(one.max, other.max),
        last_ns=last_ns,
        last=last,
        sum_v=one.sum_v + other.sum_v,
        sum_t=one.sum_t + other.sum_t,
        sum_tt=one.sum_tt + other.sum_tt,
        sum_tv=one.sum_tv + other.sum_tv,
        breaches=_merge_breaches(one.breaches, other.breaches),
        rate=_least(one.rate, other.rate),
        hysteresis=_least(one.hysteresis, other.hysteresis),
        backs=_merge_backs(one.backs, other.backs),
    )


def _least(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _scaled(value: float) -> int:
    return int(math.ldexp(value, _SCALE_BITS))


def _passed(value: float, limits: Limits) -> list[tuple[str, float]]:
    """Name the limits that a value passes; an alarm limit hides the warning limit below it only in what is shown."""
    passed: list[tuple[str, float]] = []
    if limits.high is not None and value > limits.high:
        passed.append(("high", limits.high))
    if limits.high_high is not None and value > limits.high_high:
        passed.append(("highHigh", limits.high_high))
    if limits.low is not None and value < limits.low:
        passed.append(("low", limits.low))
    if limits.low_low is not None and value < limits.low_low:
        passed.append(("lowLow", limits.low_low))
    return passed


def _breaches(passed: list[tuple[str, float]], event_ns: int) -> tuple[Breach, ...]:
    return tuple(Breach(name, bound, event_ns, 1, event_ns) for name, bound in passed)


def _backs(value: float, event_ns: int, limits: Limits, hysteresis: float) -> tuple[Back, ...]:
    within = [
        *(name for name, bound in _highs(limits) if bound is not None and value <= bound - hysteresis),
        *(name for name, bound in _lows(limits) if bound is not None and value >= bound + hysteresis),
    ]
    return tuple(Back(name, event_ns, event_ns) for name in sorted(within))


def _highs(limits: Limits) -> tuple[tuple[str, float | None], ...]:
    return ("high", limits.high), ("highHigh", limits.high_high)


def _lows(limits: Limits) -> tuple[tuple[str, float | None], ...]:
    return ("low", limits.low), ("lowLow", limits.low_low)


def _merge_backs(one: tuple[Back, ...], other: tuple[Back, ...]) -> tuple[Back, ...]:
    if not one or not other:
        return one or other
    merged = {back.limit: back for back in one}
    for back in other:
        known = merged.get(back.limit, back)
        first_ns, last_ns = min(known.first_ns, back.first_ns), max(known.last_ns, back.last_ns)
        merged[back.limit] = Back(back.limit, first_ns, last_ns)
    return tuple(merged[name] for name in sorted(merged))


def _merge_breaches(one: tuple[Breach, ...], other: tuple[Breach, ...]) -> tuple[Breach, ...]:
    if not other:
        return one
    merged = {(breach.limit, breach.bound): breach for breach in one}
    for breach in other:
        key = (breach.limit, breach.bound)
        known = merged.get(key)
        if known is None:
            merged[key] = breach
        else:
            merged[key] = Breach(
                *key,
                min(known.onset_ns, breach.onset_ns),
                known.count + breach.count,
                max(known.last_ns, breach.last_ns),
            )
    return tuple(merged[key] for key in sorted(merged))
