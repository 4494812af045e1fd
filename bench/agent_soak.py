r"""Whether the agent grows over a long stream: its memory and its store, looked at again and again.

    make bench-soak                                        # about ten minutes
    .venv/bin/python -m bench.agent_soak --minutes 60

A real agent and a real mosquitto. Readings come as fast as the broker takes them, in event time: of 5,000 series, of
which a fiftieth is replaced by new ones with each round, so that what is kept for each must go as well. Every tenth
second is bad and asked about; findings open, go on and clear. One message in a hundred cannot be read. A stub answers.

Each look is printed: messages, answers, resident memory, the ledger's size and the backlog. Growth is told by the
slope of the resident memory over the second half, in MiB for each million messages. The last line is one line of JSON.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import linear_regression
from typing import Any, Final

import msgspec

from bench.machine import machine, rss_mib
from edgeglm_api.bundle import Broker as BrokerRules
from edgeglm_api.bundle import Endpoint, Limits
from tests.cluster.broker import Broker
from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.bundles import a_bundle, a_graph
from tests.edge.sensors import Sensors
from tests.edge.stub_engine import StubEngine

LINES: Final = 100
MACHINES: Final = 50
REPLACED_EACH: Final = 50
"""A machine gets another name every so many rounds."""
UNREADABLE_EACH: Final = 100
BAD_EACH: Final = 10
LOOK_SECONDS: Final = 10
AHEAD: Final = 20_000
"""So many messages may be under way."""
MILLION: Final = 1_000_000
MIB: Final = 1024 * 1024


class Stream(threading.Thread):
    """Sends until it is told to stop, and waits when the agent is behind."""

    def __init__(self, sensors: Sensors, agent: AgentProcess, messages: Iterator[tuple[str, bytes]]) -> None:
        super().__init__(daemon=True)
        self._sensors, self._agent, self._messages = sensors, agent, messages
        self.enough = threading.Event()

    def run(self) -> None:
        """Send."""
        for number, (topic, payload) in enumerate(self._messages):
            self._sensors.raw(topic, payload)
            if number % 5000 == 0:
                self._sensors.flush()
                while not self.enough.is_set() and self._sensors.published - self._agent.received() > AHEAD:
                    time.sleep(0.1)
            if self.enough.is_set():
                break
        self._sensors.flush()


def main() -> int:
    """Run it, and print one line of JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--replaced-each", type=int, default=REPLACED_EACH, help="0: nobody is")
    options.add_argument("--receive", default="Batches", choices=["Each", "Batches"])
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        looks = _soak(Path(folder), given)
    half = looks[len(looks) // 2 :]
    slope = linear_regression([each["messages"] for each in half], [each["rssMiB"] for each in half]).slope
    figures = machine() | {"looks": looks, "growthMiBPerMillion": round(slope * MILLION, 2)}
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


def _soak(folder: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    broker, engine, agent = Broker(folder / "broker"), StubEngine(), AgentProcess(folder)
    broker.directory.mkdir(exist_ok=True)
    broker.start()
    engine.start()
    plain = a_graph(broker=BrokerRules(url=broker.url))
    graph = msgspec.structs.replace(
        plain, reasoning=msgspec.structs.replace(plain.reasoning, fresh_for_seconds=30 * 86_400)
    )
    here = Endpoint(name="engine", url=engine.url, model="tiny", place="Edge")
    agent.options = ("--receive", given.receive)
    limits = Limits(spool_max_bytes=1 << 30, max_concurrency=64)
    agent.configure(a_bundle(graph, endpoints=(here,), limits=limits))
    agent.start()
    # Event time runs ahead of the clock; it begins days ago, so that it does not get there.
    messages = _messages(int(time.time()) - 6 * 86_400, given.replaced_each)
    stream = Stream(sensors := Sensors(broker.port), agent, messages)
    stream.start()
    try:
        return list(_looks(agent, until=time.monotonic() + given.minutes * 60))
    finally:
        stream.enough.set()
        stream.join(60)
        sensors.close()
        agent.end()
        engine.stop()
        broker.stop()


def _looks(agent: AgentProcess, *, until: float) -> Iterator[dict[str, Any]]:
    while time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        status = agent.told()
        look = {
            "messages": sum(book["received"] for book in status["books"]["sources"]),
            "answers": sum(sum(each.values()) for each in status["books"]["answers"].values()),
            "rssMiB": rss_mib(agent.pid),
            "ledgerMiB": round(status["spool"]["ledgerBytes"] / MIB, 1),
            "rawMiB": round(status["spool"]["rawBytes"] / MIB, 1),
            "backlog": status["spool"]["backlog"],
            "waiting": status["spool"]["waiting"],
            "findings": sum(each["n"] for each in status["findings"]),
        }
        sys.stderr.write(f"{look}\n")
        yield look
    wait_for(lambda: bool(agent.told()["books"]["balanced"]), "the books do not balance")


def _messages(start: int, replaced_each: int) -> Iterator[tuple[str, bytes]]:
    """A second of all machines after the other; topic and payload."""
    number = 0
    for second in range(7 * 86_400):
        bad = second % BAD_EACH == 0
        for line in range(LINES):
            for machine_ in range(MACHINES):
                number += 1
                name = f"m{machine_}-{(second + machine_) // replaced_each if replaced_each else 0}"
                topic = f"plant/l{line}/{name}/vibration"
                if number % UNREADABLE_EACH == 0:
                    yield topic, b'{"ts": %d, "rms": "none"}' % (start + second)
                else:
                    rms = 9.0 if bad and machine_ == 0 else 2.0 + number % 97 / 100
                    yield topic, b'{"ts": %d, "rms": %.2f}' % (start + second, rms)


if __name__ == "__main__":
    sys.exit(main())
