"""A gateway that speaks Sparkplug B through a real broker: killed agents forget no alias, and its will is told."""

from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from edgeglm_api.sensor_graph import Limits, Measurement, Question, When
from tests.edge.agent_process import wait_for
from tests.edge.bundles import a_graph
from tests.edge.conftest import EdgeSite
from tests.edge.sensors import Listener
from tests.edge.sparkplug import Gateway
from tests.unit.agent.test_sparkplug import a_sparkplug_source

pytestmark = pytest.mark.broker


def _book(site: EdgeSite) -> dict[str, Any]:
    books = site.agent.told()["books"]["sources"]
    return next((book for book in books if book["source"] == "presses"), {})


def _connect(site: EdgeSite, gateway: Gateway) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, client_id="gw-7", protocol=MQTTv311)
    client.will_set(*gateway.died(session=1), qos=1)
    client.connect("127.0.0.1", site.broker.port, keepalive=60)
    client.loop_start()
    wait_for(client.is_connected, "no broker", seconds=60)
    return client


@pytest.mark.timeout(240)
def test_aliases_survive_a_kill_and_the_will_of_a_gateway_is_told(site: EdgeSite) -> None:
    hot = Measurement(property="temp", name="temp", limits=Limits(high=80.0))
    rules = a_graph(
        sources=(a_sparkplug_source(measurements=(hot,)),),
        question=Question(when=When(detectors=("Limit", "StateChange"))),
    )
    site.agent.configure(site.bundle(rules))
    site.agent.start()
    listener, gateway = site.listener(), Gateway()
    client = _connect(site, gateway)

    def send(*said: tuple[str, bytes]) -> None:
        for topic, payload in said:
            client.publish(topic, payload, qos=1).wait_for_publish(60)

    send(gateway.born(), gateway.device_born("press-1", 60.0))
    wait_for(lambda: _book(site).get("received") == 2, "heard no birth", seconds=60)
    site.agent.kill()
    site.agent.start()
    send(gateway.says("press-1", 99.0))
    wait_for(lambda: _tells(listener, "gw-7/press-1 temp"), "told nothing of an alias from before the kill", seconds=60)
    # No farewell: the broker notices, and says what the gateway has left with it.
    sock = client.socket()
    assert sock is not None
    client.loop_stop()
    sock.close()
    wait_for(lambda: _tells(listener, "changed from ONLINE to OFFLINE"), "did not tell of the death", seconds=60)
    book = _book(site)
    # The kill may have come before an acknowledgement went out.
    assert (book["received"] - book["duplicate"], book["missing"], book["dead"]) == (4, 0, {})


def _tells(listener: Listener, what: str) -> bool:
    return any(what in finding["statement"] for answer in listener.asked for finding in answer.get("findings", []))
