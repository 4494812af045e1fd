"""The peer without windows: each message is a request of its own. Takes a `Run`, prints seconds and processor seconds.

It reads its messages from memory, so a broker costs it nothing; each becomes the graph of one machine, in the words in
which the agent asks.
"""

import asyncio
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import msgspec

from bench.asking.bodies import Scribe
from bench.asking.load import Run
from bench.ingest.load import Load, Sent
from edgeglm_agent.graph.model import EntityGraph, Measured, Node
from edgeglm_agent.reason.request import Request
from tests.edge.asking_path import Patience, a_question
from tests.unit.agent.observations import SECOND, evidence


async def ask_each(run: Run) -> float:
    """Ask about each message, as many at once as a site may; return the seconds that it took."""
    began, left = time.monotonic(), iter(Load(run.outstanding, 2000, start=int(time.time())))
    scribe = Scribe()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await asyncio.gather(*(_sender(http, scribe, run.url, left) for _ in range(run.ceiling)))
    await scribe.close()
    return time.monotonic() - began


async def _sender(http: aiohttp.ClientSession, scribe: Scribe, url: str, left: Iterator[Sent]) -> None:
    for sent in left:
        if not sent.values:
            continue
        await _ask(http, f"{url}/chat/completions", await scribe.body_of(_question(sent)))


async def _ask(http: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> None:
    async with http.post(url, json=body) as response:
        response.raise_for_status()
        await response.read()


def _question(sent: Sent) -> Request:
    patience = Patience(attempt_seconds=60, fresh_for_seconds=600)
    asked = a_question(sent.machine, end_ns=sent.millis * SECOND // 1000, priority="Normal", patience=patience)
    values = msgspec.json.decode(sent.payload, type=dict[str, float])
    measured = tuple(
        Measured(property=name, unit="mm/s", n=1, mean=value, min=value, max=value, last=value, slope=0.0)
        for name, value in values.items()
        if name in sent.values
    )
    node = Node(id=sent.machine, type="Machine", measured=measured)
    return msgspec.structs.replace(
        asked, subject=EntityGraph(nodes=(node,), edges=(), evidence=(evidence(1, sent.machine),))
    )


if __name__ == "__main__":
    seconds = asyncio.run(ask_each(msgspec.json.decode(sys.argv[1], type=Run)))
    used = resource.getrusage(resource.RUSAGE_SELF)
    sys.stdout.write(f"{seconds:.2f} {used.ru_utime + used.ru_stime:.2f}\n")
