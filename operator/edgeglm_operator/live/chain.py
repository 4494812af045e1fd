"""Why an object is not ready: condition, part, Deployment, pod, container, and the sentence that helps."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from edgeglm_api import labels
from edgeglm_api.conditions import SUSPENDED, Condition
from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.group import EDGE_SITE, INFERENCE_SERVICE, SENSOR_GRAPH
from edgeglm_api.inference_service import EdgeTarget, InferenceService
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.live.cause import Cause
from edgeglm_operator.live.seen import Event, Seen
from edgeglm_operator.observed import Container, Deployment, Pod
from edgeglm_operator.reconcile.placement import sites_of
from edgeglm_operator.reconcile.status.edge_site import expected_of_agent
from edgeglm_operator.reconcile.status.inference_service import expected_at, expected_in_cloud
from edgeglm_operator.reconcile.status.trouble import Expectation, trouble_of
from edgeglm_operator.reconcile.status.verdict import DISCONNECTED
from edgeglm_operator.resources.knative_service import is_knative
from edgeglm_operator.resources.load_target import scale_target
from edgeglm_operator.resources.names import agent_name, site_name
from edgeglm_operator.resources.selectors import CLOUD, EDGE, WORKER

EVENTS_SHOWN: Final = 3
_SAID_BY_SITES: Final = ("BundleApplied", "Healthy")
"""What follows from a site's own reports, where there are any."""
IS_IT_RUNNING: Final = (
    "is the operator running? kubectl get pods -A"
    " -l app.kubernetes.io/name=edgeglm,app.kubernetes.io/component=operator"
)
NO_OPERATOR: Final = f"no operator has looked at it yet; {IS_IT_RUNNING}"


def chain(seen: Seen, now: str) -> Cause:
    """The causes, as far as they can be seen. `now` is RFC 3339."""
    match seen.subject:
        case InferenceService() as service:
            return _of_service(service, seen, now)
        case SensorGraph() as graph:
            return _of_graph(graph, seen, now)
        case EdgeSite() as site:
            return _of_site(site, seen, now)


def is_ready(subject: InferenceService | SensorGraph | EdgeSite) -> bool:
    """Whether the operator says so of the present spec. A site is ready with its agent, if itself says nothing else."""
    is_site = isinstance(subject, EdgeSite)
    wanted = ("Connected", "AgentReady", "BundleComplete") if is_site else ("Ready",)
    said = {condition.type: condition.status for condition in subject.status.conditions}
    complains = is_site and any(said.get(kind) == "False" for kind in _SAID_BY_SITES)
    return not any(_stale(subject)) and not complains and all(said.get(kind) == "True" for kind in wanted)


def _of_service(service: InferenceService, seen: Seen, now: str) -> Cause:
    because = [*_stale(service), *_told(service.status.conditions, "Accepted", "CapacityFits", "KnativeFits")]
    if service.spec.cloud is not None:
        because += _part(service.status.conditions, "CloudReady", _in_cloud(service, seen, now))
    if service.spec.edge:
        because += _part(service.status.conditions, "EdgeReady", _at_edge(service, seen, now))
    return Cause(_headline(INFERENCE_SERVICE, service), tuple(because))


def _of_graph(graph: SensorGraph, seen: Seen, now: str) -> Cause:
    because = [*_stale(graph), *_told(graph.status.conditions, "Accepted")]
    if not graph.spec.suspend:
        because += (_of_site(site, seen, now) for site in _sites(graph, seen) if not is_ready(site))
    return Cause(_headline(SENSOR_GRAPH, graph), tuple(because))


def _sites(graph: SensorGraph, seen: Seen) -> Iterator[EdgeSite]:
    """Those that it selects; where the nodes are not known, all of the namespace."""
    chosen = None if seen.nodes is None else {node.name for node in sites_of(graph.spec.sites, seen.nodes)}
    return (site for site in seen.sites if chosen is None or site.spec.node_name in chosen)


def _of_site(site: EdgeSite, seen: Seen, now: str) -> Cause:
    because = [*_stale(site), *_told(site.status.conditions, "Connected", "BundleComplete")]
    name = agent_name(site.metadata.name)
    found = [each for each in seen.deployments or () if each.name == name]
    agents = (_deployment(each, expected_of_agent(site), seen, now) for each in found if not each.is_serving)
    because += _part(site.status.conditions, "AgentReady", agents)
    because += _told(_of_its_own(site.status.conditions), *_SAID_BY_SITES)
    where = f"{EDGE_SITE} {site.metadata.namespace}/{site.metadata.name} (node {site.spec.node_name})"
    if not site.status.conditions:
        return Cause(f"{where}: {NO_OPERATOR}")
    return Cause(f"{where}: {'ready' if is_ready(site) else 'not ready'}", tuple(because))


def _of_its_own(conditions: Sequence[Condition]) -> list[Condition]:
    """Without what says again that nobody wants it to run, or that it is out of sight."""
    return [each for each in conditions if each.reason not in {SUSPENDED, DISCONNECTED}]


def _headline(kind: str, subject: InferenceService | SensorGraph) -> str:
    ready = _find(subject.status.conditions, "Ready")
    who = f"{kind} {subject.metadata.namespace}/{subject.metadata.name}"
    return f"{who}: {_say(ready) if ready else NO_OPERATOR}"


def _stale(subject: InferenceService | SensorGraph | EdgeSite) -> Iterator[Cause]:
    status, generation = subject.status, subject.metadata.generation
    if status.conditions and status.observed_generation < generation:
        told = f"its status speaks of generation {status.observed_generation}, its spec is of generation {generation}"
        yield Cause(f"{told}; {IS_IT_RUNNING}")


def _told(conditions: Sequence[Condition], *kinds: str) -> Iterator[Cause]:
    """Conditions that are not so and rest on nothing below them."""
    for kind in kinds:
        found = _find(conditions, kind)
        if found is not None and found.status != "True":
            yield Cause(_say(found))


def _part(conditions: Sequence[Condition], kind: str, because: Iterable[Cause]) -> Iterator[Cause]:
    """A part that is not ready, and why."""
    found = _find(conditions, kind)
    if found is not None and found.status != "True":
        yield Cause(_say(found), tuple(because))


def _in_cloud(service: InferenceService, seen: Seen, now: str) -> Iterator[Cause]:
    found = [each for each in seen.deployments or () if each.labels.get(labels.PLACE) == CLOUD]
    for each in found:
        if not each.is_serving:
            yield _deployment(each, expected_in_cloud(service), seen, now)
    if not found and seen.deployments is not None and is_knative(service):
        name = service.metadata.name
        yield Cause(f"Knative has made no Deployment of it; see `kubectl describe services.serving.knative.dev {name}`")
    elif not found and seen.deployments is not None:
        scaled = scale_target(service)
        yield Cause(f"there is no {scaled['kind']} {scaled['name']} of this service")


def _at_edge(service: InferenceService, seen: Seen, now: str) -> Iterator[Cause]:
    dark = {site_name(site.spec.node_name): site for site in seen.sites if _is_dark(site)}
    for target in service.spec.edge:
        for each in (each for each in seen.deployments or () if _is_of(target, each)):
            site = dark.get(each.labels.get(labels.SITE, ""))
            if site is not None:
                yield Cause(f"EdgeSite {site.metadata.name}: {_say(_find(site.status.conditions, 'Connected'))}")
            elif not each.is_serving:
                yield _deployment(each, expected_at(service, target, each.name), seen, now)


def _is_of(target: EdgeTarget, deployment: Deployment) -> bool:
    found = deployment.labels
    return (found.get(labels.PLACE), found.get(labels.TARGET)) == (EDGE, target.name)


def _is_dark(site: EdgeSite) -> bool:
    connected = _find(site.status.conditions, "Connected")
    return connected is not None and connected.status == "False"


def _deployment(deployment: Deployment, expected: Expectation, seen: Seen, now: str) -> Cause:
    ready = f"{deployment.ready_replicas} of {deployment.replicas} replicas ready"
    text = f"{deployment.kind} {deployment.name}: {ready}, {deployment.updated_replicas} of the present spec"
    because = [Cause(f"its pods may not be made: {deployment.pods_refused}")] if deployment.pods_refused else []
    if deployment.progress_deadline_exceeded:
        because.append(Cause("nothing has moved for its progressDeadlineSeconds"))
    ours = [pod for pod in seen.pods if _is_pod_of(pod, deployment)]
    return Cause(text, (*because, *_pods(ours, expected, seen.events, now)))


def _is_pod_of(pod: Pod, deployment: Deployment) -> bool:
    keys = (labels.COMPONENT, labels.SERVICE, labels.TARGET, labels.SITE)
    place = pod.labels.get(labels.PLACE)
    is_there = (CLOUD if place == WORKER else place) == deployment.labels.get(labels.PLACE)
    return is_there and all(pod.labels.get(key) == deployment.labels.get(key) for key in keys)


def _pods(pods: Iterable[Pod], expected: Expectation, events: Sequence[Event], now: str) -> Iterator[Cause]:
    """One pod for each thing that is wrong, and how many more there are like it."""
    alike: dict[str, list[tuple[Pod, str]]] = {}
    for pod in pods:
        trouble = trouble_of(pod, expected, now)
        if trouble is not None:
            alike.setdefault(trouble.reason, []).append((pod, trouble.message))
    for reason, found in alike.items():
        pod, message = found[0]
        more = f" (and {len(found) - 1} more like it)" if len(found) > 1 else ""
        evidence = (*map(_container, _telling(pod.containers)), *_events(pod, events))
        yield Cause(f"{_placed(pod)}{more}", (*evidence, Cause(f"=> {reason}: {message}")))


def _placed(pod: Pod) -> str:
    where = f"on node {pod.node}" if pod.node else "on no node"
    return f"Pod {pod.name}: {pod.phase}, {where}"


def _telling(containers: Iterable[Container]) -> Iterator[Container]:
    """Those that wait, run without being ready, or have ended other than well."""
    for each in containers:
        if each.waiting_reason or each.running or (each.ended and not (each.init and each.exit_code == 0)):
            yield each


def _container(container: Container) -> Cause:
    said = []
    if container.waiting_reason:
        why = f" ({container.waiting_message})" if container.waiting_message else ""
        said.append(f"waiting, {container.waiting_reason}{why}")
    elif container.running:
        said.append(f"running since {container.running_since}")
    if container.ended:
        reason = f" ({container.ended_reason})" if container.ended_reason else ""
        said.append(f"ended last with exit status {container.exit_code}{reason}, restarts: {container.restarts}")
    return Cause(f"container {container.name}: {'; '.join(said)}")


def _events(pod: Pod, events: Sequence[Event]) -> Iterator[Cause]:
    """The last warning of each reason, the newest first."""
    last = {each.reason: each for each in sorted(events, key=lambda each: each.last) if each.about == pod.uid}
    for event in sorted(last.values(), key=lambda each: each.last, reverse=True)[:EVENTS_SHOWN]:
        times = f" ({event.count} times)" if event.count > 1 else ""
        yield Cause(f"event {event.reason}{times}: {event.message}")


def _find(conditions: Sequence[Condition], kind: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == kind), None)


def _say(condition: Condition | None) -> str:
    if condition is None:
        return "not told"
    since = f" since {condition.last_transition_time}" if condition.last_transition_time else ""
    said = f"{condition.type}={condition.status} {condition.reason}{since}"
    return f"{said}: {condition.message}" if condition.message else said
