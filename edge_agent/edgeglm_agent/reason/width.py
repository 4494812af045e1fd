"""How many requests an endpoint has at once: more while it keeps up, fewer when it slows down or says that it is full.

Additive increase, multiplicative decrease. It begins at the ceiling, which is what the site allows, and comes down to
what the engine can bear in a few round trips. Pure: times are of one monotonic clock, in seconds, and come in from
outside; so does chance.
"""

from typing import Final

FIRST_PAUSE_SECONDS: Final = 0.5
MOST_PAUSE_SECONDS: Final = 30.0
MOST_RETRY_AFTER_SECONDS: Final = 300.0
"""A server's word is kept up to here, so that a wrong one does not shut the site out for long."""
SLOW: Final = 2.0
"""So many times the usual latency is too slow. One round differs from the next by less."""
LEAST_OF_A_ROUND: Final = 16
"""The mean of fewer says little."""
_FULL_FACTOR: Final = 0.5
_SLOW_FACTOR: Final = 0.9
_RISE: Final = 1 / 4096
"""The weight of an answer in the usual latency, where that rises; where it falls, it falls at once."""
SOON_SECONDS: Final = 0.25
"""As long as the ledger takes for some answers and the next claim when the machine is busy (docs/bench.md)."""
MOST_SOON: Final = 16


class Width:
    """State of one endpoint."""

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._width = float(ceiling)
        self._round = _Round(skip=self._of_a_round)
        self._usual: float | None = None
        self._is_slow = False
        """Whether the last round was."""
        self._cut_at = float("-inf")
        self._full_at = float("-inf")
        self._paused_until = float("-inf")
        self._pause = FIRST_PAUSE_SECONDS
        self.in_flight = 0
        self.busy = 0
        """How often it said that it is full."""
        self.cuts = 0
        """How often the width was made smaller."""

    @property
    def now(self) -> int:
        """How many requests it may have at once; at least one."""
        return max(int(self._width), 1)

    def allow(self, ceiling: int) -> None:
        """Take on another ceiling."""
        self._ceiling = ceiling
        self._width = min(self._width, float(ceiling))

    def free(self, now: float) -> int:
        """Return for how many more requests there is room; none while it is given a pause."""
        return 0 if now < self._paused_until else max(self.now - self.in_flight, 0)

    def soon(self, now: float) -> int:
        """Return for how many more there will be room very soon, as answers come; none while it is given a pause.

        For so many the next can stand ready. A more urgent one that comes meanwhile waits for them, but not for long;
        at an engine that takes seconds nobody stands ready.
        """
        if now < self._paused_until or not self._usual:
            return 0
        return min(round(self.in_flight * SOON_SECONDS / self._usual), MOST_SOON)

    def began(self, now: float) -> None:
        """One more is under way."""
        self.in_flight += 1
        if self.in_flight >= self.now:
            self._full_at = now

    def ended(self) -> None:
        """It is not under way any more, whatever came of it."""
        self.in_flight -= 1

    def answered(self, *, began: float, now: float) -> None:
        """An answer came: a step wider for each round trip in which all of the width was used, if it was fast."""
        self._pause = FIRST_PAUSE_SECONDS
        self._took(began, now)
        if not self._is_slow and self._full_at >= began:
            self._width = min(self._width + 1 / self._width, float(self._ceiling))

    def timed_out(self, *, began: float, now: float) -> None:
        """No answer came in time, which is a latency, too. A single one of many does not make it narrower."""
        self._took(began, now)

    def refused(self, *, began: float, now: float, retry_after: float | None, chance: float) -> None:
        """It is full: half as wide, and a pause as long as it asked for, or twice as long each time it is full again.

        `chance` is from 0 to 1 and spreads the sites. Those that had begun before the last cut tell nothing new.
        """
        self.busy += 1
        if retry_after is not None:
            asked = min(retry_after, MOST_RETRY_AFTER_SECONDS)
            self._rest(now, asked + chance * FIRST_PAUSE_SECONDS)
        if self._cut(_FULL_FACTOR, began, now):
            self._rest(now, self._pause * (1 + chance) / 2)
            self._pause = min(self._pause * 2, MOST_PAUSE_SECONDS)

    def _rest(self, now: float, seconds: float) -> None:
        self._paused_until = max(self._paused_until, now + seconds)

    @property
    def _of_a_round(self) -> int:
        return max(self.now, LEAST_OF_A_ROUND)

    def _took(self, began: float, now: float) -> None:
        """Take one more latency in; at the end of a slow round, make it narrower."""
        mean = None if began <= self._cut_at else self._round.mean_with(now - began, of=self._of_a_round)
        if mean is None:
            return
        usual = mean if self._usual is None else self._usual
        self._usual = min(mean, usual + (mean - usual) * self._of_a_round * _RISE)
        self._is_slow = mean > SLOW * self._usual
        if self._is_slow:
            self._cut(_SLOW_FACTOR, began, now)

    def _cut(self, factor: float, began: float, now: float) -> bool:
        """Make it narrower, once for all that were under way together; tell whether it was."""
        if began <= self._cut_at:
            return False
        self._cut_at = now
        self._round = _Round(skip=self._of_a_round)
        self._width = max(self._width * factor, 1.0)
        self.cuts += 1
        return True


class _Round:
    """The latencies of about one round trip.

    Those that began together come back in the order of their latencies. So the first round trip, in which only the fast
    ones come, is passed over: held against it, every engine slows down.
    """

    def __init__(self, *, skip: int) -> None:
        self._taken = -skip
        self._seconds = 0.0

    def mean_with(self, seconds: float, *, of: int) -> float | None:
        """Take one in; return the mean of the round when it ends with it, and begin the next."""
        self._taken += 1
        if self._taken <= 0:
            return None
        self._seconds += seconds
        if self._taken < of:
            return None
        mean = self._seconds / self._taken
        self._taken, self._seconds = 0, 0.0
        return mean
