"""From a packet to a published answer, with a real broker and a real agent process."""

import json
import time

import pytest

from tests.edge.agent_process import wait_for
from tests.edge.conftest import EdgeSite

pytestmark = pytest.mark.broker


def test_a_limit_that_is_passed_comes_back_as_a_checked_answer(site: EdgeSite) -> None:
    site.agent.configure(site.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = int(time.time()) - 10

    for second in range(8):
        sensors.send(start + second, 12.5 if second == 4 else 2.0)
    sensors.flush()
    wait_for(lambda: len(listener.asked) == 1, "no answer")

    (answer,) = listener.asked
    assert answer["status"] == "Ok"
    (finding,) = answer["findings"]
    assert finding["severity"] == "Critical"
    assert finding["key"] == "Anomaly/l1/m1/rms"
    assert "l1/m1 rms 12.5 mm/s is above its highHigh alarm limit 11 since" in finding["statement"]
    wait_for(lambda: site.agent.received() == 8 and site.agent.settled(), "not settled")
    site.agent.assert_books_balance()


def test_the_status_tells_bundle_books_spool_and_endpoints(site: EdgeSite) -> None:
    site.agent.configure(site.bundle())
    site.agent.start()

    status = site.agent.status()

    assert status["bundle"]["verdict"] == "Applied"
    assert status["endpoints"] == [
        {
            "name": "engine",
            "state": "Closed",
            "lastError": "",
            "reason": "",
            "load": {
                "width": 2,
                "inFlight": 0,
                "busy": 0,
                "cuts": 0,
                "withheld": 0,
                "disguised": 0,
                "paced": 0,
                "spent": 0,
            },
        }
    ]
    assert site.agent.get("/livez") == b"ok\n"
    assert b"edgeglm_agent_bundle_generation 1.0" in (site.agent.get("/metrics") or b"")
    json.dumps(status)


def test_sigterm_stops_in_order_and_the_next_start_goes_on_where_it_stopped(site: EdgeSite) -> None:
    site.agent.configure(site.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = int(time.time()) - 10
    sensors.send(start, 9.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == 1, "not received")

    assert site.agent.stop() == 0
    sensors.send(start + 0.5, 12.0)
    sensors.flush()
    time.sleep(2.5)  # longer than the idle timeout: time that nobody listened does not count
    site.agent.start()
    wait_for(lambda: len(listener.asked) == 1, "no answer")

    (answer,) = listener.asked
    assert "rms 12 mm/s" in answer["findings"][0]["statement"], "both readings are in the one window"
    assert site.agent.received() == 2
    site.agent.assert_books_balance()
