"""Each task: what the schema lets a model say, and what of that stands."""

import json
from typing import Any

import msgspec
import pytest

from edgeglm_agent.graph.model import Edge, EntityGraph, Node
from edgeglm_agent.reason.check import Checked, check
from edgeglm_agent.reason.said import read_said
from edgeglm_agent.reason.schema import FEW_IDS, answer_schema, one_of
from edgeglm_agent.reason.tasks import TASKS
from edgeglm_api.sensor_graph import Question, RelationType, Task

from .observations import SECOND, evidence

PLANT = EntityGraph(
    nodes=(
        *(Node(id=name, type="Pump") for name in ("p1", "p2")),
        *(Node(id=name, type="Tank") for name in ("t1", "t2")),
        Node(id="v1", type="Valve"),
    ),
    edges=(
        Edge(id="r1", source="p1", target="v1", type="feeds"),
        Edge(id="r2", source="v1", target="t1", type="feeds"),
        Edge(id="r3", source="p2", target="t2", type="feeds"),
    ),
    evidence=(
        evidence(1, "p1", onset_ns=100 * SECOND),
        evidence(2, "t1", property="level", limit="low", bound=1.0, value=0.5, unit="m", onset_ns=104 * SECOND),
        evidence(3, "t2", kind="ZScore", limit="", onset_ns=0, z=5.0),
        evidence(4, "p2", onset_ns=106 * SECOND),
    ),
)
QUESTIONS = {
    "Anomaly": Question(),
    "RootCause": Question(task="RootCause"),
    "LinkCompletion": Question(
        task="LinkCompletion", relation_types=(RelationType(type="feeds", source="Pump", target="Tank"),)
    ),
    "Classification": Question(task="Classification", labels=("calm", "leak")),
    "Explanation": Question(task="Explanation"),
    "Custom": Question(task="Custom", instructions="Which pump leaks?"),
}
NO_EVIDENCE = msgspec.structs.replace(PLANT, evidence=())


def checked(task: Task, claim: dict[str, Any], *, question: Question | None = None, assessment: str = "") -> Checked:
    asked = question or QUESTIONS[task]
    claims = [{"confidence": "High", "comment": "so it seems"} | claim] if claim else []
    text = json.dumps({"assessment": assessment or TASKS[task].found, "findings": claims})
    return check(TASKS[task], read_said(text, TASKS[task].said), PLANT, asked)


def cause(cause: str, symptom: str, *ids: str) -> dict[str, Any]:
    return {"cause": cause, "symptom": symptom, "evidence": ids}


def link(source: str, kind: str, target: str, *ids: str) -> dict[str, Any]:
    return {"source": source, "type": kind, "target": target, "evidence": ids}


STANDS: list[tuple[Task, dict[str, Any], str, str]] = [
    ("Anomaly", {"node": "p1", "evidence": ["e1"]}, "Anomaly/p1/rms", "p1 rms 12.5 mm/s is above its highHigh"),
    ("RootCause", cause("p1", "t1", "e1", "e2"), "RootCause/p1/t1", "by way of p1 feeds v1 feeds t1: t1 level 0.5 m"),
    ("LinkCompletion", link("p1", "feeds", "t1"), "LinkCompletion/p1/feeds/t1", "p1 feeds t1 may be missing"),
    ("Classification", {"label": "leak", "evidence": ["e2"]}, "Classification/leak", "leak: t1 level"),
    ("Explanation", {"evidence": ["e1", "e3", "e2"]}, "Explanation/p1+t1+t2", "; then t2 rms mean"),
    ("Custom", {"nodes": ["v1", "p1"], "evidence": ["e1"]}, "Custom/p1+v1", "v1, p1: p1 rms"),
]


@pytest.mark.parametrize(("task", "claim", "key", "statement"), STANDS, ids=[row[0] for row in STANDS])
def test_a_claim_that_holds_is_told_in_the_words_of_the_code(
    task: Task, claim: dict[str, Any], key: str, statement: str
) -> None:
    result = checked(task, claim)
    (finding,) = result.findings
    assert result.verdict == "Ok"
    assert (finding.kind, finding.key) == (task, key)
    assert statement in finding.statement
    assert "so it seems" not in finding.statement
    assert finding.comment == "so it seems"


FALLS: list[tuple[Task, dict[str, Any], str]] = [
    ("Anomaly", {"node": "v1", "evidence": ["e1"]}, "none of e1 is about v1"),
    ("RootCause", cause("p1", "p1", "e1"), "p1 cannot be its own cause"),
    ("RootCause", cause("p1", "t1", "e1"), "none of e1 is about t1"),
    ("RootCause", cause("t1", "p1", "e1", "e2"), "no relations lead from t1 to p1"),
    ("RootCause", cause("p1", "t2", "e1", "e3"), "no relations lead from p1 to t2"),
    ("LinkCompletion", link("p1", "feeds", "p1"), "cannot be related to itself"),
    ("LinkCompletion", link("p1", "drains", "t1"), "drains from a Pump to a Tank is none of the relations"),
    ("LinkCompletion", link("t1", "feeds", "t2"), "feeds from a Tank to a Tank is none of the relations"),
    ("LinkCompletion", link("p2", "feeds", "t2"), "p2 feeds t2 is there already"),
    ("LinkCompletion", link("p9", "feeds", "t2"), "p9 is not in the graph"),
    ("Classification", {"label": "storm", "evidence": ["e1"]}, "storm is none of the labels calm, leak"),
    ("Classification", {"label": "leak", "evidence": []}, "cites no evidence"),
    ("Explanation", {"evidence": []}, "cites no evidence"),
    ("Explanation", {"evidence": ["e2", "e1"]}, "e2 began after e1"),
    ("Custom", {"nodes": ["v1"], "evidence": ["e1"]}, "none of e1 is about v1"),
    ("Custom", {"nodes": ["p1"], "evidence": ["e1"], "label": "x"}, "x is none of the labels (there are none)"),
    ("Custom", {"nodes": ["p1"], "evidence": ["e9"]}, "e9 is not in the graph"),
]


@pytest.mark.parametrize(("task", "claim", "reason"), FALLS)
def test_a_claim_that_breaks_a_rule_of_its_task_is_struck_out(task: Task, claim: dict[str, Any], reason: str) -> None:
    result = checked(task, claim)
    assert result.findings == ()
    assert reason in result.refused[0]


def test_a_cause_that_began_after_its_symptom_is_none() -> None:
    later = msgspec.structs.replace(PLANT.evidence[0], onset_ns=105 * SECOND)
    graph = msgspec.structs.replace(PLANT, evidence=(later, *PLANT.evidence[1:]))
    claim = {"confidence": "High", "comment": ""} | cause("p1", "t1", "e1", "e2")
    task = TASKS["RootCause"]
    said = read_said(json.dumps({"assessment": "found", "findings": [claim]}), task.said)
    (reason,) = check(task, said, graph, QUESTIONS["RootCause"]).refused
    assert reason == "p1 began at 1970-01-01T00:01:45Z, after t1 at 1970-01-01T00:01:44Z"


def test_an_order_that_cannot_be_known_lowers_the_confidence() -> None:
    assert checked("RootCause", cause("p2", "t2", "e4", "e3")).findings[0].confidence == "Low"
    assert checked("RootCause", cause("p1", "t1", "e1", "e2")).findings[0].confidence == "High"


def test_a_completed_link_is_an_edge_of_the_answer_and_a_label_its_label() -> None:
    (edge,) = checked("LinkCompletion", link("p1", "feeds", "t1", "e1")).inferred_edges
    assert (edge.source, edge.type, edge.target, edge.evidence_ids) == ("p1", "feeds", "t1", ("e1",))
    assert checked("Classification", {"label": "leak", "evidence": ["e2"]}).labels == ("leak",)


@pytest.mark.parametrize("task", TASKS)
def test_finding_nothing_is_an_answer_and_so_is_not_knowing(task: Task) -> None:
    unsure = checked(task, {}, assessment="unsure")
    assert (unsure.verdict, unsure.refused) == ("Abstained", ())
    empty = checked(task, {})
    assert empty.refused == (f"says {TASKS[task].found}, but has no finding",)


@pytest.mark.parametrize("task", TASKS)
def test_every_schema_names_what_is_there_and_has_no_open_end(task: Task) -> None:
    schema = answer_schema(TASKS[task].found, TASKS[task].claim_schema(PLANT, QUESTIONS[task]))
    for part in _parts(schema):
        if part.get("type") == "array":
            assert "maxItems" in part
        if part.get("type") == "string":
            assert "maxLength" in part
        if part.get("type") == "object":
            assert part["additionalProperties"] is False
    assert {item.id for item in PLANT.evidence} <= {each for part in _parts(schema) for each in part.get("enum", ())}


@pytest.mark.parametrize("task", ["Anomaly", "RootCause", "Explanation", "Custom"])
def test_without_evidence_there_is_nothing_to_claim(task: Task) -> None:
    assert TASKS[task].claim_schema(NO_EVIDENCE, QUESTIONS[task]) is None


def test_many_ids_are_no_longer_enumerated() -> None:
    many = [f"n{number}" for number in range(FEW_IDS + 1)]
    assert one_of(many) == {"type": "string", "maxLength": 128}
    assert one_of(many[:-1]) == {"enum": many[:-1]}


def _parts(schema: Any) -> list[dict[str, Any]]:
    if not isinstance(schema, dict):
        return []
    children = [*schema.get("properties", {}).values(), schema.get("items")]
    return [schema, *(part for child in children for part in _parts(child))]
