"""What a broker loses by itself is noticed: it drops beyond its queues, and forgets sessions that it did not keep."""

import json
import time

import pytest
from paho.mqtt.client import Client, MQTTMessage

from tests.edge.agent_process import wait_for
from tests.edge.conftest import EdgeSite, each_way
from tests.edge.sensors import connect, end

pytestmark = pytest.mark.broker


def broker_of(site: EdgeSite) -> dict[str, object]:
    (broker,) = site.agent.status()["brokers"]
    return dict(broker)


def dropped_at(site: EdgeSite) -> int:
    return int(str(broker_of(site)["dropped"] or 0))


@each_way
def test_what_the_broker_drops_while_the_agent_is_away_is_told(site: EdgeSite) -> None:
    """As KubeEdge's own brokers do, beyond a hundred, in silence."""
    site.broker.max_queued_messages = 100
    site.broker.restart()
    site.agent.configure(site.bundle())
    site.agent.start()
    wait_for(lambda: broker_of(site)["dropped"] == 0, "does not hear of drops", seconds=60)
    site.agent.stop()
    sensors = site.sensors()
    start = int(time.time()) - 300
    for number in range(400):
        sensors.send(start + number / 10, 2.0)
    sensors.flush()

    site.agent.start()
    wait_for(lambda: site.agent.received() + dropped_at(site) == sensors.published, "it does not add up", seconds=60)
    dropped = dropped_at(site)
    assert dropped >= 250
    assert broker_of(site)["sessionsLost"] == 0
    metrics = (site.agent.get("/metrics") or b"").decode()
    assert f'edgeglm_agent_broker_dropped_total{{broker="{site.broker.url}"}} {float(dropped)}' in metrics
    site.agent.assert_books_balance()


def test_a_broker_that_keeps_its_figures_to_itself_is_served_all_the_same(site: EdgeSite) -> None:
    site.broker.access = "topic readwrite plant/#\ntopic readwrite insights/#\ntopic readwrite edgeglm/#\n"
    site.broker.restart()
    site.agent.configure(site.bundle())
    site.agent.start()
    sensors = site.sensors()
    sensors.send(int(time.time()) - 60, 2.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == 1, "does not hear", seconds=60)
    assert (broker_of(site)["dropped"], broker_of(site)["connected"]) == (None, True)


@each_way
def test_a_session_that_the_broker_forgot_is_counted_and_made_anew(site: EdgeSite) -> None:
    site.agent.configure(site.bundle())
    site.agent.start()
    site.broker.stop()
    (site.broker.directory / "mosquitto.db").unlink()
    site.broker.start()
    wait_for(lambda: broker_of(site)["connects"] == 2, "does not come back", seconds=60)

    assert broker_of(site)["sessionsLost"] == 1
    sensors = site.sensors()
    sensors.send(int(time.time()) - 60, 2.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == 1, "does not hear any more", seconds=60)
    assert b"broker_sessions_lost_total" in (site.agent.get("/metrics") or b"")


def test_the_heartbeat_says_when_and_how_the_broker_is_doing(site: EdgeSite) -> None:
    heard: list[dict[str, object]] = []
    listener = connect(site.broker.port, "word")

    def take(_client: Client, _data: object, message: MQTTMessage) -> None:
        heard.append(json.loads(message.payload))

    listener.on_message = take
    listener.subscribe("edgeglm/agents/plant/edge-1", qos=1)
    site.agent.configure(site.bundle())
    site.agent.start()
    wait_for(lambda: bool(heard), "no heartbeat", seconds=60)
    site.agent.stop()
    wait_for(lambda: heard[-1]["state"] == "stopped", "no goodbye", seconds=60)
    online, stopped = heard[0], heard[-1]
    assert (online["state"], stopped["state"]) == ("online", "stopped")
    assert str(online["at"]) <= str(stopped["at"])
    assert (stopped["sessionsLost"], stopped["bundle"]) == (0, online["bundle"])
    end(listener)
