"""A real agent between a real broker and an engine that obeys what sensors say: what goes out, and where to."""

import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage

from edgeglm_api.sensor_graph import EntityRef, FreeText, SourceRelation
from tests.edge.agent_process import wait_for
from tests.edge.bundles import a_graph, a_source
from tests.edge.conftest import EdgeSite
from tests.edge.sensors import connect, end
from tests.injection.attacker import ObedientAttacker
from tests.injection.corpus import CORPUS
from tests.injection.harmless import texts

pytestmark = pytest.mark.broker

NAMED_BY_PAYLOAD = a_source(
    topic="plant/{line}/vibration",
    entity=EntityRef(type="Machine", id="{line}/{$.machine}"),
    relations=(SourceRelation(type="partOf", to=EntityRef(type="Line", id="{$.line}")),),
    text=(FreeText(property="note", path="$.note"),),
)


class Everything:
    """Hears every topic of the broker."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes]] = []
        subscribed = threading.Event()
        self.client = connect(port, "everything")
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.subscribe([("#", 1), ("$SYS/broker/shutdown/#", 1)])
        assert subscribed.wait(30)

    def answers(self) -> list[tuple[str, dict[str, Any]]]:
        return [(topic, json.loads(body)) for topic, body in list(self.heard) if topic.startswith("insights/")]

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))


@pytest.fixture
def everything(site: EdgeSite) -> Iterator[Everything]:
    ears = Everything(site.broker.port)
    yield ears
    end(ears.client)


def test_nothing_goes_out_but_checked_answers_to_the_graphs_own_topics(site: EdgeSite, everything: Everything) -> None:
    site.engine.script = ObedientAttacker()
    site.agent.configure(site.bundle(a_graph(sources=(NAMED_BY_PAYLOAD,))))
    site.agent.start()
    sensors, start = site.sensors(), int(time.time()) - 300
    for number, hostile in enumerate(CORPUS):
        said = {"ts": start + number, "rms": 12, "machine": hostile.text, "line": hostile.text, "note": hostile.text}
        sensors.raw("plant/l1/vibration", json.dumps(said).encode())
    sensors.raw("plant/l1/vibration", json.dumps({"ts": start + 200, "rms": 2, "machine": "m", "line": "l"}).encode())
    sensors.flush()
    wait_for(lambda: len(everything.answers()) > 20 and site.agent.settled(), "not all was answered", seconds=120)

    asked = [body["messages"][1]["content"] for body in site.engine.asked]
    assert any(re.search(r'^Remarks, .*\n.* note: "', content, re.MULTILINE) for content in asked)
    topics = {topic for topic, _body in everything.heard}
    others = {topic for topic in topics if not topic.startswith("insights/line-1/") or topic.count("/") != 2}
    assert others == {"plant/l1/vibration", "edgeglm/agents/plant/edge-1"}
    for _topic, answer in everything.answers():
        assert all(text.isprintable() for _field, text in texts(answer))
        for finding in answer.get("findings", []):
            assert {node.partition("/")[0] for node in finding["nodeIds"]} == {"l1"}
    assert all(line.isprintable() for line in site.agent.log.read_text("utf-8").split("\n"))
    site.agent.assert_books_balance()
