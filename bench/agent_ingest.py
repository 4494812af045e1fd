"""How fast the agent takes messages over: QoS 1, each acknowledged only after it is on the disk.

    .venv/bin/python -m bench.agent_ingest --messages 50000

A mosquitto holds the messages for the agent's session; then the agent is started on it. Measured are the start until
ready, the idle memory, the time from the first to the last committed message, and until all of them are in windows.
The peer in the same run is a bare paho client that acknowledges at once and keeps nothing.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgeglm_api.bundle import Broker as BrokerRules
from tests.cluster.broker import Broker
from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.bundles import a_bundle, a_graph
from tests.edge.sensors import Sensors

TOPIC = "plant/+/+/vibration"


def main() -> int:
    """Run and print one line of JSON."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder) / "broker")
        broker.start()
        try:
            figures = measure(Path(folder), broker, options.messages)
        finally:
            broker.stop()
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


def measure(folder: Path, broker: Broker, messages: int) -> dict[str, float]:
    """Return the figures of one run."""
    agent = AgentProcess(folder)
    graph = msgspec.structs.replace(a_graph(), broker=BrokerRules(url=broker.url))
    agent.configure(a_bundle(graph))
    began = time.monotonic()
    agent.start(ready=False)
    wait_for(agent.ready, "not ready")
    ready = time.monotonic() - began
    wait_for(agent.listens, "not listening")
    idle = _rss_mib(agent)
    agent.stop()
    peer = _peer(broker, messages)
    _publish(broker, messages)
    agent.start(ready=False)
    wait_for(lambda: _handed_over(agent) > 0, "nothing comes", seconds=60)
    first, at = _handed_over(agent), time.monotonic()
    wait_for(lambda: _handed_over(agent) >= messages, "not all is committed", seconds=600)
    committed = time.monotonic()
    wait_for(lambda: agent.received() >= messages, "not all is folded", seconds=600)
    folded = time.monotonic()
    agent.assert_books_balance()
    busy = _rss_mib(agent)
    agent.stop()
    return {
        "startToReadySeconds": round(ready, 2),
        "idleRssMiB": round(idle, 1),
        "busyRssMiB": round(busy, 1),
        "committedPerSecond": round((messages - first) / (committed - at)),
        "foldedPerSecond": round((messages - first) / (folded - at)),
        "peerPerSecond": round(peer),
    }


def _publish(broker: Broker, messages: int) -> None:
    sensors = Sensors(broker.port)
    start = int(time.time()) - 3600
    for number in range(messages):
        sensors.send(start + number / 1000, 2.0, machine=f"m{number % 6}")
        if number % 2000 == 0:
            sensors.flush()
    sensors.flush()
    sensors.close()


def _peer(broker: Broker, messages: int) -> float:
    """Drain the same messages with a client that acknowledges at once; return messages a second."""
    client = Client(CallbackAPIVersion.VERSION2, client_id="peer", protocol=MQTTv5)
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = 1000
    seen = [0, 0.0, 0.0]
    done = threading.Event()
    subscribed = threading.Event()

    def take(_client: Client, _data: object, _message: MQTTMessage) -> None:
        seen[0] += 1
        seen[1] = seen[1] or time.monotonic()
        if seen[0] >= messages:
            seen[2] = time.monotonic()
            done.set()

    client.on_message = take
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", broker.port, clean_start=False, properties=properties)
    client.loop_start()
    client.subscribe(TOPIC, qos=1)
    subscribed.wait(10)
    client.disconnect()
    client.loop_stop()
    _publish(broker, messages)
    client.connect("127.0.0.1", broker.port, clean_start=False, properties=properties)
    client.loop_start()
    done.wait(600)
    client.unsubscribe(TOPIC)
    client.disconnect()
    client.loop_stop()
    return messages / (seen[2] - seen[1])


def _handed_over(agent: AgentProcess) -> int:
    brokers = agent.status().get("brokers", [])
    return brokers[0]["handedOver"] if brokers else 0


def _rss_mib(agent: AgentProcess) -> float:
    assert agent.process is not None  # noqa: S101 - started above
    pages = int(Path(f"/proc/{agent.process.pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Ingest rate of the agent.")
    parser.add_argument("--messages", type=int, default=50_000)
    return parser


if __name__ == "__main__":
    sys.exit(main())
