"""Where a series is going: the steady change of its means over the hour before.

A slope within one window is seconds of noise, and a z-score is blind to what is slow: the usual goes along. So of each
series the means of twelve points are kept, each of five minutes of windows or of one window if that is longer. There is
a trend where nearly all pairs of them agree on its direction (Mann-Kendall, which asks for no distribution); its size
is the median of the slopes between them (Theil-Sen), so that one odd point moves it little.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from statistics import median
from typing import Final

import msgspec

from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.moment import NANOS_PER_SECOND

POINTS: Final = 12
LEAST_POINTS: Final = 8
"""Of fewer, chance alone puts too many in order."""
POINT_SECONDS: Final = 300
MAX_ENTITIES: Final = 4096
"""Of a partition; beyond it those that were not heard in the window are forgotten. Strangers can invent entities."""
_DEVIATIONS: Final = 3
"""Of the number of pairs in order, from what chance makes: one in 370 series that go nowhere."""
_STALE_POINTS: Final = POINTS // 2
SECONDS_PER_HOUR: Final = 3600


class Track(msgspec.Struct, array_like=True):
    """The points of one series."""

    at: int
    """The number of the point that is being gathered."""
    windows: int
    mean: float
    """Of those windows."""
    past: list[float | None] = []
    """The points before it, oldest first; None where nothing was heard."""
    per_hour: float | None = None
    """The trend of those; 0 is steady, None is too few of them. Computed once, when a point is complete."""


class Tracks(msgspec.Struct, array_like=True):
    """Of one partition, which owns it. Rules with points of another length begin anew."""

    point_seconds: int = 0
    series: dict[str, dict[str, Track]] = {}
    """Entity to property."""


Trends = Mapping[str, Mapping[str, float]]
"""Entity to property to its trend per hour, of those that have enough points."""


def follow(tracks: Tracks, pane: Pane, *, point_seconds: int, end_ns: int, since_ns: int) -> Tracks:
    """Take in the means of a window that ends then, of series that were heard since a moment; return the tracks."""
    if tracks.point_seconds != point_seconds:
        tracks = Tracks(point_seconds)
    if len(tracks.series) > MAX_ENTITIES:
        tracks.series = {entity: tracks.series[entity] for entity in tracks.series if entity in pane.stats}
    at = _point(end_ns, point_seconds)
    for entity, stats in pane.stats.items():
        for name, stat in stats.items():
            if stat.last_ns >= since_ns:
                properties = tracks.series.setdefault(entity, {})
                track = properties.setdefault(name, Track(at, 0, 0.0))
                _take(track, at, stat.mean, point_seconds)
    return tracks


def trends_at(tracks: Tracks, end_ns: int) -> Trends:
    """Return the trends that still hold for a window that ends then: one that ended half an hour ago tells nothing."""
    if not tracks.point_seconds:
        return {}
    oldest = _point(end_ns, tracks.point_seconds) - _STALE_POINTS
    return {entity: dict(_fresh(properties, oldest)) for entity, properties in tracks.series.items()}


def _point(end_ns: int, point_seconds: int) -> int:
    # The end is not in a window.
    return (end_ns - 1) // (point_seconds * NANOS_PER_SECOND)


def _fresh(properties: Mapping[str, Track], oldest: int) -> Iterator[tuple[str, float]]:
    for name, track in properties.items():
        if track.per_hour is not None and track.at >= oldest:
            yield name, track.per_hour


def _take(track: Track, at: int, mean: float, point_seconds: int) -> None:
    if at > track.at:
        gap = [None] * min(at - track.at - 1, POINTS)
        track.past = [*track.past, track.mean, *gap][-POINTS:]
        track.per_hour = _per_hour(track.past, point_seconds)
        track.at, track.windows = at, 0
    track.windows += 1
    track.mean = mean if track.windows == 1 else track.mean + (mean - track.mean) / track.windows


def _per_hour(points: list[float | None], point_seconds: int) -> float | None:
    known = [(at, mean) for at, mean in enumerate(points) if mean is not None]
    if len(known) < LEAST_POINTS:
        return None
    pairs = list(combinations(known, 2))
    order = sum((later > earlier) - (later < earlier) for (_, earlier), (_, later) in pairs)
    if not _beyond_chance(order, len(known)):
        return 0.0
    steps = median((later - earlier) / (to - at) for (at, earlier), (to, later) in pairs)
    return steps * SECONDS_PER_HOUR / point_seconds


def _beyond_chance(order: int, n: int) -> bool:
    """Tell whether so many more pairs of n points are in order than not (Mann-Kendall, corrected for continuity)."""
    return 18 * max(abs(order) - 1, 0) ** 2 >= _DEVIATIONS**2 * n * (n - 1) * (2 * n + 5)
