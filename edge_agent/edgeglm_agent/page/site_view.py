"""The site as the page gets it: its graphs with their partitions, what is found, and the status. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from edgeglm_agent.findings.life import Series, state_of
from edgeglm_agent.health.status import ConfigStatus, Status
from edgeglm_agent.moment import rfc3339
from edgeglm_agent.page.partition_view import API_VERSION, PartitionSummary, partition_id
from edgeglm_agent.pipeline.recent import Key
from edgeglm_agent.spool.findings import StoredFinding
from edgeglm_api.answer import Confidence, FindingState, Severity
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Task

MAX_FINDINGS: Final = 100
_WORST_FIRST: Final[tuple[Severity, ...]] = ("Critical", "Warning", "Info")


class FindingView(msgspec.Struct, frozen=True, rename="camel"):
    """A finding that is not over, and what of the graph it is about."""

    id: str
    state: FindingState
    severity: Severity
    kind: Task
    graph: str
    partition: str
    partition_id: str
    statement: str
    comment: str
    """The model's own words; unverified."""
    confidence: Confidence
    opened: str
    seen: str
    nodes: tuple[str, ...]
    series: tuple[Series, ...]
    """Node and property of its evidence."""
    by: str
    """Who has acknowledged or shelved it."""
    note: str


class GraphView(msgspec.Struct, frozen=True, rename="camel"):
    """One SensorGraph."""

    name: str
    task: Task
    window_seconds: int
    partitions: tuple[PartitionSummary, ...]
    """Those that a window has closed in since the agent's start, by name."""
    left_out: int
    """Partitions beside them: no window has closed in them yet, or there are too many."""


class Looked(msgspec.Struct, frozen=True):
    """What was read of the running site, at one moment."""

    at_ns: int
    shown: Mapping[Key, PartitionSummary]
    partitions: Mapping[str, int]
    """Graph uid to how many there are."""
    findings: Sequence[StoredFinding]


class SiteView(msgspec.Struct, frozen=True, rename="camel"):
    """All of it."""

    api_version: str
    config: ConfigStatus
    status: Status | None
    """As in /status; null while there is no site."""
    graphs: tuple[GraphView, ...]
    findings: tuple[FindingView, ...]
    """The worst first, then the newest."""
    findings_left_out: int


def site_view(config: ConfigStatus, status: Status | None, graphs: Iterable[Graph], looked: Looked | None) -> SiteView:
    """Put together what the page shows around the graph."""
    if looked is None:
        return SiteView(API_VERSION, config, status, (), (), 0)
    rules = {graph.uid: graph for graph in graphs}
    findings = [_finding(each, rules, looked.at_ns) for each in _going_on(looked, rules)]
    findings.sort(key=lambda finding: finding.opened, reverse=True)
    findings.sort(key=_worst_first)
    return SiteView(
        api_version=API_VERSION,
        config=config,
        status=status,
        graphs=tuple(_graph(graph, looked) for graph in rules.values()),
        findings=tuple(findings[:MAX_FINDINGS]),
        findings_left_out=max(len(findings) - MAX_FINDINGS, 0),
    )


def _going_on(looked: Looked, rules: Mapping[str, Graph]) -> Iterable[StoredFinding]:
    return (each for each in looked.findings if not each.life.over and each.graph in rules)


def _graph(graph: Graph, looked: Looked) -> GraphView:
    shown = [looked.shown[key] for key in sorted(looked.shown) if key[0] == graph.uid]
    return GraphView(
        name=graph.name,
        task=graph.question.task,
        window_seconds=graph.window.size_seconds,
        partitions=tuple(shown),
        left_out=max(looked.partitions.get(graph.uid, 0) - len(shown), 0),
    )


def _finding(stored: StoredFinding, rules: Mapping[str, Graph], now_ns: int) -> FindingView:
    life, finding = stored.life, stored.life.finding
    state = state_of(life, now_ns)
    word = life.word if life.word is not None and life.word.kind == state else None
    return FindingView(
        id=stored.id,
        state=state,
        severity=finding.severity,
        kind=finding.kind,
        graph=rules[stored.graph].name,
        partition=stored.partition,
        partition_id=partition_id((stored.graph, stored.partition)),
        statement=finding.statement,
        comment=finding.comment,
        confidence=finding.confidence,
        opened=rfc3339(life.opened_ns),
        seen=rfc3339(life.seen_ns),
        nodes=finding.node_ids,
        series=life.series,
        by=word.by if word else "",
        note=word.note if word else "",
    )


def _worst_first(finding: FindingView) -> tuple[bool, int]:
    return finding.state in {"Acknowledged", "Shelved"}, _WORST_FIRST.index(finding.severity)
