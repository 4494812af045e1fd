"""What is usual for a series: mean and deviation of its window means, slowly forgetting.

Null until warm: a deviation from three windows is noise. Frozen during a breach: else a slow failure becomes the new
usual.
"""

import math
from typing import Final

import msgspec

WARM_AFTER_WINDOWS: Final = 10
MEMORY_WINDOWS: Final = 200
"""Beyond it each window weighs 1/200: the baseline follows the seasons, not the day's trouble."""
LEAST_DEVIATION_SHARE: Final = 0.01
"""Of the mean: a sensor that repeats one number must not make its first jitter an anomaly."""


class Baseline(msgspec.Struct, frozen=True, array_like=True):
    """The running mean and variance of window means (Welford, with a memory)."""

    windows: int = 0
    mean: float = 0.0
    variance: float = 0.0

    @property
    def warm(self) -> bool:
        """Whether enough windows were seen to call anything unusual."""
        return self.windows >= WARM_AFTER_WINDOWS


def learn(baseline: Baseline, value: float) -> Baseline:
    """Return the baseline with one more quiet window."""
    windows = min(baseline.windows + 1, MEMORY_WINDOWS)
    delta = value - baseline.mean
    mean = baseline.mean + delta / windows
    variance = baseline.variance + (delta * (value - mean) - baseline.variance) / windows
    return Baseline(windows, mean, variance)


def z_score(baseline: Baseline, value: float) -> float | None:
    """Return how many deviations a window's mean is away from the usual; None until warm."""
    if not baseline.warm:
        return None
    # A prediction from n windows is itself uncertain by 1/n of the variance.
    deviation = math.sqrt(baseline.variance * (1 + 1 / baseline.windows))
    floor = max(abs(baseline.mean) * LEAST_DEVIATION_SHARE, 1e-9)
    return (value - baseline.mean) / max(deviation, floor)
