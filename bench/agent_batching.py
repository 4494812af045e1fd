r"""How many sensor messages a second become questions about graphs, beside a peer that asks about each message.

    make bench-batching                                     # two minutes on two cores
    .venv/bin/python -m bench.agent_batching --messages 200000

(a) A real agent: MQTT with QoS 1 from a mosquitto that holds the load, on the disk before it is acknowledged, folded
    into windows of ten seconds of twenty lines with a hundred machines each, every window asked about, checked, stored;
(b) the peer: a request for each message, as many at once as a site may have.

Both ask the same engine, a process that answers after five milliseconds: so it is the cost of asking that is compared,
to which a real engine adds its own for each request. The last line is one line of JSON.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.agent_ingest import BenchBroker
from bench.asking.load import Run
from bench.ingest.load import LATE_MILLIS, MACHINES_PER_LINE, Load
from bench.ingest.publisher import publish
from bench.ingest.source import STATES
from bench.machine import cpu_seconds, machine
from edgeglm_api.bundle import Broker as BrokerRules
from edgeglm_api.bundle import Bundle, Limits, Reasoning
from edgeglm_api.sensor_graph import (
    GraphCaps,
    PartitionBy,
    Question,
    Window,
)
from tests.cluster.debian import BROKER_PACKAGES, install
from tests.cluster.progress import step
from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.asking_path import an_engine
from tests.edge.bundles import a_bundle, a_graph
from tests.edge.slot_engine import Asked, Shape, SlotEngineProcess

SHAPE: Final = Shape(slots=256, queue=512, median_seconds=0.005, sigma=0.2, faults=0.0)
ABREAST: Final = 256
"""The most that an EdgeSite can allow."""
ENTITIES: Final = 2000
WINDOW_SECONDS: Final = 10
LATENESS_SECONDS: Final = 5
BOUND_SECONDS: Final = 900

Figures = dict[str, Any]


def main() -> int:
    """Run both, and print one line of JSON."""
    options = _parser().parse_args()
    install(BROKER_PACKAGES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = machine() | _one_by_one(folder, options)
        for receive in options.receive:
            figures |= {f"windowed{receive}": _windowed(folder / receive, options, receive)}
    for receive in options.receive:
        windowed = figures[f"windowed{receive}"]
        windowed["toOneByOne"] = round(windowed["messagesPerSecond"] / figures["oneByOnePerSecond"], 1)
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


def _windowed(folder: Path, options: argparse.Namespace, receive: str) -> Figures:
    folder.mkdir()
    engine = SlotEngineProcess(SHAPE, folder / "engine.log")
    broker, agent = BenchBroker(folder / "broker"), AgentProcess(folder)
    agent.options = ("--receive", receive)
    broker.start()
    try:
        agent.configure(_bundle(broker, asyncio.run(engine.url())))
        agent.start()  # so that the broker has its session
        agent.stop()
        span = options.messages // ENTITIES
        load = Load(span * ENTITIES, ENTITIES, start=_start(span))
        with step(f"publish {load.messages} messages"):
            publish(broker.host, broker.port, load)
        with step(f"the agent takes ({receive}), folds and asks"):
            began, taken, cpu = _taken(agent, load.messages)
            wait_for(agent.windowed, "windows stay open", seconds=BOUND_SECONDS)
            wait_for(lambda: agent.status()["spool"]["waiting"] == 0, "not all answered", seconds=BOUND_SECONDS)
        agent.assert_books_balance()
    finally:
        agent.end()
        broker.stop()
        asked = engine.end()
    answers = [each for each in asked if each.outcome == "answered"]
    cost = {"cpuMicrosecondsAMessage": round(cpu / load.messages * 1e6, 1)}
    return _folded(load, answers, began, taken) | cost


def _folded(load: Load, answers: list[Asked], began: float, taken: float) -> Figures:
    """The last windows wait for silence, not for work: what ended before the last message came is looked at."""
    closed = load.start + load.seconds - WINDOW_SECONDS - LATENESS_SECONDS - LATE_MILLIS // 1000
    last = max([taken, *(each.ended for each in answers if each.window_end <= closed)])
    return {
        "messages": load.messages,
        "requests": len({(each.id, each.window_end) for each in answers}),
        "messagesPerRequest": round(load.messages / len(answers)),
        "messagesPerSecond": round(load.messages / (last - began)),
        "requestsPerSecond": round(len(answers) / (last - began), 1),
    }


def _taken(agent: AgentProcess, messages: int) -> tuple[float, float, float]:
    """Return when the messages began to come, when the last had, and the processor time from its start on."""
    agent.start(ready=False)
    wait_for(agent.ready, "not ready")
    began = time.time()
    wait_for(lambda: agent.received() >= messages, "not all came", seconds=BOUND_SECONDS)
    assert agent.process is not None  # noqa: S101 - started above
    return began, time.time(), cpu_seconds(agent.process.pid)


def _one_by_one(folder: Path, options: argparse.Namespace) -> Figures:
    engine = SlotEngineProcess(SHAPE, folder / "peer.log")
    with step(f"the peer asks about each of {options.peer_messages} messages"):
        run = Run(
            url=asyncio.run(engine.url()),
            folder=str(folder),
            outstanding=options.peer_messages,
            seconds=0,
            ceiling=ABREAST,
        )
        argv = [sys.executable, "-m", "bench.asking.one_by_one", msgspec.json.encode(run).decode()]
        done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True)
        answers = [each for each in engine.end() if each.outcome == "answered"]
    seconds, cpu = (float(word) for word in done.stdout.split())
    return {
        "oneByOneMessages": len(answers),
        "oneByOnePerSecond": round(len(answers) / seconds),
        "oneByOneCpuMicrosecondsAMessage": round(cpu / len(answers) * 1e6, 1),
    }


def _start(span: int) -> int:
    """A while ago, at the start of a window."""
    return (int(time.time()) - span - 60) // WINDOW_SECONDS * WINDOW_SECONDS


def _bundle(broker: BenchBroker, url: str) -> Bundle:
    graph = a_graph(
        broker=BrokerRules(url=broker.url),
        sources=(STATES,),
        window=Window(
            size_seconds=WINDOW_SECONDS,
            partition_by=PartitionBy(entity_type="Line"),
            allowed_lateness_seconds=LATENESS_SECONDS,
            idle_timeout_seconds=10,
        ),
        graph=GraphCaps(max_nodes=MACHINES_PER_LINE + 28, max_edges=MACHINES_PER_LINE + 28),
        question=Question(),
        reasoning=Reasoning(
            route="EdgeOnly",
            endpoints=("engine",),
            attempt_timeout_seconds=60,
            fresh_for_seconds=86_400,
            max_tokens=256,
        ),
    )
    limits = Limits(spool_max_bytes=1 << 34, max_concurrency=ABREAST)
    return a_bundle(graph, limits=limits, endpoints=(an_engine(url),))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Messages that become questions about graphs, a second.")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument(
        "--receive", nargs="+", default=["Each", "Batches"], help="ways to take messages; default: both"
    )
    parser.add_argument("--peer-messages", type=int, default=5000, help="for the peer; default: 5000")
    return parser


if __name__ == "__main__":
    sys.exit(main())
