"""The check keeps what rests on evidence, and says why the rest does not stand."""

import msgspec
import pytest

from edgeglm_agent.graph.model import EntityGraph
from edgeglm_agent.reason.check import Checked
from edgeglm_agent.reason.check import check as check_task
from edgeglm_agent.reason.said import Said, Unreadable, read_said
from edgeglm_agent.reason.schema import Schema
from edgeglm_agent.reason.schema import answer_schema as schema_of
from edgeglm_agent.reason.tasks.anomaly import ANOMALY, SaidAnomaly
from edgeglm_api.answer import Finding
from edgeglm_api.sensor_graph import Question

from .observations import a_machine_graph, evidence


def a_claim(node: str = "m1", *cited: str, comment: str = "worn") -> SaidAnomaly:
    return SaidAnomaly(node=node, evidence=cited or ("e1",), confidence="High", comment=comment)


def said(*claims: SaidAnomaly, assessment: str = "anomaly") -> Said[SaidAnomaly]:
    return msgspec.convert(
        {"assessment": assessment, "findings": [msgspec.structs.asdict(c) for c in claims]}, Said[SaidAnomaly]
    )


def check(what: Said[SaidAnomaly], graph: EntityGraph) -> Checked:
    return check_task(ANOMALY, what, graph, Question())


def answer_schema(graph: EntityGraph) -> Schema:
    return schema_of(ANOMALY.found, ANOMALY.claim_schema(graph, Question()))


def test_a_claim_with_its_evidence_becomes_a_finding_in_the_words_of_the_code() -> None:
    checked = check(said(a_claim(comment=" worn\x00\nbearing " + "x" * 300)), a_machine_graph("m1"))
    (finding,) = checked.findings
    assert isinstance(finding, Finding)
    assert finding.key == "Anomaly/m1/rms"
    assert finding.severity == "Critical"
    assert finding.statement == "m1 rms 12.5 mm/s is above its highHigh alarm limit 11 since 1970-01-01T00:01:40Z"
    assert finding.comment.startswith("worn bearing xxx")
    assert len(finding.comment) == 120
    assert checked.refused == ()


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (a_claim("m9"), "m9 is not in the graph"),
        (a_claim("m1", "e7"), "e7 is not in the graph"),
        (a_claim("m2", "e1"), "none of e1 is about m2"),
        (a_claim("line", "e1"), "none of e1 is about line"),
    ],
)
def test_a_claim_without_evidence_of_its_own_is_struck_out(claim: SaidAnomaly, reason: str) -> None:
    checked = check(said(claim), a_machine_graph("m1"))
    assert checked.findings == ()
    assert reason in checked.refused[0]


def test_good_claims_survive_bad_ones_and_repetitions_are_one() -> None:
    checked = check(said(a_claim(), a_claim(), a_claim("m9")), a_machine_graph("m1"))
    assert len(checked.findings) == 1
    assert checked.unknown_ids == ("m9",)


def test_evidence_of_another_node_may_support_but_not_carry() -> None:
    checked = check(said(a_claim("m2", "e1", "e2")), a_machine_graph("m1", "m2"))
    assert checked.findings[0].node_ids == ("m2", "m1")
    assert checked.findings[0].key == "Anomaly/m2/rms"


@pytest.mark.parametrize(
    ("assessment", "graph", "refused"),
    [
        ("normal", a_machine_graph("m1"), ("says normal, though limits are passed: e1",)),
        ("normal", a_machine_graph(), ()),
        ("unsure", a_machine_graph("m1"), ()),
        ("anomaly", a_machine_graph("m1"), ("says anomaly, but has no finding",)),
    ],
)
def test_an_answer_without_findings(assessment: str, graph: EntityGraph, refused: tuple[str, ...]) -> None:
    assert check(said(assessment=assessment), graph).refused == refused


def test_a_deviation_alone_may_be_called_normal() -> None:
    only_z = EntityGraph(
        nodes=a_machine_graph().nodes, edges=(), evidence=(evidence(1, "m1", kind="ZScore", limit="", z=5.0),)
    )
    assert check(said(assessment="normal"), only_z).refused == ()
    assert check(said(a_claim()), only_z).findings[0].severity == "Info"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sure!",
        "{",
        "[]",
        '{"assessment": "anomaly"}',
        '{"assessment": "bad", "findings": []}',
        "\ud800",
        '{"assessment": "normal", "findings": [], "extra": 1}',
        "[" * 100_000,
        '{"assessment": "anomaly", "findings": [{"node": "%s", "evidence": [], "confidence": "Low", "comment": ""}]}'
        % ("x" * 129),
    ],
)
def test_what_is_not_of_the_schema_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        read_said(text, Said[SaidAnomaly])


def test_a_fenced_answer_is_read() -> None:
    assert read_said('```json\n{"assessment": "normal", "findings": []}\n```', Said[SaidAnomaly]).assessment == "normal"


def test_the_schema_bounds_everything_and_names_only_what_is_there() -> None:
    properties = answer_schema(a_machine_graph("m2", "m1"))["properties"]
    finding = properties["findings"]["items"]["properties"]
    assert finding["node"]["enum"] == ["m1", "m2"]
    assert finding["evidence"]["items"]["enum"] == ["e1", "e2"]
    assert finding["evidence"]["maxItems"] == 2
    assert finding["comment"]["maxLength"] == 120
    assert answer_schema(a_machine_graph())["properties"]["findings"] == {"type": "array", "maxItems": 0}


def test_an_anomaly_may_rest_on_a_state_that_changed() -> None:
    change = evidence(
        1,
        "m1",
        kind="StateChange",
        property="mode",
        unit="",
        limit="",
        value=0.0,
        bound=0.0,
        before="RUN",
        after="FAULT",
        changes=1,
    )
    graph = msgspec.structs.replace(a_machine_graph(), evidence=(change,))
    (finding,) = check(said(a_claim()), graph).findings
    assert (finding.key, finding.severity) == ("Anomaly/m1/mode", "Info")
    assert finding.statement == "m1 mode changed from RUN to FAULT at 1970-01-01T00:01:40Z"
