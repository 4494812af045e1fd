"""Limits ahead: what a series passes if it goes on as it did over the hour before.

Only what is reached within as long as the trend was watched is evidence; further ahead it is a guess.
"""

from collections.abc import Iterator
from typing import NamedTuple

from edgeglm_agent.graph.build import Surroundings
from edgeglm_agent.graph.detect import significant
from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.hysteresis import breaches_of
from edgeglm_agent.graph.trend import POINTS, SECONDS_PER_HOUR, Trends
from edgeglm_agent.graph.window import Window
from edgeglm_api.sensor_graph import Limits


class Ahead(NamedTuple):
    """The next limit."""

    bound: float
    limit: str
    seconds: float


def headings(window: Window, trends: Trends, surroundings: Surroundings, *, point_seconds: int) -> Iterator[Evidence]:
    """Yield a piece of evidence for each series of a window that is on its way to a limit."""
    for entity, stats in window.pane.stats.items():
        for name, per_hour in trends.get(entity, {}).items():
            stat, limits = stats.get(name), surroundings.limits.get(name)
            ahead = _ahead(stat.mean, per_hour, limits) if stat and limits else None
            if stat is None or ahead is None or ahead.seconds > POINTS * point_seconds:
                continue
            passed = breaches_of(stat, window.held.get(entity, {}).get(name, ()))
            if ahead.limit not in {breach.limit for breach in passed}:
                yield _evidence(entity, name, surroundings.units.get(name, ""), per_hour, ahead)


def _ahead(mean: float, per_hour: float, limits: Limits) -> Ahead | None:
    highs = ((limits.high, "high"), (limits.high_high, "highHigh"))
    lows = ((limits.low, "low"), (limits.low_low, "lowLow"))
    found = [
        Ahead(bound, limit, (bound - mean) / per_hour * SECONDS_PER_HOUR)
        for bound, limit in (highs if per_hour > 0 else lows)
        if per_hour and bound is not None and (bound - mean) * per_hour > 0
    ]
    return min(found, key=lambda ahead: ahead.seconds, default=None)


def _evidence(entity: str, name: str, unit: str, per_hour: float, ahead: Ahead) -> Evidence:
    return Evidence(
        id="",
        kind="Trend",
        node=entity,
        property=name,
        unit=unit,
        value=significant(per_hour),
        bound=significant(ahead.bound),
        limit=ahead.limit,
        ahead_seconds=int(ahead.seconds),
    )
