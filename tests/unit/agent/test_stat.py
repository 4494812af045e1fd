"""Statistics merge in any order to the same bits, and mean what they say."""

import functools
import statistics

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.graph.stat import Moments, Stat, merge_stats, stat_of, watched
from edgeglm_api.sensor_graph import Limits

VALUES = st.floats(min_value=-1e15, max_value=1e15, allow_nan=False)
TIMES = st.integers(min_value=0, max_value=4_000_000_000_000_000_000)
LIMITS = Limits(high=10.0, high_high=100.0, low=-10.0)
STATS = st.builds(stat_of, VALUES, TIMES, st.sampled_from([LIMITS, msgspec.structs.replace(LIMITS, hysteresis=3.0)]))


@given(STATS, STATS)
def test_merging_is_commutative(one: Stat, other: Stat) -> None:
    assert merge_stats(one, other) == merge_stats(other, one)


@given(STATS, STATS, STATS)
def test_merging_is_associative(one: Stat, two: Stat, three: Stat) -> None:
    assert merge_stats(merge_stats(one, two), three) == merge_stats(one, merge_stats(two, three))


@given(STATS, VALUES, TIMES, st.sampled_from([LIMITS, msgspec.structs.replace(LIMITS, rate=1.0, hysteresis=2.0)]))
def test_taking_a_reading_in_is_merging_with_its_summary(stat: Stat, value: float, at: int, limits: Limits) -> None:
    merged = merge_stats(stat, stat_of(value, at, limits))
    stat.take(value, at, limits)
    assert stat == merged


@given(
    st.none() | STATS,
    st.lists(st.tuples(VALUES, st.sampled_from([7, 9]) | TIMES), min_size=1, max_size=12),
    st.sampled_from([Limits(), LIMITS, msgspec.structs.replace(LIMITS, rate=1.0, hysteresis=2.0)]),
)
def test_taking_readings_in_together_is_taking_each(
    stat: Stat | None, said: list[tuple[float, int]], limits: Limits
) -> None:
    together, each = (Stat.nothing() if stat is None else msgspec.structs.replace(stat) for _ in range(2))
    together.take_all([value for value, _ in said], Moments([at for _, at in said]), watched("rms", limits))
    for value, at in said:
        each.take(value, at, limits)
    assert together == each
    if stat is None:
        first, *others = [stat_of(value, at, limits) for value, at in said]
        assert together == functools.reduce(merge_stats, others, first)


@given(st.lists(VALUES, min_size=1, max_size=20))
def test_the_mean_is_the_exact_one(values: list[float]) -> None:
    merged = stat_of(values[0], 0, Limits())
    for value in values[1:]:
        merged = merge_stats(merged, stat_of(value, 0, Limits()))
    assert merged.mean == pytest.approx(statistics.fmean(values), rel=1e-12, abs=1e-15)
    assert (merged.n, merged.min, merged.max) == (len(values), min(values), max(values))


def test_the_slope_is_that_of_the_least_squares_line() -> None:
    merged = stat_of(1.0, 1_700_000_000_000_000_000, Limits())
    for second in range(1, 10):
        merged = merge_stats(merged, stat_of(1.0 + 0.5 * second, 1_700_000_000_000_000_000 + second * 10**9, Limits()))
    assert merged.slope_per_second == pytest.approx(0.5)


def test_the_onset_of_a_breach_is_its_first_reading_whatever_came_first() -> None:
    limits = Limits(high=7.0, high_high=11.0)
    late, early = stat_of(12.0, 9_000, limits), stat_of(8.0, 4_000, limits)
    merged = merge_stats(late, early)
    assert [(breach.limit, breach.onset_ns, breach.count) for breach in merged.breaches] == [
        ("high", 4_000, 2),
        ("highHigh", 9_000, 1),
    ]
