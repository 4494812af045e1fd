"""The status of an InferenceService: the cloud part, each edge target, and what both make together."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from edgeglm_api.conditions import Condition, carry_over
from edgeglm_api.inference_service import (
    MAX_SERVED_NAME,
    MAX_TARGET_NAME,
    Accelerator,
    CapacityPlan,
    Cloud,
    CloudStatus,
    EdgeStatus,
    EdgeTarget,
    EffectiveEngine,
    InferenceService,
    SiteCounts,
    Status,
    Update,
)
from edgeglm_api.report import Verification
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.companions import Companion
from edgeglm_operator.reconcile.fit_check import Fit
from edgeglm_operator.reconcile.outcome import PATIENT
from edgeglm_operator.reconcile.placement import Place
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.status.capacity import capacity_verdict
from edgeglm_operator.reconcile.status.cloud_wishes import (
    claim_template,
    model_image,
    mounted_objects,
    node_fields,
    woken_by,
)
from edgeglm_operator.reconcile.status.companions import CompanionView, companion_verdicts
from edgeglm_operator.reconcile.status.knative import KnativeView, knative_limits, knative_url, knative_verdict
from edgeglm_operator.reconcile.status.stage import ROLLED_BACK
from edgeglm_operator.reconcile.status.trouble import Expectation
from edgeglm_operator.reconcile.status.verdict import (
    DISCONNECTED,
    SCALED_TO_ZERO,
    SERVING,
    State,
    Verdict,
    Workload,
    condition,
    site_verdict,
    verdict_of,
)
from edgeglm_operator.reconcile.status.verification import Verified, verification_verdict, verified_at_sites
from edgeglm_operator.reconcile.waves import Opening
from edgeglm_operator.resources.effective_engine import place_of
from edgeglm_operator.resources.engine_pod import CONTAINER
from edgeglm_operator.resources.knative_service import is_knative
from edgeglm_operator.resources.names import edge_deployment_name, groups_name
from edgeglm_operator.resources.parallelism import nodes_of
from edgeglm_operator.resources.selectors import cloud_selector, selector_text
from edgeglm_operator.resources.service import service_url
from edgeglm_operator.resources.weights import is_downloaded

NODES_NOT_READABLE: Final = Refused(
    "NodesNotReadable",
    "the operator may not list nodes, so it cannot tell which are sites; grant it list and watch on nodes"
    " (rbac.nodes of the chart), or drop spec.edge",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReplica:
    """One replica at the edge, as it was observed."""

    place: Place
    node: Node | None
    workload: Workload
    waits: bool = False
    """Whether it still has what was asked for before: its turn to change has not come."""
    opening: Opening | None = None
    """The window that has to open first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """All that was observed of one InferenceService."""

    refused: Refused | None = None
    """Why nothing of it is made."""
    cloud: Workload = field(default_factory=Workload)
    stage: Verdict | None = None
    """Where the rollout of the cloud replicas is."""
    knative: KnativeView | None = None
    """What Knative makes of the cloud replicas; None when it is not to make them."""
    verified: Verified | None = None
    """How the verification of the cloud replicas is going; None when there is to be none."""
    verified_at_sites: Mapping[str, Verification] = field(default_factory=dict)
    """What agents told of their engines, by node."""
    sites: tuple[SiteReplica, ...] = ()
    nodes_readable: bool = True
    engines: tuple[EffectiveEngine, ...] = ()
    """The engine settings at each place."""
    fits: tuple[Fit, ...] = ()
    """Whether the model fits the accelerators, at each place that has some."""
    companions: Mapping[Companion, CompanionView] = field(default_factory=dict)
    """What stands, or should stand, beside the cloud replicas."""


def inference_service_status(service: InferenceService, view: ServiceView, now: str) -> Status:
    """The whole status. `now` is RFC 3339."""
    spec = service.spec
    cloud = None if spec.cloud is None else _in_cloud(service, view, now)
    # Of one whose name an older CRD let in there is no room to tell; the service is refused for it.
    told = [target for target in spec.edge if len(target.name) <= MAX_TARGET_NAME]
    targets = tuple(_target(service, target, view, now) for target in told)
    places = {place_of(target) for target in (None, *told)}
    edge = _together([verdict for verdict, _ in targets]) if targets else None
    verified = _verified(view, now)
    wanted = _conditions(service, view, cloud=cloud, edge=edge, verified=verified)
    return Status(
        observed_generation=service.metadata.generation,
        url=_url(service, view),
        model_name=service.served_name if len(service.served_name) <= MAX_SERVED_NAME else "",
        adapters=() if view.refused else tuple(adapter.name for adapter in spec.model.adapters),
        effective_engine=tuple(each for each in view.engines if each.place in places),
        conditions=carry_over(wanted, service.status.conditions, now=now),
        cloud=None if cloud is None else _cloud_status(service, view, cloud),
        edge=tuple(status for _, status in targets),
    )


def expected_in_cloud(service: InferenceService) -> Expectation:
    """What the cloud replicas were asked to do."""
    cloud = service.spec.cloud or Cloud()
    expected = _expected(
        service,
        name=service.metadata.name,
        uri=service.spec.model.uri,
        accelerator=cloud.accelerator,
        image_field="spec.engine.image",
        cache_claim=(cloud.cache and cloud.cache.pvc) or "",
    )
    return replace(
        expected,
        logs=_logs_in_cloud(service),
        woken_by=woken_by(service),
        claim_template=claim_template(cloud),
        node_fields=node_fields(cloud),
        own_volumes=mounted_objects(cloud),
        model_image=model_image(service),
    )


def _url(service: InferenceService, view: ServiceView) -> str:
    if view.knative is not None:
        return knative_url(view.knative)
    return service_url(service) if service.spec.cloud else ""


def _logs_in_cloud(service: InferenceService) -> str:
    name = service.metadata.name
    if is_knative(service):
        return (
            f"kubectl -n {service.metadata.namespace} logs -l {selector_text(cloud_selector(service))} -c {CONTAINER}"
        )
    where = f"deploy/{name}" if nodes_of(service, None) == 1 else f"statefulset/{groups_name(name)}"
    return f"kubectl -n {service.metadata.namespace} logs {where}"


def expected_at(service: InferenceService, target: EdgeTarget, deployment: str) -> Expectation:
    """What the replica at a site was asked to do; `deployment` is the name of its Deployment."""
    expected = _expected(
        service,
        name=deployment,
        uri=(target.model or service.spec.model).uri,
        accelerator=target.accelerator,
        image_field=f"spec.edge[{target.name}].engine.image",
    )
    return replace(expected, download_window=target.download.window if target.download else None)


def _conditions(
    service: InferenceService,
    view: ServiceView,
    *,
    cloud: Verdict | None,
    edge: Verdict | None,
    verified: Verdict | None,
) -> list[Condition]:
    generation = service.metadata.generation
    parts = [part for part in (cloud, edge, _gate(verified)) if part is not None]
    found = [
        condition("Ready", _ready(view.refused, parts), generation),
        condition("Accepted", _accepted(view.refused), generation),
    ]
    if cloud is not None:
        found.append(condition("CloudReady", cloud, generation))
    if view.knative is not None:
        found.append(condition("KnativeFits", knative_limits(service, view.knative, view.cloud.refused), generation))
    if verified is not None:
        found.append(condition("Verified", verified, generation))
    if edge is not None:
        found.append(condition("EdgeReady", edge, generation))
    if view.fits:
        found.append(condition("CapacityFits", capacity_verdict(view.fits), generation))
    verdicts = companion_verdicts(service, view.companions, view.cloud.deployment)
    found += [condition(companion, verdict, generation) for companion, verdict in verdicts]
    return [*found, _progressing(parts, view.stage, generation)]


def _ready(refused: Refused | None, parts: list[Verdict]) -> Verdict:
    """The cloud part and every connected site serve. Dark sites are counted; only where all is dark, nobody knows."""
    if refused is not None:
        return Verdict(State.FAILED, refused.reason, refused.message)
    seen = [part for part in parts if part.state is not State.DISCONNECTED] or parts
    together = _together(seen)
    message = "; ".join(part.message for part in parts) if together.state is State.SERVING else together.message
    return Verdict(together.state, together.reason, message)


def _gate(verified: Verdict | None) -> Verdict | None:
    """What keeps Ready away: replicas that do not answer, or that nobody has asked yet; not that there are none."""
    if verified is None or verified.state is State.SERVING or verified.reason == SCALED_TO_ZERO:
        return None
    return verified


def _verified(view: ServiceView, now: str) -> Verdict | None:
    """Of the replicas in the cloud and at sites, what needs most care; where all is well, what is said of each."""
    in_cloud = None if view.verified is None else verification_verdict(view.verified, now)
    told = [verdict for verdict in (in_cloud, verified_at_sites(view.verified_at_sites)) if verdict is not None]
    if not told:
        return None
    together = _together(told)
    every = "; ".join(verdict.message for verdict in told)
    return replace(together, message=every) if together.state is State.SERVING else together


def _accepted(refused: Refused | None) -> Verdict:
    if refused is not None:
        return Verdict(State.FAILED, refused.reason, refused.message)
    return Verdict(State.SERVING, "Accepted", "")


def _progressing(parts: list[Verdict], stage: Verdict | None, generation: int) -> Condition:
    """Whether something is on its way, and of a rollout how far it is. `False` says nothing bad by itself."""
    told = stage or next((part for part in parts if part.state is State.PROGRESSING), None)
    return Condition(
        type="Progressing",
        status="True" if told and told.state is State.PROGRESSING else "False",
        reason=told.reason if told else "Settled",
        message=told.message if told else "",
        observed_generation=generation,
    )


def _together(verdicts: list[Verdict]) -> Verdict:
    """One verdict for several parts: that of the part which needs most care. What waits for days needs least of it."""
    order = list(State)
    return min(verdicts, key=lambda verdict: (order.index(verdict.state), verdict.reason in PATIENT))


def _in_cloud(service: InferenceService, view: ServiceView, now: str) -> Verdict:
    """The replicas as they are; but those of an older revision are not what was asked for, however well they do."""
    if view.knative is not None:
        return knative_verdict(view.knative, view.cloud, expected_in_cloud(service), now)
    verdict = verdict_of(view.cloud, expected_in_cloud(service), now)
    is_old = view.stage is not None and view.stage.reason == ROLLED_BACK
    return view.stage if view.stage and is_old and not view.cloud.refused else verdict


def _cloud_status(service: InferenceService, view: ServiceView, verdict: Verdict) -> CloudStatus:
    deployment = view.cloud.deployment
    return CloudStatus(
        replicas=deployment.current_replicas if deployment else 0,
        selector=selector_text(cloud_selector(service)),
        ready_replicas=deployment.ready_replicas if deployment else 0,
        updated_replicas=deployment.updated_replicas if deployment else 0,
        reason=verdict.reason,
        message=verdict.message,
        plan=_plan_at(None, view),
    )


def _target(service: InferenceService, target: EdgeTarget, view: ServiceView, now: str) -> tuple[Verdict, EdgeStatus]:
    if not view.nodes_readable:
        verdict, counts = Verdict(State.FAILED, NODES_NOT_READABLE.reason, NODES_NOT_READABLE.message), SiteCounts()
    else:
        sites = [site for site in view.sites if site.place.target == target.name]
        verdicts = [_at_site(service, target, site, now) for site in sites]
        counts = _counts(verdicts)
        verdict = _of_sites(target, verdicts, counts)
    return verdict, EdgeStatus(
        name=target.name,
        sites=counts,
        reason=verdict.reason,
        message=verdict.message,
        plan=_plan_at(target, view),
    )


def _plan_at(target: EdgeTarget | None, view: ServiceView) -> CapacityPlan | None:
    return next((fit.summary for fit in view.fits if fit.place == place_of(target)), None)


def _at_site(service: InferenceService, target: EdgeTarget, site: SiteReplica, now: str) -> Verdict:
    name = edge_deployment_name(service.metadata.name, target.name, site.place.node)
    verdict = site_verdict(site.workload, site.node, expected_at(service, target, name), now)
    return _waits(target, site) if site.waits and verdict.state is State.SERVING else verdict


def _waits(target: EdgeTarget, site: SiteReplica) -> Verdict:
    where, update = f"spec.edge[{target.name}]", target.update or Update()
    if update.hold:
        said = f"site {site.place.node} stays as it was; {where}.update.hold is true"
        return Verdict(State.PROGRESSING, "UpdateHeld", said)
    if site.opening:
        opens = f"{where}.{site.opening.window} opens at {site.opening.at.isoformat(timespec='minutes')}"
        return Verdict(State.PROGRESSING, "AwaitingWindow", f"site {site.place.node} serves as before; {opens}")
    turn = f"site {site.place.node} serves as before and has its turn later; {where}.update.maxConcurrentSites: "
    return Verdict(State.PROGRESSING, "AwaitingTurn", f"{turn}{update.max_concurrent_sites}")


def _counts(verdicts: list[Verdict]) -> SiteCounts:
    states = Counter(verdict.state for verdict in verdicts)
    return SiteCounts(
        desired=len(verdicts),
        serving=states[State.SERVING],
        disconnected=states[State.DISCONNECTED],
        updating=states[State.PROGRESSING],
        failed=states[State.FAILED],
    )


def _of_sites(target: EdgeTarget, verdicts: list[Verdict], counts: SiteCounts) -> Verdict:
    """A target serves when every connected site does."""
    where = f"spec.edge[{target.name}]"
    if not verdicts:
        return Verdict(
            State.FAILED,
            "NoSites",
            f"{where}.sites selects no node; label or join edge nodes, or correct the selector",
        )
    connected = [verdict for verdict in verdicts if verdict.state is not State.DISCONNECTED]
    said = f"{where}: {counts.serving} of {counts.desired} sites serve"
    said += f", {counts.disconnected} disconnected" if counts.disconnected else ""
    if not connected:
        return Verdict(State.DISCONNECTED, DISCONNECTED, f"{said}; {verdicts[0].message}")
    worst = _together(connected)
    if worst.state is State.SERVING:
        return Verdict(State.SERVING, SERVING, said)
    return Verdict(worst.state, worst.reason, f"{said}; {worst.message}")


def _expected(
    service: InferenceService,
    *,
    name: str,
    uri: str,
    accelerator: Accelerator | None,
    image_field: str,
    cache_claim: str = "",
) -> Expectation:
    timeouts = service.spec.timeouts
    return Expectation(
        startup_seconds=timeouts.startup_seconds,
        deadline_seconds=timeouts.progress_deadline_seconds,
        logs=f"kubectl -n {service.metadata.namespace} logs deploy/{name}",
        suspended_by=f"InferenceService {service.metadata.name}" if service.spec.suspend else "",
        weights="" if is_downloaded(uri) else uri,
        cache_claim=cache_claim,
        accelerator=accelerator.resource_name if accelerator else "",
        image_field=image_field,
    )
