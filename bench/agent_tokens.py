r"""Tokens a second of a real vLLM through the agent, beside a plain load generator that sends the same bodies.

    make engine                                 # once: a real vLLM for the CPU
    .venv/bin/python -m bench.agent_tokens      # some minutes on two cores

The agent's asking path asks about windows of a plant line, eight at once; what it sends, repairs included, is written
down in a first round that also warms the engine. Then both take turns, ABBA five times: the agent asks about the same
windows again under other ids, the generator sends the written bodies, both eight at once. Two things make that fair:

- The generator sends a repair when what it repairs is answered, as nobody can know it before.
- The engine keeps no prefixes. A repair quotes the answer before it, which is another one in each leg of a model whose
  words hang on what else is in its batch; so the cache would have all that the generator sends, word for word, and of
  the agent's repairs the beginning only.

Tokens and steps are those that the engine counts; the figure is the ratio of the medians. Tokens a step tell how full
the engine was kept, however fast the machine is. The last line is one line of JSON.
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

from bench.asking.bodies import Body, RecordingClient, by_question
from bench.machine import machine
from edgeglm_agent.reason.request import Request
from tests.cluster.progress import say, step
from tests.edge.asking_path import AskingPath, Patience, a_question, an_engine
from tests.engine.engine import Engine
from tests.unit.agent.observations import SECOND, a_machine_graph

ABREAST: Final = 8
NOW: Final = 1_795_824_000 * SECOND
PATIENCE: Final = Patience(attempt_seconds=120, fresh_for_seconds=3600)
TOKENS: Final = "vllm:generation_tokens_total"
STEPS: Final = "vllm:iteration_tokens_total_count"


class Pace(msgspec.Struct, frozen=True, rename="camel"):
    """How fast the engine was in one leg, and how full."""

    tokens_per_second: float
    tokens_per_step: float


Leg = Callable[[], Awaitable[None]]


def main() -> int:
    """Run, and print one line of JSON."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(options.model, Path(folder) / "engine", more=("--no-enable-prefix-caching",))
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
            chains = by_question(client.bodies)
            legs: dict[str, Leg] = {
                "agent": lambda: _agent(path, requests, next(names)),
                "generator": lambda: _generator(engine, chains),
            }
            paces = await _turns(engine, legs, options.rounds)
        finally:
            await path.stop()
    seconds = {name: median(pace.tokens_per_second for pace in each) for name, each in paces.items()}
    steps = {name: median(pace.tokens_per_step for pace in each) for name, each in paces.items()}
    return {
        "model": engine.model,
        "requests": len(requests),
        "bodies": sum(map(len, chains)),
        "abreast": ABREAST,
        "tokensPerSecond": seconds,
        "agentToGenerator": round(seconds["agent"] / seconds["generator"], 3),
        "tokensPerStep": steps,
        "agentToGeneratorPerStep": round(steps["agent"] / steps["generator"], 3),
        "legs": msgspec.to_builtins(paces),
    }


def _question(number: int) -> Request:
    asked = a_question(f"l{number}", end_ns=NOW + number * SECOND, priority="Normal", patience=PATIENCE)
    return msgspec.structs.replace(asked, subject=a_machine_graph("m1", "m3", machines=8))


async def _turns(engine: Engine, legs: dict[str, Leg], rounds: int) -> dict[str, list[Pace]]:
    paces: dict[str, list[Pace]] = {name: [] for name in legs}
    for turn in range(rounds):
        for name in ("agent", "generator", "generator", "agent"):
            paces[name].append(await _pace(engine, legs[name]))
        say(f"round {turn + 1}: " + ", ".join(f"{name} {pace[-2:]}" for name, pace in paces.items()))
    return paces


async def _agent(path: AskingPath, requests: list[Request], leg: int) -> None:
    """Ask about all of them once more: the same words under other ids."""
    await path.bring([msgspec.structs.replace(each, id=f"{each.id}-{leg}") for each in requests])
    await path.finish()


async def _generator(engine: Engine, chains: list[list[Body]]) -> None:
    left = iter(chains)

    async def sender(http: aiohttp.ClientSession) -> None:
        for body in itertools.chain.from_iterable(left):
            async with http.post(f"{engine.url}/v1/chat/completions", json=body) as response:
                response.raise_for_status()
                await response.read()

    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(sender(http) for _ in range(ABREAST)))


async def _pace(engine: Engine, leg: Leg) -> Pace:
    before, began = await _counted(engine), time.monotonic()
    await leg()
    seconds, after = time.monotonic() - began, await _counted(engine)
    tokens, steps = (after[name] - before[name] for name in (TOKENS, STEPS))
    return Pace(round(tokens / seconds, 1), round(tokens / steps, 3))


async def _counted(engine: Engine) -> dict[str, float]:
    async with aiohttp.ClientSession() as http, http.get(f"{engine.url}/metrics") as response:
        lines = (await response.text()).splitlines()
    return {name: sum(float(line.split()[-1]) for line in lines if line.startswith(name)) for name in (TOKENS, STEPS)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Tokens a second through the agent and past it.")
    parser.add_argument("--model", default="smollm2", help="one of `make engine`; default: smollm2")
    parser.add_argument("--requests", type=int, default=64, help="windows a leg; default: 64")
    parser.add_argument("--rounds", type=int, default=5, help="of ABBA; default: 5")
    return parser


if __name__ == "__main__":
    sys.exit(main())
