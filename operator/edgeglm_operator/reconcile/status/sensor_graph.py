"""The status of a SensorGraph: at how many of its sites it runs."""

from dataclasses import dataclass, field

from edgeglm_api.conditions import carry_over
from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.sensor_graph import SensorGraph, SiteCounts, Status
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.route import kept_from_cloud
from edgeglm_operator.reconcile.status.edge_site import agent_verdict
from edgeglm_operator.reconcile.status.inference_service import NODES_NOT_READABLE
from edgeglm_operator.reconcile.status.reported import graph_applied, heard
from edgeglm_operator.reconcile.status.verdict import (
    DISCONNECTED,
    SERVING,
    State,
    Verdict,
    Workload,
    condition,
    suspended,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSite:
    """One selected node, and what this graph finds there."""

    node: Node
    site: EdgeSite | None = None
    """None while it is being made."""
    refused: Refused | None = None
    """Why the graph is not in the site's bundle."""
    agent: Workload = field(default_factory=Workload)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphView:
    """All that was observed of one SensorGraph."""

    sites: tuple[GraphSite, ...] = ()
    nodes_readable: bool = True
    reports: bool = False
    """Whether there is a receiver, so that sites can be heard themselves."""


def sensor_graph_status(graph: SensorGraph, view: GraphView, now: str) -> Status:
    """The whole status. `now` is RFC 3339."""
    generation = graph.metadata.generation
    said = [_said_at(graph, site, now) for site in view.sites] if view.reports else []
    verdicts = [_at_site(graph, site, now) for site in view.sites]
    if view.reports:
        verdicts = [_or_refusal(verdict, of) for verdict, of in zip(verdicts, said, strict=True)]
    counts = _counts(view, verdicts, said)
    wanted = [
        condition("Ready", _ready(view, verdicts, counts), generation),
        condition("Accepted", _accepted(graph, view, counts), generation),
    ]
    if view.reports:
        wanted.append(condition("SitesInSync", _in_sync(view, said), generation))
    return Status(
        observed_generation=generation,
        conditions=carry_over(wanted, graph.status.conditions, now=now),
        sites=counts,
    )


def _at_site(graph: SensorGraph, at: GraphSite, now: str) -> Verdict:
    if graph.spec.suspend and at.node.ready:
        return suspended(f"SensorGraph {graph.metadata.name}")
    if at.refused is not None:
        return Verdict(State.FAILED, at.refused.reason, at.refused.message)
    if at.site is None:
        return Verdict(State.PROGRESSING, "Pending", f"the EdgeSite of node {at.node.name} is being made")
    return agent_verdict(at.site, at.agent, at.node, now)


def _said_at(graph: SensorGraph, at: GraphSite, now: str) -> Verdict:
    """Whether the site runs the graph as it should, by what it says itself."""
    if at.refused is not None:
        return Verdict(State.FAILED, at.refused.reason, at.refused.message)
    if at.site is None:
        return Verdict(State.PROGRESSING, "Pending", "")
    if at.site.spec.suspend:
        return suspended(f"EdgeSite {at.site.metadata.name}")
    said = heard(at.site.status.report, at.node, now)
    return said if isinstance(said, Verdict) else graph_applied(graph.metadata.name, said, at.site.status.bundle)


def _or_refusal(verdict: Verdict, said: Verdict) -> Verdict:
    """An agent that is well and does not run the graph is of no use to it."""
    return said if said.state is State.FAILED and verdict.state is State.SERVING else verdict


def _counts(view: GraphView, verdicts: list[Verdict], said: list[Verdict]) -> SiteCounts:
    in_sync = sum(each.state is State.SERVING for each in said)
    refused = sum(each.state is State.FAILED for each in said)
    return SiteCounts(
        desired=len(view.sites),
        ready=sum(verdict.state is State.SERVING for verdict in verdicts),
        rejected=refused if view.reports else sum(site.refused is not None for site in view.sites),
        disconnected=sum(verdict.state is State.DISCONNECTED for verdict in verdicts),
        in_sync=in_sync if view.reports else None,
        stale=len(said) - in_sync - refused if view.reports else None,
    )


def _in_sync(view: GraphView, said: list[Verdict]) -> Verdict:
    """Every site that is heard runs the present rules. Of those that are out of sight nobody knows."""
    in_sync = sum(each.state is State.SERVING for each in said)
    told = f"{in_sync} of {len(said)} sites say that they run these rules"
    order = list(State)
    others = [each for each in zip(said, view.sites, strict=True) if each[0].state in {State.FAILED, State.PROGRESSING}]
    worst = min(others, key=lambda each: order.index(each[0].state), default=None)
    if worst is not None:
        verdict, at = worst
        return Verdict(verdict.state, verdict.reason, f"{told}; {at.node.name}: {verdict.message}")
    if said and not in_sync:
        return Verdict(State.DISCONNECTED, DISCONNECTED, told)
    return Verdict(State.SERVING, "InSync", told)


def _ready(view: GraphView, verdicts: list[Verdict], counts: SiteCounts) -> Verdict:
    """Every connected site runs it. Dark and suspended ones are counted; only where all is dark, nobody knows."""
    if not view.nodes_readable:
        return Verdict(State.FAILED, NODES_NOT_READABLE.reason, NODES_NOT_READABLE.message)
    if not verdicts:
        cure = "label or join edge nodes, or correct the selector"
        return Verdict(State.FAILED, "NoSites", f"spec.sites selects no node; {cure}")
    said = f"its agent is ready at {counts.ready} of {counts.desired} sites"
    said += f", {counts.disconnected} disconnected" if counts.disconnected else ""
    order = list(State)
    asleep = sum(verdict.state is State.SUSPENDED for verdict in verdicts)
    said += f", {asleep} suspended" if asleep else ""
    telling = [
        verdict for verdict in verdicts if verdict.state not in {State.DISCONNECTED, State.SUSPENDED}
    ] or verdicts
    worst = min(telling, key=lambda verdict: order.index(verdict.state))
    if worst.state is State.SERVING:
        return Verdict(State.SERVING, SERVING, said)
    reason = DISCONNECTED if worst.state is State.DISCONNECTED else worst.reason
    return Verdict(worst.state, reason, f"{said}; {worst.message}")


def _accepted(graph: SensorGraph, view: GraphView, counts: SiteCounts) -> Verdict:
    refused = sum(site.refused is not None for site in view.sites)
    for site in view.sites:
        if site.refused is not None:
            where = f"at {refused} of {counts.desired} sites, {site.node.name} among them: "
            return Verdict(State.FAILED, site.refused.reason, where + site.refused.message)
    return Verdict(State.SERVING, "Accepted", kept_from_cloud(graph.spec))
