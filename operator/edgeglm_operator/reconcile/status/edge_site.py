"""The status of an EdgeSite: is the node in sight, does its agent run, what should it hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from edgeglm_api.bundle import Bundle, digest
from edgeglm_api.conditions import Condition, carry_over
from edgeglm_api.edge_site import BundleStatus, EdgeSite, Status
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.status.trouble import Expectation
from edgeglm_operator.reconcile.status.verdict import (
    DISCONNECTED,
    State,
    Verdict,
    Workload,
    condition,
    dark,
    site_verdict,
)
from edgeglm_operator.resources.agent_deployment import PORT, STARTUP_SECONDS, agent_address
from edgeglm_operator.resources.names import agent_name

_DEADLINE_SECONDS: Final = 600


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


def edge_site_status(site: EdgeSite, view: SiteView, now: str) -> Status:
    """The whole status. `now` is RFC 3339."""
    generation = site.metadata.generation
    wanted = [
        condition("Connected", _connected(view.node), generation),
        condition("AgentReady", _agent_ready(site, view, now), generation),
        _bundle_complete(view, generation),
    ]
    return Status(
        observed_generation=generation,
        conditions=carry_over(wanted, site.status.conditions, now=now),
        bundle=_bundle_status(view.bundle) if view.bundle and view.bundle.generation else site.status.bundle,
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
        return Verdict(State.SERVING, "NotNeeded", "no SensorGraph runs here, so there is no agent")
    verdict = agent_verdict(site, view.agent, view.node, now)
    if verdict.state is not State.SERVING:
        return verdict
    address = f"http://{agent_address(site.metadata.namespace)}:{PORT}"
    return replace(verdict, message=f"{verdict.message}; health and metrics at {address} on the node itself")


def _connected(node: Node | None) -> Verdict:
    if node is not None and node.ready:
        return Verdict(State.SERVING, "NodeReady", "")
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
