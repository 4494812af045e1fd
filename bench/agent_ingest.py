r"""How fast the agent takes messages over, durably and into windows, beside what other clients do on the same machine.

    make bench-agent                                       # 200,000 messages; some minutes on two cores
    .venv/bin/python -m bench.agent_ingest --messages 2000000

One mosquitto holds the same load for a session of each client: QoS 1, distinct payloads of 2,000 machines with three
range-checked measurements each, one in a hundred out of order, one in a thousand hostile. Then each drains its own,
alone with the broker:

(a) mosquitto_sub, which prints nothing: what the broker gives at most;
(b) a bare paho client that acknowledges by itself, and one that does it by hand, at once; both keep nothing;
(c) Node-RED, if npm can install it: MQTT-in into a function with windows in memory; it keeps nothing;
(d) the agent, which takes messages one by one, and another that takes them in batches: on the disk before it
    acknowledges, folded into windows, and killed with SIGKILL in the middle.

The windows that the agents ask about must equal those of an oracle that knows what was sent. Rates are from the first
to the last message; the agents' leave out the time from the kill until the first message after it, which stands by
itself. Then an agent drains SenML packs of 5,000 series, for its rate and its memory. The last line is one line of JSON
with every figure.
"""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.ingest.load import (
    LATE_MILLIS,
    MACHINES_PER_LINE,
    Load,
    Windows,
    differences,
    expected,
    found,
)
from bench.ingest.node_red import NodeRed, install
from bench.ingest.publisher import publish
from bench.ingest.senml import CHANNEL_NAMES, CHANNELS, DEVICES, RECORDS, lately
from bench.ingest.source import STATES
from bench.machine import cpu_seconds, machine, rss_mib
from edgeglm_api.bundle import Broker as BrokerRules
from edgeglm_api.bundle import Bundle, Limits, Reasoning
from edgeglm_api.sensor_graph import (
    EntityRef,
    GraphCaps,
    Measurement,
    PartitionBy,
    Question,
    Source,
    When,
    Window,
)
from tests.cluster.broker import Broker
from tests.cluster.debian import BROKER_PACKAGES, Package
from tests.cluster.debian import install as install_packages
from tests.cluster.ports import free_ports
from tests.cluster.progress import step
from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.bundles import a_bundle, a_graph

FILTER: Final = "plant/#"
BOUND_SECONDS: Final = 3600
MOST_WINDOWS: Final = 1500
"""All of them wait for an engine that is not there, and the agent stops reading when 2,000 requests wait."""
LOOK_SECONDS: Final = 0.5

AGENTS: Final = {"agent": "Each", "agentBatches": "Batches"}
"""What figures begin with, and how messages are taken."""
PACKS: Final = 20_000
QUIET: Final = Question(when=When(detectors=("Limit",)))

Figures = dict[str, Any]
Peers = dict[str, tuple[Callable[[], object], Callable[[], Figures]]]


class BenchBroker(Broker):
    """Keeps everything in memory: a broker that saves would be measured along with each client."""

    def _config(self) -> str:
        return super()._config().replace("persistence true", "persistence false") + "max_inflight_messages 1000\n"


def main() -> int:
    """Run, and print one line of JSON."""
    options = _parser().parse_args()
    install_packages((*BROKER_PACKAGES, Package("mosquitto-clients", "mosquitto_sub")))
    with tempfile.TemporaryDirectory() as folder:
        broker = BenchBroker(Path(folder) / "broker")
        agents = {name: _agent(Path(folder) / name, receive) for name, receive in AGENTS.items()}
        broker.start()
        try:
            figures = measure(Path(folder), broker, agents, options)
            figures |= measure_senml(broker, _agent(Path(folder) / "senml", "Batches"), options.window_seconds)
        finally:
            for agent in agents.values():
                agent.end()
            broker.stop()
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if all(figures[f"{name}WindowsThatDiffer"] == 0 for name in agents) else 1


def measure(folder: Path, broker: Broker, agents: dict[str, AgentProcess], options: argparse.Namespace) -> Figures:
    """Return the figures of one run."""
    span, lines = options.messages // options.entities, options.entities // MACHINES_PER_LINE
    messages = span * options.entities
    window_seconds = max(options.window_seconds, -(-span * lines // MOST_WINDOWS))
    load = Load(messages, options.entities, start=_start(span, window_seconds))
    for name, agent in agents.items():
        agent.configure(json_bundle(broker.url, window_seconds, site=name))
    peers = _peers(broker, messages)
    if not options.no_node_red:
        peers |= _node_red(folder, broker, messages, window_seconds)

    for subscribe, _ in peers.values():
        subscribe()
    started: Figures = {}
    for agent in agents.values():
        started = _first_start(agent)
    with step(f"publish {messages} messages"):
        began = time.monotonic()
        publish(broker.host, broker.port, load)
        publishing = messages / (time.monotonic() - began)
    figures: Figures = machine() | {"messages": messages, "entities": options.entities}
    figures |= {"publishedPerSecond": round(publishing), **started}
    for name, (_, drain) in peers.items():
        with step(name):
            figures |= drain()
    wanted = expected(load, window_seconds)
    figures |= {"windows": len(wanted), "windowSeconds": window_seconds}
    for name, agent in agents.items():
        with step(name):
            figures |= {f"{name}{figure}": value for figure, value in _drain(agent, messages).items()}
        figures[f"{name}WindowsThatDiffer"] = windows_that_differ(agent, wanted)
        figures |= _ratios(figures, name)
    return figures


def measure_senml(broker: Broker, agent: AgentProcess, window_seconds: int) -> Figures:
    """Return how fast packs are drained, and how much memory their series take."""
    load = lately(PACKS)
    agent.configure(senml_bundle(broker.url, window_seconds))
    try:
        _first_start(agent)
        with step(f"publish {PACKS} packs"):
            publish(broker.host, broker.port, load)
        with step("senml"):
            leg = _Leg(agent)
            leg.until(PACKS)
            wait_for(agent.windowed, "windows stay open", seconds=300)
            agent.assert_books_balance()
            readings = leg.taken * RECORDS
            return {
                "senmlReadingsPerSecond": round(readings / leg.seconds),
                "senmlCpuMicrosecondsAReading": round(leg.cpu / readings * 1e6, 2),
                "senmlSeries": DEVICES * CHANNELS,
                "senmlRssMiB": rss_mib(agent.pid),
            }
    finally:
        agent.end()


def _agent(folder: Path, receive: str) -> AgentProcess:
    agent = AgentProcess(folder)
    folder.mkdir(parents=True)
    agent.options = ("--receive", receive)
    return agent


def _start(span: int, window_seconds: int) -> int:
    """Return a while ago, in a window that the late ones among the first messages fall into as well."""
    return (int(time.time()) - span - 60) // window_seconds * window_seconds + 1 + LATE_MILLIS // 1000


def _peers(broker: Broker, messages: int) -> Peers:
    """How each peer makes its session, and how it drains it."""
    peers: Peers = {
        "mosquittoSub": (
            lambda: _mosquitto_sub(broker, ["-E"]),
            lambda: {"mosquittoSubPerSecond": round(messages / _mosquitto_sub(broker, ["-C", str(messages)]))},
        )
    }
    for how in ("auto", "manual"):
        name = f"paho{how.capitalize()}Ack"
        peers[name] = (
            lambda name=name: _bare(broker, name, messages, "subscribe"),  # type: ignore[misc]
            lambda name=name, how=how: _bare(broker, name, messages, how),  # type: ignore[misc]
        )
    return peers


def _node_red(folder: Path, broker: Broker, messages: int, window_seconds: int) -> Peers:
    program = install()
    if program is None:
        return {}
    node_red = NodeRed(program, folder / "node-red", broker.port, FILTER)

    def drain() -> Figures:
        return {"nodeRedPerSecond": round(messages / node_red.drain(messages, window_seconds))}

    return {"nodeRed": (node_red.subscribe, drain)}


def _mosquitto_sub(broker: Broker, how: list[str]) -> float:
    """Run it in the one session that it has here, and return how many seconds it took."""
    session = ["-V", "mqttv5", "-c", "-x", "86400", "-i", "mosquitto-sub", "-q", "1", "-t", FILTER]
    flow = ["-D", "CONNECT", "receive-maximum", "1000"]
    began = time.monotonic()
    argv = ["mosquitto_sub", "-h", broker.host, "-p", str(broker.port), *session, *flow, *how]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=BOUND_SECONDS)
    return time.monotonic() - began


def _bare(broker: Broker, name: str, messages: int, how: str) -> Figures:
    arguments = [str(broker.port), name, FILTER, str(messages), how]
    argv = [sys.executable, "-m", "bench.ingest.bare_client", *arguments]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=BOUND_SECONDS)
    seconds, cpu = (float(word) for word in done.stdout.split())
    if how == "subscribe":
        return {}
    return {f"{name}PerSecond": round(messages / seconds), f"{name}CpuMicroseconds": round(cpu / messages * 1e6, 1)}


def _first_start(agent: AgentProcess) -> Figures:
    """Start it, so that the broker has its session, look how long that takes and how large it is, and stop it."""
    began = time.monotonic()
    agent.start(ready=False)
    wait_for(agent.ready, "not ready")
    ready = time.monotonic() - began
    wait_for(agent.listens, "not listening")
    idle = rss_mib(agent.pid)
    agent.stop()
    return {"startToReadySeconds": round(ready, 2), "idleRssMiB": idle}


def _drain(agent: AgentProcess, messages: int) -> Figures:
    """Drain with a kill half way; both legs count from their first message, the kill's own time for itself."""
    first = _Leg(agent)
    first.until(messages // 2)
    agent.kill()
    killed = time.monotonic()
    second = _Leg(agent)
    recovery = time.monotonic() - killed
    second.until(messages)
    wait_for(agent.windowed, "windows stay open", seconds=300)
    agent.assert_books_balance()
    seconds, cpu = first.seconds + second.seconds, first.cpu + second.cpu
    taken = first.taken + second.taken
    return {
        "PerSecond": round(taken / seconds),
        "CpuMicroseconds": round(cpu / taken * 1e6, 1),
        "RecoverySeconds": round(recovery, 2),
        "BusyRssMiB": rss_mib(agent.pid),
    }


class _Leg:
    """One life of the agent, from its first folded message on."""

    def __init__(self, agent: AgentProcess) -> None:
        self._agent = agent
        before = agent.received() if agent.process and agent.process.poll() is None else None
        agent.start(ready=False)
        wait_for(agent.ready, "not ready", seconds=60)
        self._first = before or agent.received()
        wait_for(lambda: agent.received() > self._first, "nothing comes", seconds=60)
        self._first, self._began, self._cpu = agent.received(), time.monotonic(), cpu_seconds(agent.pid)
        self.taken, self.seconds, self.cpu = 0, 0.0, 0.0

    def until(self, messages: int) -> None:
        """Go on until so many are folded in all."""
        until = time.monotonic() + BOUND_SECONDS
        while (received := self._agent.received()) < messages:
            if time.monotonic() > until:
                raise TimeoutError(f"{received} of {messages} came")
            time.sleep(LOOK_SECONDS)
        self.taken, self.seconds = received - self._first, time.monotonic() - self._began
        self.cpu = cpu_seconds(self._agent.pid) - self._cpu


def windows_that_differ(agent: AgentProcess, wanted: Windows) -> int:
    """Compare the windows that were asked about with those that the load must come to; return how many differ."""
    agent.stop()
    (ledger,) = agent.data.glob("*/ledger.db")
    with sqlite3.connect(ledger) as db:
        bodies = [bytes(body) for (body,) in db.execute("SELECT body FROM request WHERE length(body) > 0")]
    different = differences(wanted, found(bodies))
    for line in different[:10]:
        sys.stderr.write(f"{line}\n")
    return len(different)


def _ratios(figures: Figures, agent: str) -> Figures:
    ours = figures[f"{agent}PerSecond"]
    return {
        f"{agent}To{peer[0].upper()}{peer[1:]}": round(ours / figures[f"{peer}PerSecond"], 2)
        for peer in ("mosquittoSub", "pahoAutoAck", "pahoManualAck", "nodeRed")
        if f"{peer}PerSecond" in figures
    }


def json_bundle(broker: str, window_seconds: int, *, site: str = "agent") -> Bundle:
    """A graph that keeps every machine of a line in its window, asks about each, and has nobody to ask."""
    graph = a_graph(
        broker=BrokerRules(url=broker),
        sources=(STATES,),
        window=Window(
            size_seconds=window_seconds,
            partition_by=PartitionBy(entity_type="Line"),
            allowed_lateness_seconds=5,
            idle_timeout_seconds=10,
        ),
        graph=GraphCaps(max_nodes=128, max_edges=128),
        question=Question(when=When(detectors=("Limit",))),
        reasoning=Reasoning(
            route="EdgeOnly",
            endpoints=("engine",),
            attempt_timeout_seconds=5,
            fresh_for_seconds=7 * 86_400,
            max_tokens=256,
        ),
    )
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}/v1"
    bundle = a_bundle(graph, limits=Limits(spool_max_bytes=1 << 34, max_concurrency=1))
    endpoints = tuple(
        type(each)(name=each.name, url=nobody, model=each.model, place=each.place) for each in bundle.endpoints
    )
    return a_bundle(graph, limits=bundle.limits, endpoints=endpoints, site=site, site_uid=f"bench-{site}")


def senml_bundle(broker: str, window_seconds: int) -> Bundle:
    """A graph of devices with many channels each, of which none is worth a question."""
    source = Source(
        name="packs",
        topic="senml/{device}",
        format="SenML",
        entity=EntityRef(type="Device", id="{device}"),
        measurements=tuple(
            Measurement(property=name, name=f"urn:dev:ow:{{mac}}:{name}", unit="Cel", min=-50.0, max=150.0)
            for name in CHANNEL_NAMES
        ),
    )
    window = Window(size_seconds=window_seconds, allowed_lateness_seconds=5, idle_timeout_seconds=10)
    graph = a_graph(broker=BrokerRules(url=broker), sources=(source,), window=window, question=QUIET)
    limits = Limits(spool_max_bytes=1 << 34, max_concurrency=1)
    return a_bundle(graph, limits=limits, site="senml", site_uid="bench-senml")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Ingest rate of the agent beside its peers.")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--no-node-red", action="store_true", help="leave Node-RED out")
    parser.add_argument("--window-seconds", type=int, default=60, help="how long windows are; default: %(default)s")
    parser.add_argument("--entities", type=int, default=2000, help="a multiple of 100; default: 2000")
    return parser


if __name__ == "__main__":
    sys.exit(main())
