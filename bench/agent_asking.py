r"""How the agent asks an engine that bears far less than what waits, beside a client that asks all at once.

    make bench-asking                                       # about three minutes
    .venv/bin/python -m bench.agent_asking --seconds 600    # the ten minutes of the goal

The engine is a process of its own: 256 slots, a queue of 512 that heeds priorities, 503 beyond, times log-normal with
95 of 100 between 1 and 8 s, and 2 % of what it lets in meets a reset, a stall, an error before `[DONE]`, or garbage. In
one run, each with a fresh engine of the same seed:

(a) 5,000 requests are opened at once, and none a second time: no width, no retry;
(b) the agent's asking path (ledger, docket, router, width, client) with 5,000 outstanding: a new one comes for each
    that is answered, then the rest is asked. It may have 1,024 at once, four times what an EdgeSite can allow, so that
    it has to find out by itself what the engine bears.

A tenth of the questions is of high priority, six tenths of low. The grade is of the engine's own log, held against what
was brought and what was told. The last line is one line of JSON with every figure.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from asyncio import run as run_async
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.asking.asker import Look, Told
from bench.asking.load import FRESH_SECONDS, Run, priority_of, questions
from bench.machine import machine
from tests.cluster.progress import step
from tests.edge.asking_grade import Grade, grade
from tests.edge.slot_engine import Asked, Shape, SlotEngineProcess

SHAPE: Final = Shape(slots=256, queue=512, median_seconds=2.83, sigma=0.53, faults=0.02)
FLOOR: Final = 0.952
"""The share of requests that published figures for an agent of this kind have answered."""
LOOKS: Final = 24
"""So many points of the width over time are printed."""

Figures = dict[str, Any]


def main() -> int:
    """Run both, and print one line of JSON."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures: Figures = machine() | {"engine": msgspec.to_builtins(SHAPE)}
        figures |= {"atOnce": _at_once(Path(folder), options), "agent": _agent(Path(folder), options)}
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if _holds(figures["agent"]) else 1


def _at_once(folder: Path, options: argparse.Namespace) -> Figures:
    engine = SlotEngineProcess(SHAPE, folder / "at-once.log")
    with step(f"(a) {options.outstanding} at once"):
        run = _run(engine, folder, options)
        lines = _output("bench.asking.naive", run)
        asked = engine.end()
    cpu, rss = (float(word) for word in lines[-1].split())
    names = [each.id for each in islice(questions(), options.outstanding)]
    result = grade({name: priority_of(name) for name in names}, asked, ())
    figures = _told(result)
    kept = ("requests", "answered", "success", "toFloor", "attempts", "wasted", "wastedByFaults", "waits")
    return {name: figures[name] for name in kept} | {"cpuSeconds": cpu, "rssMiB": rss}


def _agent(folder: Path, options: argparse.Namespace) -> Figures:
    engine = SlotEngineProcess(SHAPE, folder / "agent.log")
    with step(f"(b) the agent with {options.outstanding} outstanding for {options.seconds:g} s, then the rest"):
        run = _run(engine, folder, options)
        *lines, last = _output("bench.asking.asker", run)
        asked = engine.end()
    looks = [msgspec.json.decode(line, type=Look) for line in lines]
    told = msgspec.json.decode(last, type=Told)
    brought = {name: priority_of(name) for name in told.brought}
    return _told(grade(brought, asked, told.told)) | _cost(told) | _pace(asked, looks, options)


def _told(result: Grade) -> Figures:
    figures: Figures = msgspec.to_builtins(result)
    return figures | {"toFloor": round(result.success / FLOOR, 2)}


def _cost(told: Told) -> Figures:
    return {
        "seconds": round(told.seconds, 1),
        "cpuSeconds": round(told.cpu_seconds, 2),
        "cpuMillisecondsAnAnswer": round(1000 * told.cpu_seconds / len(told.told), 2),
        "rssMiB": round(told.rss_mib),
        "faults": told.faults,
    }


def _pace(asked: list[Asked], looks: list[Look], options: argparse.Namespace) -> Figures:
    """How well it kept the engine busy while new ones came, and what width that took."""
    began = min(each.arrived for each in asked)
    within = [each for each in asked if each.ended - began <= options.seconds and each.outcome == "answered"]
    busy = sum(
        min(each.ended, began + options.seconds) - each.began
        for each in asked
        if each.began is not None and each.began - began < options.seconds
    )
    return {
        "answersPerSecond": round(len(within) / options.seconds, 1),
        "lowAnswersPerSecond": round(sum(priority_of(each.id) == "Low" for each in within) / options.seconds, 1),
        "slotsUsed": round(busy / options.seconds / SHAPE.slots, 3),
        "widthOverTime": [
            (round(each.at), each.width, each.in_flight, each.waiting) for each in looks[:: len(looks) // LOOKS + 1]
        ],
    }


def _holds(agent: Figures) -> bool:
    """Tell whether it is as it has to be."""
    return all(
        (
            agent["lost"] == agent["untrue"] == agent["toldTwice"] == agent["faults"] == 0,
            agent["answered"] + agent["expired"] == agent["requests"],
            agent["success"] >= FLOOR,
            agent["waits"]["High"]["p99"] < FRESH_SECONDS["High"],
            agent["lowAnswersPerSecond"] > 0,
        )
    )


def _run(engine: SlotEngineProcess, folder: Path, options: argparse.Namespace) -> str:
    run = Run(
        url=run_async(engine.url()),
        folder=str(folder),
        outstanding=options.outstanding,
        seconds=options.seconds,
        ceiling=options.ceiling,
    )
    return msgspec.json.encode(run).decode()


def _output(module: str, run: str) -> list[str]:
    done = subprocess.run([sys.executable, "-m", module, run], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="What the agent makes of an engine that bears less than what waits.")
    parser.add_argument("--outstanding", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=60, help="how long new ones come; default: 60")
    parser.add_argument("--ceiling", type=int, default=1024, help="the most that may be open at once; default: 1024")
    return parser


if __name__ == "__main__":
    sys.exit(main())
