"""From a closed window to what is done about it: ask the model, tell that all is well, or only count it.

Without `when`, every window asks. With it, a window asks when one of the named detectors fires. Quiet windows are
counted; at each heartbeat, one `Normal` answer by code covers those since the last word. Nobody wants a `Normal`
every ten seconds.

A window that is made anew for late readings asks by the same rules, as its next revision. If it need not ask any more,
and somebody was told of it before, code tells that.
"""

from typing import Final

import msgspec

from edgeglm_agent.findings.life import Series, series_of
from edgeglm_agent.graph.build import build
from edgeglm_agent.graph.detect import detect
from edgeglm_agent.graph.evidence import Evidence, signature
from edgeglm_agent.graph.heading import headings
from edgeglm_agent.graph.model import EntityGraph
from edgeglm_agent.graph.partition import Partition, Quiet
from edgeglm_agent.graph.trend import trends_at
from edgeglm_agent.graph.trim import trim
from edgeglm_agent.identity import RequestKey, request_id
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.reason.gate import disclosure_of
from edgeglm_agent.reason.request import Request
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import When

ASKED: Final = "ask"
TOLD: Final = "tell"
QUIET: Final = "quiet"


class Site(msgspec.Struct, frozen=True):
    """Who is asking."""

    name: str
    uid: str
    revision: int


class Judged(msgspec.Struct, frozen=True):
    """What becomes of a window."""

    verdict: str
    request: Request
    """For TOLD it names the window and carries where the answer goes."""
    since_ns: int
    """The start of the first window that the answer covers."""
    evidence: frozenset[Series]
    """What all evidence is about, that of no interest to `when` and that of trimmed nodes included."""


def judge(closed: Closed, site: Site) -> Judged:
    """Decide about a window, and let its partition learn from it unless late readings may still change it."""
    era, window, partition = closed.era, closed.window, closed.partition
    usual, trends = partition.usual(window, era.operating), trends_at(partition.tracks, window.end_ns)
    ahead = headings(window, trends, era.surroundings, point_seconds=era.point_seconds)
    evidence = detect(window, usual, era.surroundings.units, ahead)
    graph = build(window, era.surroundings, usual, trends, evidence)
    if closed.made is None:
        since_ns = era.fresh_from_ns(window)
        partition.learn(window, era.operating, evidence, since_ns=since_ns, point_seconds=era.point_seconds)
    request = _request(closed, site, graph)
    verdict = (
        _verdict_anew(closed, evidence)
        if closed.belated_ns
        else _verdict(era.rules, partition, evidence, window.end_ns)
    )
    if closed.made is not None:
        closed.made.told = verdict == ASKED or closed.made.told
    since_ns = window.start_ns if closed.belated_ns else _note(partition, request, verdict)
    return Judged(verdict=verdict, request=request, since_ns=since_ns, evidence=series_of(evidence))


def _request(closed: Closed, site: Site, graph: EntityGraph) -> Request:
    era, window = closed.era, closed.window
    caps, revision = era.rules.graph, closed.made.revision if closed.made else 0
    supersedes = _identity(closed, site, revision - 1) if closed.made and revision and closed.made.told else ""
    subject = trim(graph, max_nodes=caps.max_nodes, max_edges=caps.max_edges, hops=caps.hops)
    story = f"{era.digest[:12]}|{signature(graph.evidence)}"
    return Request(
        id=_identity(closed, site, revision),
        site=site.name,
        graph=era.rules.name,
        graph_uid=era.rules.uid,
        partition=window.partition,
        start_ns=window.start_ns,
        end_ns=window.end_ns,
        expires_ns=(closed.belated_ns or window.end_ns) + era.rules.reasoning.fresh_for_seconds * NANOS_PER_SECOND,
        # No other window is told in place of one that was made anew: who holds the answer before must hear of it.
        signature=f"{story}|{supersedes}" if supersedes else story,
        subject=subject,
        question=era.rules.question,
        reasoning=era.rules.reasoning,
        output=era.rules.output,
        broker=era.rules.broker.url,
        findings=era.rules.findings,
        revision=revision,
        supersedes=supersedes,
        disclosure=disclosure_of(era.rules, subject),
        belated=bool(closed.belated_ns),
    )


def _identity(closed: Closed, site: Site, remade: int) -> str:
    return request_id(
        RequestKey(
            site_uid=site.uid,
            graph_uid=closed.era.rules.uid,
            rule_digest=closed.era.digest,
            partition=closed.window.partition,
            start_ns=closed.window.start_ns,
            end_ns=closed.window.end_ns,
            revision=site.revision,
            remade=remade,
        )
    )


def _verdict(rules: Graph, partition: Partition, evidence: tuple[Evidence, ...], end_ns: int) -> str:
    when = rules.question.when
    if _asks(when, evidence):
        return ASKED
    if when is None or when.heartbeat_seconds is None:
        return QUIET
    due = partition.told_ns + when.heartbeat_seconds * NANOS_PER_SECOND
    return TOLD if partition.told_ns and end_ns >= due else QUIET


def _verdict_anew(closed: Closed, evidence: tuple[Evidence, ...]) -> str:
    if _asks(closed.era.rules.question.when, evidence):
        return ASKED
    return TOLD if closed.made is not None and closed.made.told else QUIET


def _asks(when: When | None, evidence: tuple[Evidence, ...]) -> bool:
    return when is None or any(item.kind in when.detectors for item in evidence)


def _note(partition: Partition, request: Request, verdict: str) -> int:
    """Note when the partition was last heard of, and return since when that is told."""
    since = partition.quiet.start_ns if verdict == TOLD and partition.quiet.count else request.start_ns
    if verdict == QUIET:
        quiet = partition.quiet
        partition.quiet = Quiet(quiet.count + 1, quiet.start_ns if quiet.count else request.start_ns)
        partition.told_ns = partition.told_ns or request.start_ns
    else:
        partition.quiet = Quiet()
        partition.told_ns = request.end_ns
    return since
