r"""Tokens a second of a real vLLM through the agent, beside a plain load generator that sends the same bodies.

    make engine                                 # once: a real vLLM for the CPU
    .venv/bin/python -m bench.agent_tokens      # some minutes on two cores

The agent's asking path asks about windows of a plant line, eight at once; what it sends, repairs included, is written
down in a first round that also warms the engine. Then both take turns, ABBA five times: the agent asks about the same
windows again under other ids, the generator sends the written bodies, both eight at once. Tokens are those that
the engine counts; the figure is the ratio of the medians. The last line is one line of JSON.
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp
import msgspec

from bench.asking.bodies import RecordingClient
from bench.machine import machine
from edgeglm_agent.reason.request import Request
from tests.cluster.progress import say, step
from tests.edge.asking_path import AskingPath, Patience, a_question, an_engine
from tests.engine.engine import Engine
from tests.unit.agent.observations import SECOND, a_machine_graph

ABREAST: Final = 8
NOW: Final = 1_795_824_000 * SECOND
PATIENCE: Final = Patience(attempt_seconds=120, fresh_for_seconds=3600)
GENERATED: Final = "vllm:generation_tokens_total"

Leg = Callable[[], Awaitable[None]]


def main() -> int:
    """Run, and print one line of JSON."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(options.model, Path(folder) / "engine")
        try:
            with step(f"vLLM with {options.model}"):
                engine.start()
            figures = asyncio.run(measure(engine, options))
        finally:
            engine.kill()
    sys.stdout.write(json.dumps(machine() | figures) + "\n")
    return 0


async def measure(engine: Engine, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    requests = [_question(number) for number in range(options.requests)]
    client, names = RecordingClient(), itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        endpoint = an_engine(f"{engine.url}/v1", engine.model)
        path = AskingPath(Path(folder), endpoint, lambda: NOW, ceiling=ABREAST, client=client)
        path.start()
        try:
            await _agent(path, requests, next(names))
            bodies = list(client.bodies)
            legs: dict[str, Leg] = {
                "agent": lambda: _agent(path, requests, next(names)),
                "generator": lambda: _generator(engine, bodies),
            }
            rates = await _turns(engine, legs, options.rounds)
        finally:
            await path.stop()
    ours, theirs = median(rates["agent"]), median(rates["generator"])
    return {
        "model": engine.model,
        "requests": len(requests),
        "bodies": len(bodies),
        "abreast": ABREAST,
        "agentTokensPerSecond": round(ours, 1),
        "generatorTokensPerSecond": round(theirs, 1),
        "agentToGenerator": round(ours / theirs, 3),
        "rates": rates,
    }


def _question(number: int) -> Request:
    asked = a_question(f"l{number}", end_ns=NOW + number * SECOND, priority="Normal", patience=PATIENCE)
    return msgspec.structs.replace(asked, subject=a_machine_graph("m1", "m3", machines=8))


async def _turns(engine: Engine, legs: dict[str, Leg], rounds: int) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in legs}
    for turn in range(rounds):
        for name in ("agent", "generator", "generator", "agent"):
            rates[name].append(await _rate(engine, legs[name]))
        say(f"round {turn + 1}: " + ", ".join(f"{name} {rate[-2:]}" for name, rate in rates.items()))
    return rates


async def _agent(path: AskingPath, requests: list[Request], leg: int) -> None:
    """Ask about all of them once more: the same words under other ids."""
    await path.bring([msgspec.structs.replace(each, id=f"{each.id}-{leg}") for each in requests])
    await path.finish()


async def _generator(engine: Engine, bodies: list[dict[str, Any]]) -> None:
    left = iter(bodies)

    async def sender(http: aiohttp.ClientSession) -> None:
        for body in left:
            async with http.post(f"{engine.url}/v1/chat/completions", json=body) as response:
                response.raise_for_status()
                await response.read()

    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(sender(http) for _ in range(ABREAST)))


async def _rate(engine: Engine, leg: Leg) -> float:
    before, began = await _generated(engine), time.monotonic()
    await leg()
    seconds = time.monotonic() - began
    return round((await _generated(engine) - before) / seconds, 1)


async def _generated(engine: Engine) -> float:
    async with aiohttp.ClientSession() as http, http.get(f"{engine.url}/metrics") as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(GENERATED))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Tokens a second through the agent and past it.")
    parser.add_argument("--model", default="smollm2", help="one of `make engine`; default: smollm2")
    parser.add_argument("--requests", type=int, default=16, help="windows a leg; default: 16")
    parser.add_argument("--rounds", type=int, default=5, help="of ABBA; default: 5")
    return parser


if __name__ == "__main__":
    sys.exit(main())
