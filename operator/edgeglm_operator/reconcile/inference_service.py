"""InferenceService: a Deployment in the cloud and what stands around it, a Deployment on each selected edge node."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from edgeglm_api import labels
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.report import Verification
from edgeglm_operator.kube.client import Manifest
from edgeglm_operator.kube.kinds import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    INFERENCE_SERVICES,
    JOBS,
    KNATIVE_SERVICES,
    LEADER_WORKER_SETS,
    NETWORK_POLICIES,
    NODES,
    OPTIONAL_CHILD_KINDS,
    SERVICES,
    Kind,
    kind_of,
)
from edgeglm_operator.observed import (
    Deployment,
    Node,
    Pod,
    controller_of,
    deployment_from,
    deployment_of_groups,
    deployment_of_knative,
    job_from,
)
from edgeglm_operator.reconcile.accept import accept
from edgeglm_operator.reconcile.children import Children, Parent
from edgeglm_operator.reconcile.companions import Companion, activator_in, companions, kept_replicas, within
from edgeglm_operator.reconcile.dropped import dropped
from edgeglm_operator.reconcile.edge_turns import EdgeWish, edge_turns, edge_wishes
from edgeglm_operator.reconcile.fit_check import fit_checks
from edgeglm_operator.reconcile.intent import identity_of
from edgeglm_operator.reconcile.kept_template import keeping_template
from edgeglm_operator.reconcile.outcome import Result, result_of
from edgeglm_operator.reconcile.placement import Place, port_conflicts, refusal, sites_of
from edgeglm_operator.reconcile.refused import Reason, Refused
from edgeglm_operator.reconcile.revision import revision_of
from edgeglm_operator.reconcile.rollout import Plan, plan_rollout
from edgeglm_operator.reconcile.status.companions import CompanionView
from edgeglm_operator.reconcile.status.inference_service import ServiceView, SiteReplica, inference_service_status
from edgeglm_operator.reconcile.status.knative import NO_KNATIVE, KnativeView
from edgeglm_operator.reconcile.status.reported import silent_in
from edgeglm_operator.reconcile.status.verdict import Workload
from edgeglm_operator.reconcile.status.verification import Verified
from edgeglm_operator.reconcile.status_writer import write_status
from edgeglm_operator.reconcile.verification import concurrency_of, plan_verification
from edgeglm_operator.reconcile.waves import Opening, settles_after_seconds
from edgeglm_operator.reconcile.workloads import workload
from edgeglm_operator.reconcile.world import World
from edgeglm_operator.resources.around_cloud import around_cloud
from edgeglm_operator.resources.cloud_deployment import (
    autoscaling_of,
    make_cloud_deployment,
    replicas_alone,
    with_replicas,
)
from edgeglm_operator.resources.engine_settings import effective_engines
from edgeglm_operator.resources.knative_service import is_knative, make_knative_service
from edgeglm_operator.resources.leader_worker_set import in_its_kind
from edgeglm_operator.resources.names import edge_deployment_name, endpoint_name, groups_name, verification_job_name
from edgeglm_operator.resources.parallelism import nodes_of
from edgeglm_operator.resources.selectors import CLOUD, EDGE, WORKER, cloud_selector, edge_selector
from edgeglm_operator.store import Name

CHILD_KINDS = (DEPLOYMENTS, SERVICES, DISRUPTION_BUDGETS, NETWORK_POLICIES, JOBS)

_NO_GROUPS = Refused(
    Reason.LEADER_WORKER_SET_MISSING,
    "spec.cloud.nodesPerReplica: the cluster has no LeaderWorkerSet (leaderworkerset.x-k8s.io/v1) for the operator, so"
    " no replica over several nodes can be made; install it, or drop the field. What ran on one node goes on",
)


@dataclass(slots=True)
class Scope:
    """One reconcile of one InferenceService."""

    world: World
    service: InferenceService
    children: Children
    now: str
    """When it began, RFC 3339: all of it judges by one moment, so that no wait ends between two looks at the clock."""
    wanted: set[tuple[Kind, Name]] = field(default_factory=set)
    refused: Refused | None = None
    """The whole of it."""
    cloud: Refused | None = None
    rollout: Plan | None = None
    """Of the cloud replicas."""
    knative: Manifest | None = None
    """The cloud replicas where Knative is to make them."""
    verification: Refused | None = None
    verify_again_after_seconds: float | None = None
    companions: dict[Companion, Manifest | Refused] = field(default_factory=dict)
    """What is to stand beside the cloud replicas, or why it does not."""
    edge: dict[Place, Refused] = field(default_factory=dict)
    waiting: dict[Place, Opening | None] = field(default_factory=dict)
    """Sites whose turn to change has not come, and the window that has to open first."""

    @property
    def nodes(self) -> tuple[Node, ...] | None:
        """The edge nodes; None when they cannot be read."""
        store = self.world.store
        return tuple(store.nodes.all()) if store.nodes_readable else None


class InferenceServiceReconciler:
    """Brings one InferenceService to what it asks for."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def reconcile(self, namespace: str, name: str) -> Result:
        """Children, what is no longer wanted, status."""
        service = self._world.store.services.get(namespace, name)
        if service is None or service.metadata.deletion_timestamp:
            return Result()
        parent = Parent(INFERENCE_SERVICES, service.metadata, is_new=not service.status.conditions)
        children = Children(self._world, parent)
        scope = Scope(self._world, service, children, self._world.now(), refused=accept(service))
        if scope.refused is None:
            await (want_knative(scope) if is_knative(service) else want_cloud(scope))
            await want_verification(scope)
            await want_companions(scope)
            await want_edge(scope)
            await prune(scope)
        status = inference_service_status(service, view_of(scope), scope.now)
        await write_status(self._world, INFERENCE_SERVICES, service, status)
        return result_of(status.conditions, children.blocked, at_latest=_again_after_seconds(scope))


async def want_cloud(scope: Scope) -> None:
    """The replicas in the cluster proper, and what stands around them."""
    if scope.service.spec.cloud is None:
        return
    service, settings = scope.service, scope.world.settings
    scope.companions = dict(companions(service, scope.world.store.apis, settings))
    seen = cloud_workload(scope)
    made = await _scaled(scope, make_cloud_deployment(service, settings), seen.deployment)
    scope.rollout = plan_rollout(made, service, seen, scope.now)
    scope.cloud = await _want_replicas(scope, in_its_kind(scope.rollout.intent, service))
    if nodes_of(service, None) == 1:
        found = scope.world.store.deployments.get(service.metadata.namespace, service.metadata.name)
        scope.cloud = dropped(scope.rollout.intent, found.unpack() if found else None, scope.cloud)
    for intent in around_cloud(service, settings):
        refused = await _want(scope, intent)
        scope.cloud = scope.cloud or refused


async def want_knative(scope: Scope) -> None:
    """The cloud replicas as a Service of Knative, which has all that stands around them elsewhere."""
    service, settings = scope.service, scope.world.settings
    if service.spec.suspend:
        return  # Knative holds nothing at zero, the next request would wake it
    if not scope.world.store.apis.knative_services:
        scope.cloud = NO_KNATIVE
        return
    scope.companions = dict(companions(service, scope.world.store.apis, settings))
    made = keeping_template(make_cloud_deployment(service, settings), cloud_workload(scope).deployment)
    scope.knative = make_knative_service(made, service, settings)
    scope.cloud = await _want(scope, scope.knative)


async def want_verification(scope: Scope) -> None:
    """A Job that asks all replicas of a revision at once, when they are ready."""
    found = verified(scope)
    if found is None or scope.rollout is None:
        return
    revision, cloud = revision_of(scope.rollout.intent["spec"]["template"]), _asked_pods(cloud_workload(scope))
    plan = plan_verification(scope.service, scope.world.settings, revision, cloud, found, scope.now)
    scope.verify_again_after_seconds = plan.again_after_seconds
    if plan.keeps or plan.intent:
        scope.wanted.add((JOBS, Name(scope.service.metadata.namespace, found.name)))
    if plan.intent:
        scope.verification = await scope.children.make_once(plan.intent)


async def want_companions(scope: Scope) -> None:
    """What stands beside the cloud replicas, where the cluster has an API for it."""
    for companion, wish in scope.companions.items():
        if not isinstance(wish, Refused) and (refused := await _want(scope, wish)):
            scope.companions[companion] = refused


async def want_edge(scope: Scope) -> None:
    """A replica on each selected node, but where somebody else has its port."""
    if not scope.service.spec.edge or scope.nodes is None:
        return
    conflicts = port_conflicts(scope.service, scope.world.store.services.all(), scope.nodes)
    wishes = tuple(_edge_wishes(scope))
    scope.waiting = edge_turns(scope.service, wishes, scope.now)
    for wish in wishes:
        if wish.place in conflicts:
            scope.wanted.add(identity_of(wish.made))
            scope.edge[wish.place] = refusal(wish.place, conflicts[wish.place])
        elif refused := await _want(scope, wish.intent(waits=wish.place in scope.waiting)):
            scope.edge[wish.place] = refused


async def prune(scope: Scope) -> None:
    """Remove what is no longer wanted. A node that the store misses may be there all the same: they are listed anew."""
    kinds = (*CHILD_KINDS, *(kind for kind in OPTIONAL_CHILD_KINDS if kind in scope.world.store.offered))
    unasked = (child for kind in kinds for child in _unasked(scope, kind))
    if all(_keeps(scope, child) for child in unasked):
        return
    await scope.world.lister.list(NODES)
    scope.wanted |= {identity_of(wish.made) for wish in _edge_wishes(scope)}
    await scope.children.prune(kinds, _label(scope), keep=lambda live: _keeps(scope, live))


def cloud_workload(scope: Scope) -> Workload:
    """What was observed of the replicas in the cluster proper."""
    store, metadata = scope.world.store, scope.service.metadata
    pods = store.pods.owned_by(metadata.namespace, labels.SERVICE, metadata.name)
    if is_knative(scope.service):
        return _of_knative(scope, tuple(pod for pod in pods if pod.labels.get(labels.PLACE) == CLOUD))
    if nodes_of(scope.service, None) > 1:
        found = store.snapshots(LEADER_WORKER_SETS).get(metadata.namespace, groups_name(metadata.name))
        return Workload(
            deployment=deployment_of_groups(found.unpack()) if found else None,
            pods=tuple(pod for pod in pods if pod.labels.get(labels.PLACE) in {CLOUD, WORKER}),
            refused=scope.cloud,
        )
    selector = cloud_selector(scope.service)
    return workload(store, metadata.namespace, metadata.name, pods, selector=selector, refused=scope.cloud)


def verified(scope: Scope) -> Verified | None:
    """What was observed of the verification of the revision that is asked for; None when there is to be none."""
    concurrency = concurrency_of(scope.service, scope.world.settings)
    if scope.rollout is None or not concurrency:
        return None
    store, metadata = scope.world.store, scope.service.metadata
    name = verification_job_name(metadata.name, revision_of(scope.rollout.intent["spec"]["template"]), concurrency)
    snapshot = store.jobs.get(metadata.namespace, name)
    job = job_from(snapshot.unpack()) if snapshot else None
    pods = store.pods.owned_by(metadata.namespace, labels.SERVICE, metadata.name)
    deployment = cloud_workload(scope).deployment
    return Verified(
        name=name,
        concurrency=concurrency,
        replicas=deployment.replicas if deployment else 1,
        job=job,
        pods=tuple(pod for pod in pods if job and pod.labels.get(labels.JOB) == job.uid),
        refused=scope.verification,
    )


def view_of(scope: Scope) -> ServiceView:
    """What was observed of it."""
    store, metadata = scope.world.store, scope.service.metadata
    pods = store.pods.owned_by(metadata.namespace, labels.SERVICE, metadata.name)
    observed = partial(workload, store, metadata.namespace, pods=pods)
    replicas = []
    for target in scope.service.spec.edge:
        for node in sites_of(target.sites, scope.nodes or ()):
            place = Place(target.name, node.name)
            name = edge_deployment_name(metadata.name, target.name, node.name)
            selector = edge_selector(scope.service, target, node.name)
            at_site = observed(name, selector=selector, refused=scope.edge.get(place))
            waits, opening = place in scope.waiting, scope.waiting.get(place)
            replicas.append(SiteReplica(place=place, node=node, workload=at_site, waits=waits, opening=opening))
    return ServiceView(
        refused=scope.refused,
        cloud=cloud_workload(scope),
        stage=scope.rollout.stage if scope.rollout else None,
        knative=_knative_view(scope) if is_knative(scope.service) else None,
        verified=verified(scope),
        verified_at_sites=_told_by_agents(scope),
        sites=tuple(replicas),
        nodes_readable=store.nodes_readable,
        engines=effective_engines(scope.service, scope.world.settings),
        fits=() if scope.refused else fit_checks(scope.service),
        companions={companion: _companion_view(scope, wish) for companion, wish in scope.companions.items()},
    )


def _told_by_agents(scope: Scope) -> dict[str, Verification]:
    """What became of the requests to each replica at a site that is heard, by node."""
    name, namespace = endpoint_name(scope.service.metadata.name, at_site=True), scope.service.metadata.namespace
    chosen = {node.name for target in scope.service.spec.edge for node in sites_of(target.sites, scope.nodes or ())}
    found = {}
    for site in scope.world.store.sites.in_namespace(namespace) if chosen else ():
        report = site.status.report
        if site.spec.node_name in chosen and report and silent_in(report, scope.now) is not None:
            told = next((each for each in report.engines if each.name == name), None)
            if told and told.verification:
                found[site.spec.node_name] = told.verification
    return found


def _of_knative(scope: Scope, pods: tuple[Pod, ...]) -> Workload:
    live = _live_in_knative(scope)
    return Workload(deployment=deployment_of_knative(live, pods) if live else None, pods=pods, refused=scope.cloud)


def _knative_view(scope: Scope) -> KnativeView:
    return KnativeView(
        intent=scope.knative,
        live=_live_in_knative(scope),
        verifies=concurrency_of(scope.service, scope.world.settings) > 0,
    )


def _live_in_knative(scope: Scope) -> Manifest | None:
    metadata = scope.service.metadata
    found = scope.world.store.snapshots(KNATIVE_SERVICES).get(metadata.namespace, metadata.name)
    return found.unpack() if found else None


def _asked_pods(cloud: Workload) -> Workload:
    """Without those that answer nobody."""
    return replace(cloud, pods=tuple(pod for pod in cloud.pods if pod.labels.get(labels.PLACE) != WORKER))


def _again_after_seconds(scope: Scope) -> float | None:
    """When the first of the waits is over that no event tells of."""
    rollout = scope.rollout.again_after_seconds if scope.rollout else None
    waits = (rollout, scope.verify_again_after_seconds, *_until_windows_open(scope), *_until_settled(scope))
    return min((seconds for seconds in waits if seconds is not None), default=None)


def _until_windows_open(scope: Scope) -> Iterator[float]:
    """Seconds, for each site that waits for one."""
    now = datetime.fromisoformat(scope.now)
    return ((opening.at - now).total_seconds() for opening in scope.waiting.values() if opening)


def _until_settled(scope: Scope) -> Iterator[float]:
    """Seconds, for each node that has only just come back and at which something waits."""
    nodes = {place.node for place in scope.waiting}
    for node in scope.nodes or ():
        if node.name in nodes and (left := settles_after_seconds(node, scope.now)):
            yield left


async def _scaled(scope: Scope, made: Manifest, live: Deployment | None) -> Manifest:
    """The Deployment with a number of replicas, or without where an autoscaler says it from now on.

    The number that there is goes over to it: left out and held by nobody, it would fall to one.
    """
    asked = autoscaling_of(scope.service)
    if asked is None:
        return made
    activator = activator_in(asked, scope.world.store.apis)
    if isinstance(scope.companions[Companion.AUTOSCALER], Refused):
        return with_replicas(made, kept_replicas(asked, live, activator))
    if live is not None:
        begins = within(asked, live.replicas, activator)
        # At none no autoscaler begins by itself: where nobody wakes them any more, they are brought back here.
        is_stuck = not live.replicas and begins > 0
        if is_stuck or not live.is_scaled_by_another:
            await scope.children.hand_over(in_its_kind(replicas_alone(made, begins), scope.service))
    return made


def _companion_view(scope: Scope, wish: Manifest | Refused) -> CompanionView:
    if isinstance(wish, Refused):
        return CompanionView(refused=wish)
    kind = kind_of(wish["apiVersion"], wish["kind"])
    snapshot = scope.world.store.snapshots(kind).get(wish["metadata"]["namespace"], wish["metadata"]["name"])
    return CompanionView(live=snapshot.unpack() if snapshot else None)


async def _want_replicas(scope: Scope, intent: Manifest) -> Refused | None:
    """The cloud replicas themselves. Where their kind is not to be had, what ran before stays, rather than nothing."""
    if nodes_of(scope.service, None) == 1 or scope.world.store.apis.leader_worker_sets:
        return await _want(scope, intent)
    metadata = scope.service.metadata
    scope.wanted.add((DEPLOYMENTS, Name(metadata.namespace, metadata.name)))
    return _NO_GROUPS


async def _want(scope: Scope, intent: Manifest) -> Refused | None:
    scope.wanted.add(identity_of(intent))
    return await scope.children.ensure(intent)


def _edge_wishes(scope: Scope) -> Iterator[EdgeWish]:
    def live(name: Name) -> Deployment | None:
        found = scope.world.store.deployments.get(*name)
        return deployment_from(found.unpack()) if found else None

    return edge_wishes(scope.service, scope.nodes or (), scope.world.settings, live, scope.now)


def _keeps(scope: Scope, live: Manifest) -> bool:
    """Whether a child stays that is not asked for.

    Without sight of the nodes nobody knows which edge replicas are too many: all stay. So does in the cloud what ran
    before Knative was asked for and is not to be had.
    """
    place = live["metadata"]["labels"].get(labels.PLACE)
    if (scope.nodes is None and place == EDGE) or (scope.cloud == NO_KNATIVE and place == CLOUD):
        return True
    return identity_of(live) in scope.wanted


def _unasked(scope: Scope, kind: Kind) -> Iterator[Manifest]:
    """Its children of a kind that are not asked for; those that are need not be unpacked."""
    metadata = scope.service.metadata
    table = scope.world.store.snapshots(kind)
    for name in table.names_owned_by(metadata.namespace, labels.SERVICE, metadata.name):
        snapshot = None if (kind, name) in scope.wanted else table.get(*name)
        if snapshot is None:
            continue
        child = snapshot.unpack()
        owner = controller_of(child)
        # KEDA copies our labels to the autoscaler that it makes, which is not ours for that.
        if owner is None or owner.uid == metadata.uid:
            yield child


def _label(scope: Scope) -> dict[str, str]:
    return {labels.SERVICE: scope.service.metadata.name}
