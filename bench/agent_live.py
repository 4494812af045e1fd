r"""Whether the agent keeps up with a stream that does not end, and whether it grows.

    make bench-live                                        # ten minutes of 40,000 messages a second
    .venv/bin/python -m bench.agent_live --rate 20000 --minutes 2

A mosquitto, an agent that takes messages in batches into windows of a minute, and a publisher with QoS 1 that sends at
a steady rate whatever becomes of it, all on one machine: 2,000 machines with three range-checked measurements each, the
first of every hundred in alarm, so that every window is asked about; there is nobody to ask. Each look is printed: what
was offered, what is folded, the resident memory. `behindGrowth` is the slope of what is offered and not folded yet, in
messages a second, and `growthMiBPerMillion` that of the memory, both over the second half. In the end everything that
was sent must be in the books. The last line is one line of JSON with every figure.
"""

import argparse
import json
import random
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from statistics import linear_regression
from typing import Any, Final

from bench.agent_ingest import BenchBroker, json_bundle
from bench.ingest.load import MACHINES_PER_LINE
from bench.ingest.publisher import CONNECT, packet_head
from bench.machine import cpu_seconds, machine, rss_mib
from tests.edge.agent_process import AgentProcess, wait_for

ENTITIES: Final = 2000
WINDOW_SECONDS: Final = 60
TICK_SECONDS: Final = 0.02
LOOK_SECONDS: Final = 10
MILLION: Final = 1_000_000
_PAYLOAD: Final = b'{"n": %012d, "ts": %014.3f, %b}'
"""Of one length, so that the head of a packet is the same each time."""

Look = dict[str, Any]


class Publisher(threading.Thread):
    """Sends at a steady rate until it is told to stop, and then waits for the last acknowledgement."""

    def __init__(self, host: str, port: int, rate: int) -> None:
        super().__init__(daemon=True)
        self._where = (host, port)
        self._each_tick = round(rate * TICK_SECONDS)
        self.offered = 0
        self.enough = threading.Event()

    def run(self) -> None:
        """Send."""
        packets = _packets()
        with socket.create_connection(self._where, 60) as connection:
            connection.sendall(CONNECT)
            reader = threading.Thread(target=_read, args=(connection,), daemon=True)
            due = time.monotonic()
            reader.start()
            while not self.enough.is_set():
                connection.sendall(b"".join([next(packets) for _ in range(self._each_tick)]))
                self.offered += self._each_tick
                due += TICK_SECONDS
                time.sleep(max(due - time.monotonic(), 0))
            connection.sendall(b"\xe0\x00")
            reader.join(60)


def main() -> int:
    """Run it, and print one line of JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("--rate", type=int, default=40_000)
    options.add_argument("--minutes", type=float, default=10)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = _live(Path(folder), given.rate, given.minutes * 60)
    sys.stdout.write(json.dumps(machine() | figures) + "\n")
    return 0


def _live(folder: Path, rate: int, seconds: float) -> Look:
    broker, agent = BenchBroker(folder / "broker"), AgentProcess(folder)
    agent.options = ("--receive", "Batches")
    agent.configure(json_bundle(broker.url, WINDOW_SECONDS))
    publisher = Publisher(broker.host, broker.port, rate)
    broker.start()
    try:
        agent.start()
        began, before = time.monotonic(), cpu_seconds(agent.pid)
        publisher.start()
        looks = list(_looks(agent, publisher, until=began + seconds))
        publisher.enough.set()
        publisher.join(120)
        offered_in = time.monotonic() - began
        wait_for(lambda: agent.received() == publisher.offered, "not everything came", seconds=300)
        figures = _figures(looks, publisher.offered, offered_in) | {
            "cpuMicroseconds": round((cpu_seconds(agent.pid) - before) / publisher.offered * MILLION, 1),
            "caughtUpSeconds": round(time.monotonic() - began - offered_in, 1),
        }
        wait_for(agent.windowed, "windows stay open", seconds=300)
        agent.assert_books_balance()
        return figures
    finally:
        publisher.enough.set()
        agent.end()
        broker.stop()


def _looks(agent: AgentProcess, publisher: Publisher, *, until: float) -> Iterator[Look]:
    began = time.monotonic()
    while time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        received, offered = agent.received(), publisher.offered
        look = {
            "seconds": round(time.monotonic() - began),
            "offered": offered,
            "behind": offered - received,
            "rssMiB": rss_mib(agent.pid),
        }
        sys.stderr.write(f"{look}\n")
        yield look


def _figures(looks: Sequence[Look], offered: int, seconds: float) -> Look:
    half = looks[len(looks) // 2 :]
    at = [each["seconds"] for each in half]
    behind = linear_regression(at, [each["behind"] for each in half]).slope
    memory = linear_regression([each["offered"] for each in half], [each["rssMiB"] for each in half]).slope
    return {
        "offered": offered,
        "offeredPerSecond": round(offered / seconds),
        "behind": [each["behind"] for each in looks],
        "behindGrowth": round(behind),
        "rssMiB": [each["rssMiB"] for each in looks],
        "growthMiBPerMillion": round(memory * MILLION, 2),
    }


def _packets() -> Iterator[bytes]:
    """Return packets of all machines in turn, each of now."""
    dice = random.Random(7)  # noqa: S311 - the same load again
    machines = [(at // MACHINES_PER_LINE, at % MACHINES_PER_LINE) for at in range(ENTITIES)]
    usual = cycle([_values(dice.uniform(1, 7), dice) for _ in range(4093)])
    alarm = _values(9.5, dice)
    size = len(_PAYLOAD % (0, 0.0, alarm))
    heads = [packet_head(f"plant/l{line}/m{machine}/state", size) for line, machine in machines]
    for number in range(1 << 40):
        at = number % ENTITIES
        values = next(usual) if at % MACHINES_PER_LINE else alarm
        yield heads[at] + struct.pack("!H", number % 65_535 + 1) + _PAYLOAD % (number, time.time(), values)


def _values(rms: float, dice: random.Random) -> bytes:
    return b'"rms": %.3f, "temp": %.3f, "amp": %.3f' % (rms, dice.uniform(1, 7), dice.uniform(1, 7))


def _read(connection: socket.socket) -> None:
    """Read what the broker acknowledges, until it hangs up."""
    while connection.recv(1 << 16):
        pass


if __name__ == "__main__":
    sys.exit(main())
