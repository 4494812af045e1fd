"""What is asked: questions of three priorities, and how long each is worth an answer."""

import random
import time
from collections.abc import Iterator
from typing import Final

import msgspec

from edgeglm_agent.reason.request import Request
from edgeglm_api.sensor_graph import Priority
from tests.edge.asking_path import Patience, a_question

SHARES: Final[dict[Priority, float]] = {"High": 0.1, "Normal": 0.3, "Low": 0.6}
FRESH_SECONDS: Final[dict[Priority, int]] = {"High": 60, "Normal": 120, "Low": 600}
ATTEMPT_SECONDS: Final = 30


class Run(msgspec.Struct, frozen=True):
    """What the process that asks is told."""

    url: str
    folder: str
    outstanding: int
    seconds: float
    """For so long a new one comes for each that is answered; then the rest is asked."""
    ceiling: int


def questions() -> Iterator[Request]:
    """Yield one after the other, each of this moment, in shares drawn from a seed."""
    dice, number = random.Random(7), 0  # noqa: S311 - makes load
    while True:
        (priority,) = dice.choices(list(SHARES), list(SHARES.values()))
        patience = Patience(attempt_seconds=ATTEMPT_SECONDS, fresh_for_seconds=FRESH_SECONDS[priority])
        yield a_question(f"{priority}-{number}", end_ns=time.time_ns(), priority=priority, patience=patience)
        number += 1


def priority_of(name: str) -> Priority:
    """Return the priority that a question's name tells."""
    word = name.partition("-")[0]
    return next(each for each in SHARES if each == word)
