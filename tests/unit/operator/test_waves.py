"""Whose turn it is to change at the edge: pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgeglm_api.inference_service import Download, EdgeTarget, Update
from edgeglm_api.selection import Sites
from edgeglm_api.time_window import TimeWindow
from edgeglm_operator.reconcile.placement import Place
from edgeglm_operator.reconcile.waves import Changing, Opening, waiting


def a_site(
    node: str,
    *,
    changes: bool = True,
    serves: bool = True,
    fetches: bool = False,
    worked: bool = False,
    is_dark: bool = False,
) -> Changing:
    return Changing(
        place=Place("boxes", node), changes=changes, serves=serves, fetches=fetches, worked=worked, is_dark=is_dark
    )


def a_target(most: int, *, download: TimeWindow | None = None, **update: Any) -> EdgeTarget:
    limits = Download(window=download) if download else None
    return EdgeTarget(name="boxes", sites=Sites(), download=limits, update=Update(max_concurrent_sites=most, **update))


NIGHT = TimeWindow(start="22:00", end="05:00", time_zone="Asia/Shanghai")


def at(hour: int) -> datetime:
    """By the clocks of Shanghai."""
    return datetime(2026, 11, 28, hour, tzinfo=timezone(timedelta(hours=8)))


def who_waits(sites: Sequence[Changing], most: int = 1, *, hour: int = 12, **asked: Any) -> str:
    found = waiting(sites, a_target(most, **asked), at(hour))
    return "".join(sorted(place.node for place in found))


def test_one_after_the_other_by_name() -> None:
    assert who_waits([a_site("c"), a_site("a"), a_site("b")]) == "bc"
    assert who_waits([a_site("a", changes=False), a_site("b"), a_site("c")]) == "c"
    assert who_waits([a_site("a", changes=False, serves=False), a_site("b"), a_site("c")]) == "bc"


def test_as_many_at_a_time_as_is_said() -> None:
    fleet = [a_site("a", changes=False, serves=False), *(a_site(node) for node in "bcde")]
    assert who_waits(fleet, 3) == "de"
    assert who_waits(fleet, 10) == ""


def test_what_does_not_serve_has_nothing_to_lose() -> None:
    """So a correction reaches what a fault has stopped, whatever waits."""
    assert who_waits([a_site("a", serves=False), a_site("b", serves=False), a_site("c"), a_site("d")]) == "d"


def test_what_is_dark_waits_and_keeps_nobody_waiting() -> None:
    dark = [a_site("a", is_dark=True), a_site("b", is_dark=True, serves=False)]
    assert who_waits([*dark, a_site("c"), a_site("d")]) == "abd"
    assert who_waits([a_site("a", changes=False, serves=False, is_dark=True), a_site("b")]) == ""


def test_held_all_wait() -> None:
    assert who_waits([a_site("a"), a_site("b", serves=False), a_site("c", changes=False)], hold=True) == "ab"


def test_outside_the_window_what_serves_does_not_begin() -> None:
    """What has begun goes on, and a correction reaches what serves nobody."""
    fleet = [a_site("a", changes=False, serves=False), a_site("b"), a_site("c", serves=False), a_site("d")]
    assert who_waits(fleet, 5, window=NIGHT, hour=12) == "bd"
    assert who_waits(fleet, 5, window=NIGHT, hour=23) == ""


def test_what_has_to_be_fetched_first_begins_when_both_windows_are_open() -> None:
    """Its replica goes before the new one comes, and that would wait for its model."""
    fleet = [a_site("a", fetches=True), a_site("b"), a_site("c", fetches=True, serves=False)]
    assert who_waits(fleet, 5, download=NIGHT, hour=12) == "a"
    assert who_waits(fleet, 5, download=NIGHT, hour=23) == ""
    noon = TimeWindow(start="11:00", end="23:30", time_zone="Asia/Shanghai")
    assert [who_waits(fleet, 5, window=noon, download=NIGHT, hour=hour) for hour in (12, 23, 2)] == ["a", "", "ab"]
    told = waiting(fleet, a_target(5, window=noon, download=NIGHT), at(9))
    assert told == {
        Place("boxes", "a"): Opening(at(22), "download.window"),
        Place("boxes", "b"): Opening(at(11), "update.window"),
    }


sites = st.lists(
    st.builds(
        Changing,
        place=st.builds(Place, st.just("boxes"), st.text("abcdef", min_size=1, max_size=3)),
        changes=st.booleans(),
        serves=st.booleans(),
        fetches=st.booleans(),
        is_dark=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda site: site.place,
)


@given(sites, st.integers(1, 12))
def test_never_more_than_so_many_that_served_are_down_and_all_come_to_their_turn(
    fleet: list[Changing], most: int
) -> None:
    held = waiting(fleet, a_target(most), at(12))
    begin = [site for site in fleet if site.changes and site.place not in held]
    under_way = [site for site in fleet if not site.changes and not site.serves and not site.is_dark]
    served = [site for site in begin if site.serves]
    assert len(served) + len(under_way) <= max(most, len(under_way))
    assert not any(site.is_dark for site in begin)
    heard = [site for site in fleet if site.changes and not site.is_dark]
    assert begin or not heard or len(under_way) >= most
