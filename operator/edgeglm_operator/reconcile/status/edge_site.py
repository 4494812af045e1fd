"""The status of an EdgeSite: is the node in sight, does its agent run, what should it hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from edgeglm_api.bundle import Bundle, digest
from edgeglm_api.conditions import Condition, carry_over
from edgeglm_api.edge_site import BundleStatus, EdgeSite, SiteReport, Status
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.status.reported import NOT_REPORTED, bundle_applied, healthy, heard
from edgeglm_operator.reconcile.status.trouble import Expectation
from edgeglm_operator.reconcile.status.verdict import (
    DISCONNECTED,
    State,
    Verdict,
    Workload,
    condition,
    dark,
    site_verdict,
    suspended,
)
from edgeglm_operator.resources.agent_deployment import PORT, STARTUP_SECONDS, agent_address
from edgeglm_operator.resources.names import agent_name

_DEADLINE_SECONDS: Final = 600
_AWAITING_TURN: Final = "AwaitingTurn"
_NOT_NEEDED: Final = Verdict(State.SERVING, "NotNeeded", "no SensorGraph runs here, so there is no agent")
_NODES_NOT_READABLE: Final = Verdict(
    State.PROGRESSING,
    "NodesNotReadable",
    "the operator may not list nodes, so all stays as it is here; grant it list and watch on nodes (rbac.nodes of the"
    " chart)",
)
_OBSERVED: Final = ("Connected", "AgentReady", "BundleComplete")
"""The conditions that depend on what is seen of the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """All that was observed of one site."""

    node: Node | None = None
    agent: Workload | None = None
    """None when no agent is wanted: no graph selects the site."""
    bundle: Bundle | None = None
    """What its ConfigMap holds; None when there is none, or it could not be written."""
    refusals: Mapping[str, Refused] = field(default_factory=dict)
    """The graphs that are not in the bundle, by name."""
    reports: bool = False
    """Whether there is a receiver, so that the site can be heard itself."""
    waits: str = ""
    """How many agents may be out of service at once, where this one waits to get another pod."""


def edge_site_status(site: EdgeSite, view: SiteView, now: str) -> Status:
    """The whole status, but for what the site says of itself. `now` is RFC 3339."""
    generation = site.metadata.generation
    bundle = _bundle_status(view.bundle) if view.bundle and view.bundle.generation else site.status.bundle
    wanted = [
        condition("Connected", _connected(site, view), generation),
        condition("AgentReady", _agent_ready(site, view, now), generation),
        _bundle_complete(view, generation),
    ]
    if view.reports:
        wanted += _as_reported(site, view, bundle, now)
    return Status(
        observed_generation=generation,
        conditions=carry_over(wanted, site.status.conditions, now=now),
        bundle=bundle,
    )


def unseen_site_status(site: EdgeSite, now: str) -> Status:
    """Where nodes cannot be read: nothing is known of this one, and what was made for it stays as it is."""
    generation, status = site.metadata.generation, site.status
    unknown = [condition(type_, _NODES_NOT_READABLE, generation) for type_ in _OBSERVED]
    reported = [each for each in status.conditions if each.type not in _OBSERVED]
    return Status(
        observed_generation=generation,
        conditions=carry_over([*unknown, *reported], status.conditions, now=now),
        bundle=status.bundle,
    )


def agent_verdict(site: EdgeSite, agent: Workload, node: Node | None, now: str) -> Verdict:
    """How the site's agent is doing; the graphs of the site are as ready as it is."""
    return site_verdict(agent, node, expected_of_agent(site), now)


def expected_of_agent(site: EdgeSite) -> Expectation:
    """What a site's agent was asked to do."""
    return Expectation(
        startup_seconds=STARTUP_SECONDS,
        deadline_seconds=_DEADLINE_SECONDS,
        logs=f"kubectl -n {site.metadata.namespace} logs deploy/{agent_name(site.metadata.name)}",
        suspended_by=f"EdgeSite {site.metadata.name}" if site.spec.suspend else "",
    )


def _agent_ready(site: EdgeSite, view: SiteView, now: str) -> Verdict:
    if view.agent is None:
        return _NOT_NEEDED
    verdict = agent_verdict(site, view.agent, view.node, now)
    if verdict.state is not State.SERVING:
        return verdict
    if view.waits:
        return replace(verdict, reason=_AWAITING_TURN, message=f"{verdict.message}; {_turn(view.waits)}")
    address = f"http://{agent_address(site.metadata.namespace)}:{PORT}"
    return replace(verdict, message=f"{verdict.message}; health and metrics at {address} on the node itself")


def _as_reported(site: EdgeSite, view: SiteView, bundle: BundleStatus | None, now: str) -> list[Condition]:
    """What the site itself says, as far as it is heard."""
    generation, said = site.metadata.generation, _heard(site, view, now)
    applied = said if isinstance(said, Verdict) else bundle_applied(said, bundle)
    health = said if isinstance(said, Verdict) else healthy(said)
    return [condition("BundleApplied", applied, generation), condition("Healthy", health, generation)]


def _heard(site: EdgeSite, view: SiteView, now: str) -> SiteReport | Verdict:
    if view.agent is None:
        return _NOT_NEEDED
    if site.spec.suspend:
        return suspended(f"EdgeSite {site.metadata.name}")
    said = heard(site.status.report, view.node, now)
    if view.waits and isinstance(said, Verdict) and said.reason == NOT_REPORTED:
        return replace(said, reason=_AWAITING_TURN, message=f"its agent has not reported yet: {_turn(view.waits)}")
    return said


def _turn(at_once: str) -> str:
    # The same words for all that wait, all the while: who it is that they wait for changes with each that is ready.
    return f"it runs as before, and gets its other pod in its turn; agent.maxUnavailable of the chart: {at_once}"


def _connected(site: EdgeSite, view: SiteView) -> Verdict:
    """The control plane hears the node or, where its own line to it is cut, the site's reports come through."""
    node, report = view.node, site.status.report
    if node is not None and node.ready:
        return Verdict(State.SERVING, "NodeReady", "")
    if view.reports and report is not None and node is not None and report.received_at > node.since > "":
        return Verdict(State.SERVING, "Reporting", f"{dark(node)}; but its agent has reported since")
    return Verdict(State.FAILED, DISCONNECTED, dark(node))


def _bundle_complete(view: SiteView, generation: int) -> Condition:
    """Whether all graphs that select the site are in its bundle."""
    if not view.refusals:
        verdict = Verdict(State.SERVING, "Complete", "")
        return condition("BundleComplete", verdict, generation)
    first = min(view.refusals)
    said = "; ".join(f"SensorGraph {name}: {view.refusals[name].message}" for name in sorted(view.refusals))
    return condition("BundleComplete", Verdict(State.FAILED, view.refusals[first].reason, said), generation)


def _bundle_status(bundle: Bundle) -> BundleStatus:
    return BundleStatus(generation=bundle.generation, sha256=digest(bundle), graphs=len(bundle.graphs))
