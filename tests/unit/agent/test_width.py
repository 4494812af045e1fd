"""How much an endpoint is given: all that it bears, and less when it says that it is full or slows down."""

import random
from heapq import heappop, heappush
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.reason.width import (
    FIRST_PAUSE_SECONDS,
    MOST_PAUSE_SECONDS,
    MOST_RETRY_AFTER_SECONDS,
    MOST_SOON,
    Width,
)


def asked(width: Width, times: int, *, at: float = 0.0) -> None:
    for _ in range(times):
        width.began(at)


def a_round(width: Width, *, at: float, seconds: float) -> None:
    """All of the width is asked at once and answered at once."""
    wide = width.now
    asked(width, wide, at=at)
    for _ in range(wide):
        width.answered(began=at, now=at + seconds)
        width.ended()


def test_it_begins_at_what_the_site_allows_and_never_goes_beyond() -> None:
    width = Width(4)
    for turn in range(10):
        a_round(width, at=turn, seconds=1)
    assert (width.now, width.free(10.0), width.cuts) == (4, 4, 0)


def test_those_under_way_together_that_were_refused_halve_it_once() -> None:
    width = Width(16)
    asked(width, 16)
    for late in range(16):
        width.refused(began=0.0, now=1 + late / 100, retry_after=None, chance=0)
    assert (width.now, width.cuts, width.busy) == (8, 1, 16)


def test_it_pauses_as_long_as_the_engine_asked_for() -> None:
    width = Width(4)
    width.refused(began=0.0, now=1.0, retry_after=7.0, chance=0)
    assert (width.free(7.9), width.free(8.0)) == (0, 2)


def test_a_senseless_wish_shuts_nobody_out_for_long() -> None:
    width = Width(4)
    width.refused(began=0.0, now=1.0, retry_after=1e9, chance=0)
    assert width.free(1.0 + MOST_RETRY_AFTER_SECONDS) == 2


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_who_is_full_again_and_again_is_asked_ever_more_seldom(chances: list[float]) -> None:
    """Each pause lies between half and all of twice the last; none is nothing, so there is no hot loop."""
    width, now = Width(8), 0.0
    for turn, chance in enumerate(chances):
        width.refused(began=now, now=now + 0.001, retry_after=None, chance=chance)
        most = min(FIRST_PAUSE_SECONDS * 2**turn, MOST_PAUSE_SECONDS)
        assert width.free(now + 0.001 + most * 0.499) == 0
        assert width.free(now + 0.001 + most * 1.001) > 0
        now += 0.001 + most * 1.001


def test_after_an_answer_the_next_pause_is_short_again() -> None:
    width, now = Width(8), 0.0
    for _ in range(6):
        width.refused(began=now, now=now + 1, retry_after=None, chance=1)
        now += 100
    a_round(width, at=now, seconds=1)
    width.refused(began=now + 2, now=now + 3, retry_after=None, chance=1)
    assert width.free(now + 3 + FIRST_PAUSE_SECONDS) > 0


def test_it_grows_by_one_for_each_round_trip_that_used_all_of_it() -> None:
    width = Width(16)
    width.refused(began=0.0, now=1.0, retry_after=None, chance=0)
    wide = [width.now]
    for turn in range(12):
        a_round(width, at=10.0 + turn, seconds=1)
        wide.append(width.now)
    assert wide[0] == 8
    assert wide[-1] == 16
    assert all(0 <= after - before <= 1 for before, after in pairwise(wide))


def test_what_is_not_used_does_not_grow() -> None:
    width = Width(16)
    width.refused(began=0.0, now=1.0, retry_after=None, chance=0)
    for turn in range(50):
        width.began(10.0 + turn)
        width.answered(began=10.0 + turn, now=11.0 + turn)
        width.ended()
    assert width.now == 8


@pytest.mark.parametrize("ends", ["answered", "timed_out"])
def test_it_gives_less_to_an_engine_that_slows_down(ends: str) -> None:
    width, now = Width(16), 0.0
    for _ in range(10):
        a_round(width, at=now, seconds=1)
        now += 1
    for _ in range(20):
        asked(width, wide := width.now, at=now)
        for _ in range(wide):
            getattr(width, ends)(began=now, now=now + 10)
            width.ended()
        now += 10
    assert width.now < 16
    assert width.cuts > 1


@pytest.mark.parametrize("ceiling", [8, 64, 256])
@pytest.mark.parametrize("seed", range(3))
def test_an_engine_that_is_as_fast_as_ever_keeps_all_of_it(ceiling: int, seed: int) -> None:
    """Of those that began together the fast ones come back first; latencies differ by a factor of eight and more."""
    dice = random.Random(seed)  # noqa: S311 - the same latencies again
    width, under_way = Width(ceiling), list[tuple[float, float]]()
    now = 0.0
    for _ in range(40 * ceiling):
        for _ in range(width.free(now)):
            width.began(now)
            heappush(under_way, (now + 2.83 * dice.lognormvariate(0, 0.53), now))
        now, began = heappop(under_way)
        width.answered(began=began, now=now)
        width.ended()
    assert width.now >= ceiling * 3 // 4


def test_a_single_late_one_of_many_changes_nothing() -> None:
    width = Width(16)
    a_round(width, at=0, seconds=1)
    width.began(1)
    width.timed_out(began=1, now=9)
    assert (width.now, width.cuts) == (16, 0)


def test_a_lower_ceiling_holds_at_once_and_a_higher_one_is_grown_into() -> None:
    width = Width(8)
    width.allow(2)
    assert width.now == 2
    width.allow(8)
    assert width.now == 2
    a_round(width, at=0, seconds=1)
    a_round(width, at=1, seconds=1)
    assert width.now == 3


@pytest.mark.parametrize(("seconds", "soon"), [(0.01, MOST_SOON), (0.4, 5), (4.0, 0)])
def test_so_many_places_are_free_soon_as_answers_come_in_a_quarter_of_a_second(seconds: float, soon: int) -> None:
    width = Width(8)
    assert width.soon(0) == 0, "nothing is known yet"
    for number in range(4):
        a_round(width, at=number * seconds, seconds=seconds)
    for _ in range(8):
        width.began(4 * seconds)
    assert width.soon(4 * seconds) == soon
    width.refused(began=4 * seconds, now=4 * seconds, retry_after=5, chance=0)
    assert width.soon(4 * seconds) == 0


STEPS = st.lists(st.tuples(st.sampled_from(["refused", "answered", "timed_out"]), st.floats(0.01, 20)), max_size=60)


@given(st.integers(1, 64), STEPS)
def test_whatever_comes_it_is_between_one_and_the_ceiling(ceiling: int, steps: list[tuple[str, float]]) -> None:
    width, now = Width(ceiling), 0.0
    for what, seconds in steps:
        width.began(now)
        if what == "refused":
            width.refused(began=now, now=now + seconds, retry_after=None, chance=0.5)
        else:
            getattr(width, what)(began=now, now=now + seconds)
        width.ended()
        now += seconds
        assert 1 <= width.now <= ceiling
        assert width.in_flight == 0
        assert width.free(now + MOST_PAUSE_SECONDS) >= 1, "it is always tried again"
