"""Spans that come back, by the clocks of a place: pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_api.time_window import Day, TimeWindow, is_known, opens_at


def a_window(start: str, end: str, *days: Day, zone: str = "Europe/Berlin") -> TimeWindow:
    return TimeWindow(start=start, end=end, days=days, time_zone=zone)


def next_of(window: TimeWindow, now: str) -> str:
    found = opens_at(window, datetime.fromisoformat(now))
    return "open" if found is None else found.isoformat(timespec="minutes")


MINUTE = timedelta(minutes=1)
NIGHT = a_window("22:00", "05:00")


@pytest.mark.parametrize(
    ("window", "now", "expected"),
    [
        (NIGHT, "2026-11-28T20:59:59Z", "2026-11-28T22:00+01:00"),
        (NIGHT, "2026-11-28T21:00:00Z", "open"),
        (NIGHT, "2026-11-29T03:59:59Z", "open"),
        (NIGHT, "2026-11-29T04:00:00Z", "2026-11-29T22:00+01:00"),
        (a_window("09:00", "17:00"), "2026-11-28T16:30:00Z", "2026-11-29T09:00+01:00"),
        (a_window("00:00", "24:00", "Saturday", "Sunday"), "2026-11-27T22:59:00Z", "2026-11-28T00:00+01:00"),
        (a_window("00:00", "24:00", "Saturday", "Sunday"), "2026-11-28T23:00:00Z", "open"),
        (a_window("00:00", "24:00", "Saturday", "Sunday"), "2026-11-29T23:00:00Z", "2026-12-05T00:00+01:00"),
        (a_window("22:00", "05:00", "Saturday"), "2026-11-29T03:00:00Z", "open"),
        (a_window("22:00", "05:00", "Saturday"), "2026-11-29T22:00:00Z", "2026-12-05T22:00+01:00"),
        (a_window("02:00", "03:00", zone="Asia/Shanghai"), "2026-11-28T18:30:00Z", "open"),
        (a_window("02:00", "03:00", zone="Asia/Kolkata"), "2026-11-28T21:00:00Z", "open"),
    ],
)
def test_it_is_open_between_its_ends_by_the_clocks_of_its_place(window: TimeWindow, now: str, expected: str) -> None:
    assert next_of(window, now) == expected


@pytest.mark.parametrize(
    ("window", "now", "expected"),
    [
        # The hour from 2 to 3 is not there: what begins in it begins when clocks show 3.
        (a_window("02:30", "04:00"), "2026-03-29T01:00:00Z", "2026-03-29T03:30+02:00"),
        (a_window("01:30", "03:30"), "2026-03-29T01:29:00Z", "open"),
        (a_window("01:30", "03:30"), "2026-03-29T01:30:00Z", "2026-03-30T01:30+02:00"),
        # What would end before it begins is left out.
        (a_window("02:30", "03:10", "Sunday"), "2026-03-29T00:00:00Z", "2026-04-05T02:30+02:00"),
        # The hour from 2 to 3 is there twice: each moment of the clocks is the first.
        (a_window("01:30", "02:30"), "2026-10-25T00:29:00Z", "open"),
        (a_window("01:30", "02:30"), "2026-10-25T00:30:00Z", "2026-10-26T01:30+01:00"),
        (a_window("02:30", "03:30"), "2026-10-25T02:00:00Z", "open"),
    ],
)
def test_the_nights_when_clocks_are_changed(window: TimeWindow, now: str, expected: str) -> None:
    assert next_of(window, now) == expected


minutes = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
windows = st.builds(
    TimeWindow,
    start=minutes,
    end=minutes,
    days=st.lists(st.sampled_from(["Monday", "Thursday", "Sunday"]), unique=True).map(tuple),
    time_zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)


moments = st.integers(0, 20 * 365 * 24 * 60).map(lambda minute: datetime(2020, 1, 1, tzinfo=UTC) + minute * MINUTE)


@given(windows, moments)
def test_it_opens_at_the_moment_it_says_and_within_a_fortnight(window: TimeWindow, now: datetime) -> None:
    opens = opens_at(window, now)
    if opens is not None:
        assert now < opens <= now + timedelta(days=15)
        assert opens_at(window, opens) is None
        assert opens_at(window, opens - timedelta(seconds=1)) == opens


@pytest.mark.parametrize(
    ("zone", "known"),
    [("Europe/Berlin", True), ("UTC", True), ("Europe", False), ("Mars/Base", False), ("../x", False)],
)
def test_zones_are_those_of_the_database(zone: str, *, known: bool) -> None:
    assert is_known(zone) is known
