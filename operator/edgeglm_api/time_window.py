"""A span of time that comes back each day or each week, by the clocks of a named place."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from edgeglm_api.model import Model

Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_DAYS: Final[tuple[Day, ...]] = get_args(Day)
_LOOK_AHEAD_DAYS: Final = 16
"""Two weeks and more: in the night when clocks go forward, a span that comes once a week may be empty."""


class TimeWindow(Model, frozen=True, kw_only=True):
    """When something may be done."""

    days: tuple[Day, ...] = ()
    """On which it begins; empty means each."""
    start: str
    """`HH:MM`"""
    end: str
    """Likewise, or `24:00`. Not after the start it is on the day after."""
    time_zone: str
    """A name of the IANA database."""


class _Span(msgspec.Struct, frozen=True):
    opens: datetime
    closes: datetime


def is_known(zone: str) -> bool:
    """Whether the IANA database at hand has it."""
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # a directory of zones is an error of the disk
        return False
    return True


def opens_at(window: TimeWindow, now: datetime) -> datetime | None:
    """When it opens next, by its own clocks; None while it is open. Its zone must be known."""
    begins = now.astimezone(ZoneInfo(window.time_zone)).date() - timedelta(days=1)
    spans = (_span(window, day) for day in _days_from(begins) if _begins_on(window, day))
    found = next(span for span in spans if span.closes > max(span.opens, now))
    return None if found.opens <= now else found.opens.astimezone(ZoneInfo(window.time_zone))


def _days_from(first: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range(_LOOK_AHEAD_DAYS))


def _begins_on(window: TimeWindow, day: date) -> bool:
    return not window.days or _DAYS[day.weekday()] in window.days


def _span(window: TimeWindow, day: date) -> _Span:
    """In UTC: Python compares two moments of one zone by what clocks show, which now and then is shown twice."""
    start, end = _since_midnight(window.start), _since_midnight(window.end)
    if end <= start:
        end += timedelta(days=1)
    midnight, zone = datetime.combine(day, time()), ZoneInfo(window.time_zone)
    return _Span(*((midnight + moment).replace(tzinfo=zone).astimezone(UTC) for moment in (start, end)))


def _since_midnight(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))
