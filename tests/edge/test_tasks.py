"""Each task from packets to a published answer, with a real broker, a real agent process and a scripted model."""

import json
import time
from typing import Any

import msgspec
import pytest

from edgeglm_api.sensor_graph import Question, RelationType, Topology, TopologyEdge, TopologyNode, When
from tests.edge.agent_process import wait_for
from tests.edge.bundles import a_graph
from tests.edge.conftest import EdgeSite
from tests.edge.stub_engine import Scripted

pytestmark = pytest.mark.broker

FEEDS = Topology(
    nodes=(
        TopologyNode(id="l1", type="Line"),
        TopologyNode(id="l1/m1", type="Machine"),
        TopologyNode(id="l1/m2", type="Machine"),
    ),
    edges=(
        TopologyEdge(source="l1/m1", target="l1/m2", type="feeds"),
        TopologyEdge(source="l1/m1", target="l1", type="partOf"),
        TopologyEdge(source="l1/m2", target="l1", type="partOf"),
    ),
)
QUESTIONS = {
    "RootCause": Question(task="RootCause"),
    "LinkCompletion": Question(task="LinkCompletion", relation_types=(RelationType(type="feeds", target="Machine"),)),
    "Classification": Question(task="Classification", labels=("calm", "overload")),
    "Explanation": Question(task="Explanation"),
    "Custom": Question(task="Custom", instructions="Which machine is worst?"),
}
GOOD: dict[str, dict[str, Any]] = {
    "RootCause": {"cause": "l1/m1", "symptom": "l1/m2", "evidence": ["e1", "e2"]},
    "LinkCompletion": {"source": "l1/m2", "type": "feeds", "target": "l1/m1", "evidence": []},
    "Classification": {"label": "overload", "evidence": ["e1"]},
    "Explanation": {"evidence": ["e1", "e2"]},
    "Custom": {"nodes": ["l1/m1"], "evidence": ["e1"]},
}
WRONG: dict[str, dict[str, Any]] = {
    "RootCause": {"cause": "l1/m2", "symptom": "l1/m1", "evidence": ["e1", "e2"]},
    "LinkCompletion": {"source": "l1/m1", "type": "feeds", "target": "l1/m2", "evidence": []},
    "Classification": {"label": "storm", "evidence": ["e1"]},
    "Explanation": {"evidence": ["e2", "e1"]},
    "Custom": {"nodes": ["l1"], "evidence": ["e1"]},
}
KEYS = {
    "RootCause": "RootCause/l1/m1/l1/m2",
    "LinkCompletion": "LinkCompletion/l1/m2/feeds/l1/m1",
    "Classification": "Classification/overload",
    "Explanation": "Explanation/l1/m1+l1/m2",
    "Custom": "Custom/l1/m1",
}


@pytest.mark.parametrize("task", QUESTIONS)
def test_a_task_is_asked_mended_and_published(site: EdgeSite, task: str) -> None:
    """The model first breaks the rule of its task, is told so, and then keeps it."""
    claims = iter([WRONG[task], GOOD[task]])
    site.engine.script = lambda _body: says(next(claims))
    question = msgspec.structs.replace(QUESTIONS[task], when=When(detectors=("Limit",)))
    site.agent.configure(site.bundle(a_graph(question=question, topology=FEEDS)))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = int(time.time()) - 60
    for second in range(6):
        sensors.send(start + second + 0.1, 12.0 if second == 2 else 2.0, machine="m1")
        sensors.send(start + second + 0.4, 9.0 if second == 2 else 2.0, machine="m2")
    sensors.flush()
    wait_for(lambda: bool(listener.answers), "no answer")

    answer = listener.answers[0]
    assert answer["status"] == "Ok"
    assert answer["validation"]["repaired"] is True
    (finding,) = answer["findings"]
    assert (finding["kind"], finding["key"]) == (task, KEYS[task])
    assert [edge["target"] for edge in answer.get("inferredEdges", [])] == (
        ["l1/m1"] if task == "LinkCompletion" else []
    )
    assert answer.get("labels", []) == (["overload"] if task == "Classification" else [])
    assert "That cannot be used" in site.engine.asked[1]["messages"][-1]["content"]
    site.agent.assert_books_balance()


def says(claim: dict[str, Any]) -> Scripted:
    finding = {"confidence": "High", "comment": "as the model sees it", **claim}
    return Scripted(json.dumps({"assessment": "found", "findings": [finding]}))
