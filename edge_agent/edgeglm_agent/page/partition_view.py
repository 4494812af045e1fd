"""A partition as the page gets it: the graph of its last window, drawn, and how its means have moved. Pure."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

import msgspec

from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.model import Edge, EntityGraph, Measured, Node
from edgeglm_agent.graph.sentence import sentence
from edgeglm_agent.moment import rfc3339
from edgeglm_agent.page.condition import Condition, condition_of, shown_by, worst_of
from edgeglm_agent.page.drawing import Drawing, Place, draw
from edgeglm_agent.pipeline.era import limits_of
from edgeglm_agent.pipeline.recent import Key, Seen, Series
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Limits

API_VERSION: Final = "page.edgeglm.io/v1"
MAX_ROWS: Final = 512
"""Series that are listed with their numbers, and states and events likewise; those of the first nodes."""
_DIGITS: Final = 5


class Bounds(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The limits of a property that its readings are held against."""

    low_low: float | None = None
    low: float | None = None
    high: float | None = None
    high_high: float | None = None


class MeasuredRow(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One series: its numbers in the last window, and its means in those before."""

    node: str
    property: str
    unit: str
    condition: Condition
    n: int
    mean: float
    min: float
    max: float
    slope: float
    z: float | None = None
    trend: float | None = None
    """Per hour; 0 is steady."""
    limits: Bounds = Bounds()
    means: tuple[float | None, ...] = ()
    """As long as `ends`, oldest first; empty when they are not kept."""


class StateRow(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One state."""

    node: str
    property: str
    word: str
    since: str
    condition: Condition
    before: str = ""
    """Until when it changed within the window."""


class EventRow(msgspec.Struct, frozen=True, rename="camel"):
    """Events of one kind within the window."""

    node: str
    property: str
    n: int
    word: str
    """The last of them."""
    at: str


class NodeView(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An entity in its place."""

    id: str
    type: str
    condition: Condition
    column: int
    row: float
    label: str = ""


class EdgeView(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A relation and its way."""

    source: str
    target: str
    type: str
    route: tuple[Place, ...]
    began: bool = False
    """Within the window."""
    ended: bool = False


class EvidenceView(msgspec.Struct, frozen=True, rename="camel"):
    """Evidence in words."""

    id: str
    node: str
    property: str
    condition: Condition
    statement: str


class PartitionSummary(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A partition in a list."""

    id: str
    name: str
    condition: Condition
    entities: int
    end: str
    """Of its last window; event time."""
    stale_after_seconds: int
    """By then the next window would be closed, were readings to come."""


class PartitionView(PartitionSummary, frozen=True, rename="camel", kw_only=True):
    """All of it."""

    api_version: str = API_VERSION
    graph: str
    task: str
    start: str
    verdict: str
    """ask: the model was asked; tell: code told; quiet: nobody needed to be."""
    truncated: bool
    """The graph was larger than its caps."""
    columns: int
    rows: float
    nodes: tuple[NodeView, ...]
    """What is wrong first, then what is near to it."""
    edges: tuple[EdgeView, ...]
    evidence: tuple[EvidenceView, ...]
    ends: tuple[int, ...]
    """Of the last windows, in milliseconds since the epoch, oldest first."""
    measured: tuple[MeasuredRow, ...]
    states: tuple[StateRow, ...]
    events: tuple[EventRow, ...]
    rows_left_out: int
    """Series, states and events that are not listed: there are too many."""


def partition_id(key: Key) -> str:
    """Return what a partition is called in an address: names are what strangers make of them."""
    return hashlib.sha256("\x1f".join(key).encode()).hexdigest()[:16]


def summary_of(key: Key, seen: Seen) -> PartitionSummary:
    """Return a partition as it stands in a list."""
    subject = seen.request.subject
    return PartitionSummary(
        id=partition_id(key),
        name=key[1],
        condition=worst_of(map(shown_by, subject.evidence)),
        entities=len(subject.nodes),
        end=rfc3339(seen.request.end_ns),
        stale_after_seconds=_stale_after_seconds(seen.rules),
    )


def view_of(key: Key, seen: Seen) -> PartitionView:
    """Return a partition with its drawing."""
    request, subject = seen.request, seen.request.subject
    arrows = tuple((edge.source, edge.target) for edge in subject.edges)
    drawing = draw(tuple(sorted(node.id for node in subject.nodes)), tuple(sorted(set(arrows))))
    shown = _conditions(subject.evidence)
    return PartitionView(
        **msgspec.structs.asdict(summary_of(key, seen)),
        graph=request.graph,
        task=request.question.task,
        start=rfc3339(request.start_ns),
        verdict=seen.judged.verdict,
        truncated=subject.truncated,
        columns=drawing.columns,
        rows=drawing.rows,
        nodes=tuple(_node(node, subject.evidence, drawing) for node in subject.nodes),
        edges=tuple(_edge(edge, drawing) for edge in subject.edges),
        evidence=tuple(map(_evidence, subject.evidence)),
        ends=tuple(end_ns // 1_000_000 for end_ns in seen.ends_ns),
        measured=tuple(islice(_measured(seen, shown), MAX_ROWS)),
        states=tuple(islice(_states(subject, shown), MAX_ROWS)),
        events=tuple(islice(_events(subject), MAX_ROWS)),
        rows_left_out=_left_out(subject),
    )


def _stale_after_seconds(rules: Graph) -> int:
    window = rules.window
    # Twice: the window that is open, and as long for a reading that is on its way.
    slices = 2 * (window.slide_seconds or window.size_seconds)
    return slices + window.allowed_lateness_seconds + window.idle_timeout_seconds


def _conditions(evidence: Iterable[Evidence]) -> dict[Series, Condition]:
    shown: dict[Series, Condition] = {}
    for item in evidence:
        series = (item.node, item.property)
        shown[series] = worst_of([shown.get(series, "Well"), shown_by(item)])
    return shown


def _node(node: Node, evidence: Iterable[Evidence], drawing: Drawing) -> NodeView:
    column, row = drawing.places[node.id]
    return NodeView(
        id=node.id, type=node.type, label=node.label, condition=condition_of(node, evidence), column=column, row=row
    )


def _edge(edge: Edge, drawing: Drawing) -> EdgeView:
    return EdgeView(
        source=edge.source,
        target=edge.target,
        type=edge.type,
        route=drawing.routes.get((edge.source, edge.target), ()),
        began=bool(edge.since_ns),
        ended=bool(edge.until_ns),
    )


def _evidence(item: Evidence) -> EvidenceView:
    return EvidenceView(item.id, item.node, item.property, shown_by(item), sentence(item))


def _measured(seen: Seen, shown: Mapping[Series, Condition]) -> Iterator[MeasuredRow]:
    limits = limits_of(seen.rules)
    for node in seen.request.subject.nodes:
        for each in node.measured:
            series = (node.id, each.property)
            yield _measured_row(
                series, each, shown.get(series, "Well"), limits.get(each.property), seen.means.get(series, ())
            )


def _measured_row(
    series: Series, measured: Measured, condition: Condition, limits: Limits | None, means: Iterable[float]
) -> MeasuredRow:
    return MeasuredRow(
        node=series[0],
        property=series[1],
        unit=measured.unit,
        condition=condition,
        n=measured.n,
        mean=measured.mean,
        min=measured.min,
        max=measured.max,
        slope=measured.slope,
        z=measured.z,
        trend=measured.trend,
        limits=Bounds(limits.low_low, limits.low, limits.high, limits.high_high) if limits else Bounds(),
        means=tuple(_short(mean) for mean in means),
    )


def _states(subject: EntityGraph, shown: Mapping[Series, Condition]) -> Iterator[StateRow]:
    for node in subject.nodes:
        for each in node.states:
            yield StateRow(
                node=node.id,
                property=each.property,
                word=each.word,
                since=rfc3339(each.since_ns),
                condition=shown.get((node.id, each.property), "Well"),
                before=each.before,
            )


def _events(subject: EntityGraph) -> Iterator[EventRow]:
    for node in subject.nodes:
        for each in node.events:
            last = each.last[-1]
            yield EventRow(node.id, each.property, each.n, last.word, rfc3339(last.at_ns))


def _left_out(subject: EntityGraph) -> int:
    kinds = (
        sum(len(node.measured) for node in subject.nodes),
        sum(len(node.states) for node in subject.nodes),
        sum(len(node.events) for node in subject.nodes),
    )
    return sum(max(rows - MAX_ROWS, 0) for rows in kinds)


def _short(mean: float) -> float | None:
    """Return a mean with as many digits as a line of a few pixels can show; None for none."""
    return float(f"{mean:.{_DIGITS}g}") if mean == mean else None  # noqa: PLR0124 - only NaN differs from itself
