"""An agent process whose endpoint hosts are pinned: what of a bundle would ask elsewhere does not run, and is told."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edgeglm_api.bundle import Endpoint
from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.bundles import a_bundle, a_graph

PATIENCE_SECONDS = 60


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path)
    agent.options = ("--endpoint-host", "127.0.0.1:8000")
    yield agent
    agent.end()


def test_one_graph_is_refused_and_the_other_runs(agent: AgentProcess) -> None:
    reasoning = msgspec.structs.replace(a_graph().reasoning, endpoints=("cloud",))
    abroad = a_graph(name="line-2", uid="line-2", reasoning=reasoning)
    cloud = Endpoint(name="cloud", url="https://llm.example.com/v1", model="big", place="Cloud")
    agent.configure(a_bundle(a_graph(), abroad, endpoints=(*a_bundle().endpoints, cloud)))
    agent.start(ready=False)
    wait_for(agent.ready, "not begun", seconds=PATIENCE_SECONDS)
    wait_for(lambda: bool(agent.status().get("endpoints")), "no endpoint", seconds=PATIENCE_SECONDS)
    told = agent.status()
    assert told["bundle"]["verdict"] == "Applied"
    assert [each["graph"] for each in told["refusedGraphs"]] == ["line-2"]
    assert [each["name"] for each in told["endpoints"]] == ["engine"], "what nobody may ask is not even known"
    metrics = agent.get("/metrics") or b""
    assert b'edgeglm_agent_graphs_refused{graph="line-2",reason="EndpointNotPinned"} 1.0' in metrics
    assert "graph line-2 is refused (EndpointNotPinned), the others go on" in agent.log.read_text()
