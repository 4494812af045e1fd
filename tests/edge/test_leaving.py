"""A graph that leaves the bundle of its site: what it has begun is finished."""

import time

import msgspec

from tests.edge.agent_process import wait_for
from tests.edge.bundles import a_graph
from tests.edge.conftest import EdgeSite


def test_a_graph_that_leaves_has_its_open_windows_answered_though_nobody_else_asks_its_engine(site: EdgeSite) -> None:
    # Nothing closes the window but the end of the graph.
    rules = a_graph(window=msgspec.structs.replace(a_graph().window, idle_timeout_seconds=3600))
    site.agent.configure(site.bundle(rules))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = int(time.time()) - 60
    sensors.send(start, 12.5)
    sensors.flush()
    wait_for(lambda: [book["pending"] for book in site.agent.told()["books"]["sources"]] == [1], "it is not read")
    assert listener.asked == [], "the window is open"
    empty = msgspec.structs.replace(site.bundle(rules), graphs=(), endpoints=(), generation=2)
    site.agent.configure(empty)
    wait_for(lambda: len(listener.asked) == 1, "the window is not answered")
    assert listener.asked[0]["status"] == "Ok"
    wait_for(lambda: site.agent.told()["endpoints"] == [], "who asked it is gone, and all is answered", seconds=60)
