"""The word that an agent leaves at the broker: silence can be told from death."""

import json

import pytest
from paho.mqtt.client import Client, MQTTMessage

from tests.edge.agent_process import wait_for
from tests.edge.conftest import EdgeSite
from tests.edge.sensors import connect, end

pytestmark = pytest.mark.broker


class Word:
    """The last word that stands at the broker."""

    def __init__(self, port: int) -> None:
        self.state = ""
        self.client = connect(port, "word")
        self.client.on_message = self._take
        self.client.subscribe("edgeglm/agents/plant/edge-1", qos=1)

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.state = json.loads(message.payload)["state"]

    def close(self) -> None:
        end(self.client)


def test_online_stopped_and_lost_are_told_apart(site: EdgeSite) -> None:
    site.agent.configure(site.bundle())
    word = Word(site.broker.port)
    site.agent.start()
    wait_for(lambda: word.state == "online", "does not say that it is there")

    site.agent.stop()
    wait_for(lambda: word.state == "stopped", "does not say goodbye")

    site.agent.start()
    wait_for(lambda: word.state == "online", "does not say that it is back")
    site.agent.kill()
    wait_for(lambda: word.state == "lost", "the broker does not speak for the dead")
    word.close()
