"""The page's data: what is wrong is named so, nothing is left to guess, and it is bounded."""

from typing import Any

import msgspec

from edgeglm_agent.config.freshness import SourceState
from edgeglm_agent.config.watch import Applied
from edgeglm_agent.findings.life import Life
from edgeglm_agent.findings.word import Word
from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.model import Edge, EntityGraph, Measured, Node, Occurred, Stated
from edgeglm_agent.graph.state import Said
from edgeglm_agent.health.status import ConfigStatus
from edgeglm_agent.page.condition import condition_of
from edgeglm_agent.page.partition_view import MAX_ROWS, partition_id, summary_of, view_of
from edgeglm_agent.page.site_view import MAX_FINDINGS, FindingView, Looked, site_view
from edgeglm_agent.pipeline.judge import Judged
from edgeglm_agent.pipeline.recent import MAX_SERIES, MAX_WINDOWS, Seen
from edgeglm_agent.reason.request import Request
from edgeglm_agent.spool.findings import StoredFinding
from edgeglm_api.answer import Finding, Severity
from edgeglm_api.sensor_graph import Limits, Measurement
from tests.edge.bundles import GRAPH_UID, a_graph, a_source

from .observations import SECOND, evidence

KEY = (GRAPH_UID, "l1")
CONFIG = ConfigStatus(Applied(), SourceState(), {}, [], None)


def a_node(name: str, *, mean: float = 2.0, **changes: Any) -> Node:
    rms = Measured("rms", "mm/s", 10, mean, mean - 1, mean + 1, mean, 0.1)
    return msgspec.structs.replace(Node(name, "Machine", measured=(rms,)), **changes)


def judged(subject: EntityGraph, *, start: float = 100) -> Judged:
    rules = a_graph()
    request = Request(
        id="r",
        site="edge-1",
        graph=rules.name,
        graph_uid=rules.uid,
        partition="l1",
        start_ns=round(start * SECOND),
        end_ns=round((start + 1) * SECOND),
        expires_ns=0,
        signature="",
        subject=subject,
        question=rules.question,
        reasoning=rules.reasoning,
        output=rules.output,
        broker=rules.broker.url,
    )
    return Judged(
        "quiet", request, request.start_ns, frozenset((item.node, item.property) for item in subject.evidence)
    )


def a_graph_of(*nodes: Node, edges: tuple[Edge, ...] = (), found: tuple[Evidence, ...] = ()) -> EntityGraph:
    return EntityGraph(nodes=nodes, edges=edges, evidence=found)


def test_an_entity_is_as_bad_as_its_worst_evidence() -> None:
    m1, station = a_node("m1"), Node("station", "Station")
    warning, alarm = evidence(1, "m1", limit="high"), evidence(2, "m1", limit="highHigh")
    assert condition_of(m1, []) == "Well"
    assert condition_of(m1, [evidence(1, "m2")]) == "Well"
    assert condition_of(m1, [warning]) == "Warning"
    assert condition_of(m1, [warning, alarm]) == "Alarm"
    assert condition_of(m1, [evidence(1, "m1", kind="ZScore", limit="")]) == "Unusual"
    assert condition_of(m1, [evidence(1, "m1", kind="StateChange", limit="")]) == "Changed"
    assert condition_of(station, []) == "Unheard"
    assert condition_of(station, [evidence(1, "station", kind="Silence", limit="")]) == "Silent"


def test_a_partition_is_drawn_with_its_evidence_in_words() -> None:
    found = (evidence(1, "m1", limit="high"),)
    subject = a_graph_of(a_node("m1"), a_node("l1"), edges=(Edge("r1", "m1", "l1", "partOf"),), found=found)
    view = view_of(KEY, Seen(a_graph(), judged(subject)))
    assert (view.graph, view.name, view.id) == ("line-1", "l1", partition_id(KEY))
    assert (view.start, view.end) == ("1970-01-01T00:01:40Z", "1970-01-01T00:01:41Z")
    assert [(node.id, node.condition, node.column) for node in view.nodes] == [("m1", "Warning", 0), ("l1", "Well", 1)]
    (edge,) = view.edges
    assert edge.route == ((0, 0.0), (1, 0.0))
    assert view.evidence[0].statement.startswith("m1 rms ")
    row = view.measured[0]
    assert (row.condition, row.limits.high, row.limits.high_high, row.means) == ("Warning", 7.1, 11.0, (2.0,))
    assert view.measured[1].condition == "Well"
    assert view.condition == summary_of(KEY, Seen(a_graph(), judged(subject))).condition == "Warning"


def test_states_and_events_are_rows_with_their_last_word() -> None:
    state = Stated("position", "OPEN", 99 * SECOND, "CLOSED", (Said(99 * SECOND, "OPEN"),))
    event = Occurred("call", 3, (Said(98 * SECOND, "bell"), Said(99 * SECOND, "voice")))
    found = (evidence(1, "q-1", kind="StateChange", property="position", limit=""),)
    node = Node("q-1", "Breaker", states=(state,), events=(event,))
    view = view_of(KEY, Seen(a_graph(), judged(a_graph_of(node, found=found))))
    assert [(row.word, row.before, row.condition) for row in view.states] == [("OPEN", "CLOSED", "Changed")]
    assert [(row.word, row.n) for row in view.events] == [("voice", 3)]


def test_a_window_in_which_nothing_was_heard_is_no_number() -> None:
    seen = Seen(a_graph(), judged(a_graph_of(a_node("m1"))))
    seen.note(a_graph(), judged(a_graph_of(), start=101))
    seen.note(a_graph(), judged(a_graph_of(a_node("m1", mean=1 / 3)), start=102))
    view = view_of(KEY, seen)
    assert view.measured[0].means == (2.0, None, 0.33333)
    assert view.ends == (101_000, 102_000, 103_000)
    assert b"NaN" not in msgspec.json.encode(view)


def test_limits_of_which_the_rules_say_two_things_are_not_shown() -> None:
    other = a_source(
        name="other",
        topic="other/{line}/{machine}",
        measurements=(Measurement(property="rms", path="$.rms", limits=Limits(high=1.0)),),
    )
    seen = Seen(a_graph(sources=(a_source(), other)), judged(a_graph_of(a_node("m1"))))
    assert view_of(KEY, seen).measured[0].limits.high is None


def test_the_largest_partition_is_bounded() -> None:
    """All caps of the CRD at once, and every name as long as names can be."""
    names = [f"{number:03}".ljust(128, "\u6f22") for number in range(256)]
    series = tuple(Measured(f"p{at}".ljust(63, "p"), "u" * 16, 9, 1 / 3, -1 / 3, 2 / 3, 0.1, 1e-9) for at in range(32))
    nodes = tuple(Node(name, "T" * 63, measured=series) for name in names)
    edges = tuple(Edge(f"r{at}", names[at % 256], names[(at * 7 + 1) % 256], "t" * 63) for at in range(512))
    kept = a_graph_of(*nodes[: MAX_SERIES // len(series)])
    seen = Seen(a_graph(), judged(kept))
    for second in range(MAX_WINDOWS + 5):
        seen.note(a_graph(), judged(kept, start=101 + second))
    seen.note(a_graph(), judged(a_graph_of(*nodes, edges=edges), start=300))
    view = view_of(KEY, seen)
    assert len(view.measured) == MAX_ROWS
    assert view.rows_left_out == 256 * 32 - MAX_ROWS
    assert sum(bool(row.means) for row in view.measured) == MAX_SERIES
    assert {len(row.means) for row in view.measured} == {0, MAX_WINDOWS}
    assert len(msgspec.json.encode(view)) < 2 * 1024 * 1024


def a_finding(number: int, *, severity: Severity = "Warning", graph: str = GRAPH_UID, **life: Any) -> StoredFinding:
    finding = Finding(
        key=f"Anomaly/m{number}",
        kind="Anomaly",
        severity=severity,
        statement="m1 rms is high",
        node_ids=("m1",),
        evidence_ids=("e1",),
        confidence="High",
    )
    known = Life(finding=finding, series=(("m1", "rms"),), opened_ns=number * SECOND, seen_ns=number * SECOND)
    return StoredFinding(f"f{number}", graph, "l1", msgspec.structs.replace(known, **life))


def shown(*findings: StoredFinding) -> tuple[FindingView, ...]:
    return site_view(CONFIG, None, [a_graph()], Looked(1000 * SECOND, {}, {}, findings)).findings


def test_findings_come_worst_first_then_newest_and_what_somebody_knows_of_last() -> None:
    known = Word("Acknowledged", "ann", 5 * SECOND, "Critical", note="ordered")
    found = shown(
        a_finding(1),
        a_finding(2),
        a_finding(3, severity="Critical"),
        a_finding(4, severity="Critical", word=known),
        a_finding(5, over=True),
        a_finding(6, graph="of another bundle"),
    )
    assert [each.id for each in found] == ["f3", "f2", "f1", "f4"]
    assert (found[3].state, found[3].by, found[3].note) == ("Acknowledged", "ann", "ordered")
    assert found[0].partition_id == partition_id(KEY)
    assert found[0].series == (("m1", "rms"),)


def test_more_findings_than_anybody_reads_are_counted() -> None:
    looked = Looked(1000 * SECOND, {}, {}, [a_finding(number) for number in range(MAX_FINDINGS + 7)])
    view = site_view(CONFIG, None, [a_graph()], looked)
    assert (len(view.findings), view.findings_left_out) == (MAX_FINDINGS, 7)


def test_partitions_that_are_not_shown_are_counted() -> None:
    seen = Seen(a_graph(), judged(a_graph_of(a_node("m1"))))
    looked = Looked(0, {KEY: summary_of(KEY, seen)}, {GRAPH_UID: 3}, [])
    (graph,) = site_view(CONFIG, None, [a_graph()], looked).graphs
    assert [each.name for each in graph.partitions] == ["l1"]
    assert graph.left_out == 2


def test_before_there_is_a_site_the_configuration_is_told() -> None:
    view = site_view(CONFIG, None, (), None)
    assert (view.status, view.graphs, view.findings) == (None, (), ())
    assert view.config is CONFIG
