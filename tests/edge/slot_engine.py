"""The process of `tests.edge.stub_slots`, and what it wrote down of each request: the word to grade an asker by."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Final, Literal

import msgspec

Outcome = Literal["answered", "full", "reset", "stall", "error", "garbage", "gone"]
"""`full`: 503. `gone`: who asked hung up before the end. The others but the first are faults."""
ENOUGH_SECONDS: Final = 120.0


class Shape(msgspec.Struct, frozen=True):
    """What engine it is."""

    slots: int
    queue: int
    median_seconds: float
    """Times are log-normal around it."""
    sigma: float
    faults: float
    """The share of those let in that meet one; each kind is as likely."""
    seed: int = 7


class Asked(msgspec.Struct, frozen=True):
    """One request, as the engine saw it. Times are in seconds since the epoch."""

    id: str
    """The partition, which the prompt names."""
    window_end: float
    priority: int | None
    arrived: float
    began: float | None
    """When it got a slot; None: never."""
    ended: float
    outcome: Outcome
    tokens: int
    """That were made, whoever got them."""


class SlotEngineProcess:
    """Started when made; ended by `end`."""

    def __init__(self, shape: Shape, log: Path) -> None:
        self._log = log
        argv = [sys.executable, "-m", "tests.edge.stub_slots", msgspec.json.encode(shape).decode()]
        with log.open("w") as out:
            self._process = subprocess.Popen(argv, stdout=out)

    async def url(self) -> str:
        async with asyncio.timeout(ENOUGH_SECONDS):
            while not self._log.read_text().endswith("\n"):
                assert self._process.poll() is None
                await asyncio.sleep(0.05)
        port = self._log.read_text().splitlines()[0]
        return f"http://127.0.0.1:{port}/v1"

    def end(self) -> list[Asked]:
        """End it in order, and return what it was asked, in the order in which that ended."""
        self._process.terminate()
        self._process.wait(ENOUGH_SECONDS)
        return [msgspec.json.decode(line, type=Asked) for line in self._log.read_text().splitlines()[1:]]
