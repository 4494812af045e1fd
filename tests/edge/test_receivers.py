"""However messages are taken from a broker, one by one or in batches: links that break and brokers that err."""

import time

import msgspec
import pytest

from edgeglm_api.bundle import Broker as BrokerRules
from tests.edge.agent_process import wait_for
from tests.edge.bad_broker import BadBroker
from tests.edge.bundles import a_graph
from tests.edge.conftest import EdgeSite, each_way
from tests.edge.cut_front import CutFront

pytestmark = pytest.mark.broker

CUTS = 4
MESSAGES = 5000


def listen_at(site: EdgeSite, port: int) -> None:
    way = BrokerRules(url=f"mqtt://127.0.0.1:{port}")
    site.agent.configure(msgspec.structs.replace(site.bundle(), graphs=(a_graph(broker=way),)))


@each_way
def test_a_link_that_is_cut_in_the_middle_of_packets_loses_nothing_and_counts_nothing_twice(site: EdgeSite) -> None:
    """What was stored and not acknowledged comes again, and is known; what was cut off comes again whole."""
    front = CutFront(site.broker.port, cuts=CUTS, least=20_000, most=60_000)
    listen_at(site, front.port)
    site.agent.start(ready=False)
    sensors = site.sensors()
    wait_for(lambda: front.cuts > 0 or site.agent.listens(), "does not connect")
    start = int(time.time()) - 600
    for number in range(MESSAGES):
        sensors.send(start + number / 10, 2.0, machine=f"m{number % 7}")
    sensors.flush()
    wait_for(lambda: site.agent.received() == sensors.published, "not all came", seconds=180)
    wait_for(site.agent.windowed, "windows stay open", seconds=120)

    assert front.cuts == CUTS
    site.agent.assert_books_balance()
    assert site.agent.status()["brokers"][0]["sessionsLost"] == 0
    front.close()


GOOD = b"\x32\x1d\x00\x15plant/l1/m1/vibration\x00\x07\x00{}\n"
SCRIPTS = {
    "a topic longer than its packet": b"\x32\x04\x00\x09ab",
    "a length that does not end": b"\x32\xff\xff\xff\xff\x7f",
    "a packet that only clients send": b"\x82\x02\x00\x01",
    "a quality that there is not": b"\x36\x07\x00\x01a\x00\x01\x00x",
    "noise": bytes(range(0xF0, 0x100)) * 50,
}


@each_way
def test_a_broker_that_breaks_the_protocol_costs_its_connection_and_nothing_else(site: EdgeSite) -> None:
    """Each error ends the connection that it came on; what came before it, whole, is stored."""
    broker = BadBroker(*(GOOD + script for script in SCRIPTS.values()))
    listen_at(site, broker.port)
    site.agent.start(ready=False)
    # One more than there are scripts: it comes back after each.
    wait_for(lambda: broker.let_in > len(SCRIPTS), "does not come back", seconds=240)
    wait_for(lambda: site.agent.received() >= 1, "what came before is lost", seconds=60)

    assert site.agent.get("/livez") == b"ok\n"
    assert b"Traceback" not in site.agent.log.read_bytes()
    site.agent.assert_books_balance()
    broker.close()
