"""Time comes in from outside: tests need not sleep, and a replay is not disturbed by the hour at which it runs."""

import time
from collections.abc import Callable
from typing import Final

from edgeglm_agent.moment import NANOS_PER_SECOND

Clock = Callable[[], int]
"""Nanoseconds since the epoch."""

JUMP_SECONDS: Final = 10
"""What is less is followed at once; it is less than what readings may be late by. Time servers step by less."""


def system_clock() -> int:
    """Return the wall clock of this machine."""
    return time.time_ns()


def _passed_ns() -> int:
    """Return what has passed since some moment, the time that the machine slept included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class SteadyClock:
    """The wall clock but for its jumps: then time goes on as it passes, until somebody who knows more follows the jump.

    May be asked on any thread.
    """

    def __init__(self, wall: Clock = system_clock, passed: Clock = _passed_ns) -> None:
        self._wall = wall
        self._passed = passed
        self._ahead_ns = wall() - passed()

    def __call__(self) -> int:
        """Return the time."""
        passed, ahead_ns = self._look()
        if abs(ahead_ns - self._ahead_ns) < JUMP_SECONDS * NANOS_PER_SECOND:
            self._ahead_ns = ahead_ns
        return passed + self._ahead_ns

    @property
    def jump_ns(self) -> int:
        """How far the wall clock has jumped from the time that is told; 0 when it has not."""
        jump_ns = self._look()[1] - self._ahead_ns
        return jump_ns if abs(jump_ns) >= JUMP_SECONDS * NANOS_PER_SECOND else 0

    def follow(self) -> None:
        """Tell the time of the wall clock again."""
        self._ahead_ns = self._look()[1]

    def _look(self) -> tuple[int, int]:
        passed = self._passed()
        return passed, self._wall() - passed
