"""The broker that the tests of the edge stand on."""

import subprocess
from collections.abc import Callable

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.cluster.broker import Broker
from tests.cluster.process import until
from tests.edge.sensors import end

pytestmark = pytest.mark.broker


def test_it_keeps_its_port_and_its_messages_when_restarted(broker: Callable[..., Broker]) -> None:
    site = broker()
    site.start()
    with_client(site, lambda client: client.publish("state", b"kept", qos=1, retain=True).wait_for_publish(5))
    site.restart()
    assert retained(site, "state") == b"kept"


def test_it_listens_on_loopback_only(broker: Callable[..., Broker]) -> None:
    site = broker()
    site.start()
    identity = site.processes.identity("mosquitto")
    assert identity
    sockets = subprocess.run(["ss", "-tlnpH"], capture_output=True, text=True, check=True).stdout
    listening = [line.split()[3] for line in sockets.splitlines() if f"pid={identity.pid}," in line]
    assert listening == [f"127.0.0.1:{site.port}"]


def test_two_brokers_do_not_meet(broker: Callable[..., Broker]) -> None:
    one, other = broker("one"), broker("other")
    one.start()
    other.start()
    with_client(one, lambda client: client.publish("state", b"one", qos=1, retain=True).wait_for_publish(5))
    assert retained(other, "state", seconds=0.5) is None


def with_client(site: Broker, act: Callable[[mqtt.Client], None]) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect(site.host, site.port)
    client.loop_start()
    try:
        act(client)
    finally:
        end(client)


def retained(site: Broker, topic: str, *, seconds: float = 5) -> bytes | None:
    """The retained message of a topic, if there is one."""
    heard: list[bytes] = []

    def listen(client: mqtt.Client) -> None:
        client.on_message = lambda _client, _data, message: heard.append(bytes(message.payload))
        client.subscribe(topic, qos=1)
        until(lambda: bool(heard), seconds)

    with_client(site, listen)
    return heard[0] if heard else None
