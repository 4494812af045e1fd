"""Late readings at a live site: their window is told anew, once, over a kill, and the books balance."""

import time

import msgspec
import pytest

from tests.edge.agent_process import wait_for
from tests.edge.bundles import a_graph
from tests.edge.conftest import EdgeSite

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]


def test_a_window_is_told_anew_for_what_came_late_and_once(site: EdgeSite) -> None:
    window = msgspec.structs.replace(a_graph().window, late="Revise", late_within_seconds=120)
    site.agent.configure(site.bundle(a_graph(window=window)))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = int(time.time()) - 60
    for second in range(20):
        sensors.send(start + second, 9.0 if second == 5 else 2.0)
    sensors.flush()
    wait_for(lambda: len(listener.answers) >= 1, "no answer", seconds=60)
    first = listener.answers[0]
    assert first["findings"][0]["severity"] == "Warning"

    for part in range(5):
        sensors.send(start + 5 + part / 10, 12.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == sensors.published, "not received", seconds=60)
    site.agent.kill()
    site.agent.start()
    anew = [first["requestId"]]
    wait_for(lambda: _superseding(listener.answers, anew), "not told anew", seconds=60)
    wait_for(site.agent.settled, "not settled", seconds=60)

    (told,) = [answer for answer in listener.answers if answer.get("supersedes")]
    assert (told["supersedes"], told["revision"], told["windows"]) == (first["requestId"], 1, first["windows"])
    assert told["findings"][0]["severity"] == "Critical"
    assert "12" in told["findings"][0]["statement"]
    assert site.agent.status()["books"]["windows"]["line-1"]["revised"] == 1
    site.agent.assert_books_balance()


def _superseding(answers: list[dict[str, object]], ids: list[str]) -> bool:
    return any(answer.get("supersedes") in ids for answer in answers)
