"""Brokers that know MQTT 3.1.1 only get the same promises."""

import json
import time
from collections.abc import Iterator

import msgspec
import pytest
from paho.mqtt.client import Client, MQTTMessage

from edgeglm_api.bundle import Broker as BrokerRules
from tests.edge.agent_process import wait_for
from tests.edge.bundles import a_graph
from tests.edge.conftest import EdgeSite, each_way
from tests.edge.old_front import OldFront
from tests.edge.sensors import connect, end
from tests.edge.test_presence import Word

pytestmark = pytest.mark.broker


@pytest.fixture
def old(site: EdgeSite) -> Iterator[OldFront]:
    """The site's broker as old clients see it."""
    front = OldFront(site.broker.port)
    bundle = site.bundle(a_graph())
    way = BrokerRules(url=f"mqtt://127.0.0.1:{front.port}")
    site.agent.configure(msgspec.structs.replace(bundle, graphs=(a_graph(broker=way),)))
    yield front
    front.close()


@each_way
def test_it_falls_back_keeps_its_session_and_loses_nothing(site: EdgeSite, old: OldFront) -> None:
    """Killed in mid-stream: what came meanwhile and what was not acknowledged comes again, and the will is spoken."""
    word, sensors = Word(site.broker.port), site.sensors()
    site.agent.start()
    (broker,) = site.agent.status()["brokers"]
    assert (broker["protocol"], broker["reason"], old.refused) == ("3.1.1", "", 1)

    start = int(time.time()) - 300
    for number in range(500):
        sensors.send(start + number / 10, 2.0)
    wait_for(lambda: site.agent.received() > 50, "nothing comes")
    site.agent.kill()
    wait_for(lambda: word.state == "lost", "the will is not spoken")
    for number in range(500):
        sensors.send(start + 50 + number / 10, 2.0)
    sensors.flush()
    site.agent.start()
    wait_for(lambda: site.agent.received() == sensors.published, "not all came", seconds=60)

    (broker,) = site.agent.status()["brokers"]
    assert (broker["sessionsLost"], broker["connects"]) == (0, 1)
    site.agent.assert_books_balance()
    word.close()


def test_answers_are_published_with_their_request_id_in_the_payload(site: EdgeSite, old: OldFront) -> None:
    heard: list[dict[str, object]] = []
    listener = connect(site.broker.port, "listener")

    def take(_client: Client, _data: object, message: MQTTMessage) -> None:
        heard.append(json.loads(message.payload))

    listener.on_message = take
    listener.subscribe("insights/#", qos=1)
    site.agent.start()
    sensors = site.sensors()
    start = int(time.time()) - 10
    for second in range(8):
        sensors.send(start + second, 12.5 if second == 4 else 2.0)
    wait_for(lambda: any("model" in answer for answer in heard), "no answer", seconds=60)
    assert all(answer["requestId"] for answer in heard)
    assert old.refused == 1
    end(listener)
