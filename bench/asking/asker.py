"""The agent's asking path with so many questions outstanding, as a process of its own. Takes a `Run`.

It prints a line of JSON a second while it asks, and at the end one with what it has told and what it cost.
"""

import asyncio
import resource
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from bench.asking.load import Run, questions
from edgeglm_agent.clock import system_clock
from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.request import Request
from tests.edge.asking_path import AskingPath, an_engine

FEED_SECONDS: Final = 0.25
LOOK_SECONDS: Final = 1.0


class Look(msgspec.Struct, frozen=True, rename="camel"):
    """How it stood at a moment."""

    at: float
    width: int
    in_flight: int
    waiting: int
    busy: int
    """How often the engine said by then that it is full."""


class Told(msgspec.Struct, frozen=True):
    """What came of it."""

    brought: list[str]
    told: list[tuple[str, str]]
    """Name and status of each answer that is stored."""
    seconds: float
    cpu_seconds: float
    rss_mib: float
    faults: int


async def ask_all(run: Run) -> Told:
    """Ask until nothing waits any more."""
    path = AskingPath(Path(run.folder), an_engine(run.url), system_clock, ceiling=run.ceiling, client=Client())
    began, brought = time.monotonic(), list[str]()
    path.start()
    looking = asyncio.create_task(_look(path, began))
    try:
        await _feed(path, run, brought)
        await path.finish()
        seconds = time.monotonic() - began
        told = [(answer.partition, str(answer.status)) for answer in await path.answers()]
    finally:
        looking.cancel()
        await path.stop()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Told(
        brought=brought,
        told=told,
        seconds=seconds,
        cpu_seconds=used.ru_utime + used.ru_stime,
        rss_mib=used.ru_maxrss / 1024,
        faults=path.reasoner.faults,
    )


async def _feed(path: AskingPath, run: Run, brought: list[str]) -> None:
    """Keep so many outstanding for the time of the run."""
    until, source = time.monotonic() + run.seconds, questions()
    while True:
        fresh = _next(source, run.outstanding - await path.waiting())
        brought += [each.id for each in fresh]
        await path.bring(fresh)
        if time.monotonic() >= until:
            return
        await asyncio.sleep(FEED_SECONDS)


def _next(source: Iterator[Request], number: int) -> list[Request]:
    return list(islice(source, max(number, 0)))


async def _look(path: AskingPath, began: float) -> None:
    while True:
        load, waiting = path.load(), await path.waiting()
        at = round(time.monotonic() - began, 1)
        _say(Look(at, load.width, load.in_flight, waiting, load.busy))
        await asyncio.sleep(LOOK_SECONDS)


def _say(line: msgspec.Struct) -> None:
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _say(asyncio.run(ask_all(msgspec.json.decode(sys.argv[1], type=Run))))
