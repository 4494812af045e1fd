"""What leaves a site, with a real broker and a real agent process whose own engine is down."""

import re
import time
from typing import Final

import msgspec
import pytest

from edgeglm_api.bundle import Bundle, Endpoint
from edgeglm_api.sensor_graph import DataPolicy, ToCloud
from tests.cluster.ports import free_ports
from tests.edge.agent_process import wait_for
from tests.edge.bundles import a_graph
from tests.edge.conftest import EdgeSite

pytestmark = pytest.mark.broker

PSEUDONYM: Final = re.compile(rb"n-[a-z2-7]{10}")


def bundle(site: EdgeSite, policy: ToCloud, *, generation: int) -> Bundle:
    """The stub engine stands for the cloud's, and nobody is at the port of the site's own."""
    reasoning = msgspec.structs.replace(
        a_graph().reasoning, route="PreferEdge", endpoints=("here", "cloud"), data_policy=DataPolicy(cloud=policy)
    )
    here = Endpoint(name="here", url=f"http://127.0.0.1:{free_ports(1)[0]}/v1", model="tiny", place="Edge")
    cloud = Endpoint(name="cloud", url=site.engine.url, model="big", place="Cloud")
    return site.bundle(a_graph(reasoning=reasoning), endpoints=(here, cloud), generation=generation)


def pseudonyms(site: EdgeSite) -> set[bytes]:
    return {found for raw in site.engine.heard for found in PSEUDONYM.findall(raw)}


def test_pseudonyms_leave_and_outlive_a_kill_and_under_never_nothing_leaves(site: EdgeSite) -> None:
    site.agent.configure(bundle(site, "Pseudonymised", generation=1))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = int(time.time()) - 60

    def break_a_limit(at: int, answers: int) -> None:
        for second in range(4):
            sensors.send(start + at + second, 12.5 if second == 1 else 2.0)
        sensors.flush()
        if answers:
            wait_for(lambda: len(listener.asked) == answers, "no answer")

    break_a_limit(0, 1)
    before = pseudonyms(site)
    site.agent.kill()
    site.agent.start()
    break_a_limit(10, 2)
    assert [answer["findings"][0]["key"] for answer in listener.asked] == ["Anomaly/l1/m1/rms"] * 2
    assert pseudonyms(site) == before != set()
    assert not [raw for raw in site.engine.heard if b"l1" in raw or b"m1" in raw]

    heard = len(site.engine.heard)
    site.agent.configure(bundle(site, "Never", generation=2))
    wait_for(lambda: site.agent.told()["bundle"]["generation"] == 2, "the policy is not applied")
    break_a_limit(20, 0)
    wait_for(lambda: site.agent.told()["spool"]["waiting"] == 1, "it does not wait")
    refused = re.compile(rb'edgeglm_agent_endpoint_usable\{endpoint="here"\} 0')
    wait_for(lambda: bool(refused.search(site.agent.get("/metrics") or b"")), "the site's engine was not tried")
    assert len(site.engine.heard) == heard
