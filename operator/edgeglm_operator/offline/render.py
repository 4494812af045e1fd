"""What the operator would apply for some files, without a cluster: the same makers, the same decisions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec
import yaml

from edgeglm_api import labels
from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.edge_site import Spec as SiteSpec
from edgeglm_api.group import EDGE_SITE, INFERENCE_SERVICE, SENSOR_GRAPH
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.meta import Metadata
from edgeglm_api.selection import Sites
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.device import Device
from edgeglm_operator.observed import Apis, Node
from edgeglm_operator.reconcile.companions import companions
from edgeglm_operator.reconcile.compile import Compiled, compile_bundle, renumbered
from edgeglm_operator.reconcile.placement import Place, port_conflicts, refusal, sites_of
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.revision import revision_of, with_revision
from edgeglm_operator.reconcile.topology import Topologies
from edgeglm_operator.reconcile.verification import concurrency_of
from edgeglm_operator.resources.agent_deployment import make_agent_deployment
from edgeglm_operator.resources.agent_secrets import agent_secrets_of
from edgeglm_operator.resources.around_cloud import around_cloud
from edgeglm_operator.resources.bundle_config_map import make_bundle_config_map
from edgeglm_operator.resources.cloud_deployment import make_cloud_deployment
from edgeglm_operator.resources.edge_deployment import make_edge_deployment
from edgeglm_operator.resources.edge_site import make_edge_site
from edgeglm_operator.resources.knative_service import is_knative, make_knative_service
from edgeglm_operator.resources.leader_worker_set import in_its_kind
from edgeglm_operator.resources.manifest import Manifest, OwnerRef, owned_by
from edgeglm_operator.resources.names import site_name, verification_job_name
from edgeglm_operator.resources.verification_job import make_verification_job, replica_url
from edgeglm_operator.settings import Settings
from edgeglm_operator.store import Name
from edgeglm_operator.topology_map import TopologyMap

_KINDS: Final[Mapping[type, str]] = {
    InferenceService: INFERENCE_SERVICE,
    SensorGraph: SENSOR_GRAPH,
    EdgeSite: EDGE_SITE,
}

PLACEHOLDER: Final = "<uid of "
_ADDRESS: Final = "<address of each replica>"
_ALL_APIS: Final = Apis(
    leader_worker_sets=True,
    knative_services=True,
    scaled_objects=True,
    interceptor_routes=True,
    pod_monitors=True,
    http_routes=True,
    inference_pools=True,
)

Resource = InferenceService | SensorGraph | EdgeSite
T = TypeVar("T", bound=Resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the files ask for, and the nodes to render it for."""

    services: Sequence[InferenceService]
    graphs: Sequence[SensorGraph]
    sites: Sequence[EdgeSite]
    topologies: Mapping[Name, TopologyMap] = field(default_factory=dict)
    """The ConfigMaps with topologies."""
    devices: Sequence[tuple[str, Device]] = ()
    """KubeEdge's Devices, each with its namespace."""
    nodes: Sequence[Node] | None
    """None: no list of nodes was given, so only nodes called by name are known."""


@dataclass(slots=True)
class Rendered:
    """The manifests, and what a person should know about them."""

    manifests: list[Manifest] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What could not be rendered, as the operator's status would say it."""


def render(wishes: Wishes, settings: Settings) -> Rendered:
    """All children, ordered by namespace, kind and name."""
    known = _named(wishes)
    result = Rendered(notes=[*_unknowable(wishes), *_lost_sites(known)])
    for service in known.services:
        _render_service(service, known, settings, result)
    for site, node in _sites(known, result):
        _render_site(site, node, known, settings, result)
    result.manifests.sort(key=_order)
    return result


def compile_sites(wishes: Wishes) -> Iterator[tuple[EdgeSite, Compiled]]:
    """What each site would be given."""
    known = _named(wishes)
    for site, node in _sites(known, Rendered()):
        yield site, _compiled(site, node, known)


def to_yaml(rendered: Rendered) -> str:
    """The manifests as YAML, with a comment on what stands for things that only a cluster knows."""
    text = yaml.dump_all(
        rendered.manifests, Dumper=_Dumper, sort_keys=False, width=10_000, explicit_start=True, allow_unicode=True
    )
    return "".join(f"# {line}\n" for line in _preface(text)) + text


def _preface(text: str) -> Iterator[str]:
    yield "What the operator applies. It adds the annotation edgeglm.io/intent-hash to each object."
    found = sorted({part.partition(">")[0] for part in text.split(PLACEHOLDER)[1:]})
    if found:
        yield "Only a cluster knows UIDs, and the digest of a bundle, which holds them, differs there; here stand:"
        yield from (f"  {PLACEHOLDER}{who}>" for who in found)
    if _ADDRESS in text:
        yield f"The Job is made once all replicas are ready; {_ADDRESS} stands for one --url= each."


def _named(wishes: Wishes) -> Wishes:
    """The wishes with a placeholder for each UID, and with the nodes that are called by name."""
    return Wishes(
        services=[_with_uid(service) for service in wishes.services],
        graphs=[_with_uid(graph) for graph in wishes.graphs],
        sites=[_with_uid(site) for site in wishes.sites],
        topologies=wishes.topologies,
        devices=wishes.devices,
        nodes=wishes.nodes if wishes.nodes is not None else _nodes_by_name(wishes),
    )


def _with_uid(resource: T) -> T:
    if resource.metadata.uid:
        return resource
    name = resource.metadata
    uid = f"{PLACEHOLDER}{_KINDS[type(resource)]}/{name.namespace}/{name.name}>"
    return msgspec.structs.replace(resource, metadata=msgspec.structs.replace(name, uid=uid))


def _nodes_by_name(wishes: Wishes) -> list[Node]:
    names = {name for _, sites in _selectors(wishes) for name in sites.node_names or ()}
    names |= {site.spec.node_name for site in wishes.sites}
    return [Node(name=name, labels={labels.EDGE_NODE: ""}, ready=True) for name in sorted(names)]


def _unknowable(wishes: Wishes) -> Iterator[str]:
    if wishes.nodes is not None:
        return
    for who, sites in _selectors(wishes):
        if sites.node_names is None:
            yield f"{who}: selects nodes by label; pass --nodes to render its sites"


def _lost_sites(known: Wishes) -> Iterator[str]:
    names = {node.name for node in known.nodes or ()}
    for site in known.sites:
        if site.spec.node_name not in names:
            yield f"{_identity(site)}: spec.nodeName: there is no node {site.spec.node_name} in the list of nodes"


def _selectors(wishes: Wishes) -> Iterator[tuple[str, Sites]]:
    for service in wishes.services:
        for target in service.spec.edge:
            yield f"{_identity(service)}: spec.edge[{target.name}].sites", target.sites
    for graph in wishes.graphs:
        yield f"{_identity(graph)}: spec.sites", graph.spec.sites


def _render_service(service: InferenceService, known: Wishes, settings: Settings, result: Rendered) -> None:
    if service.spec.cloud is not None:
        result.manifests += _in_cloud(service, settings)
        _render_companions(service, settings, result)
    nodes = known.nodes or ()
    conflicts = port_conflicts(service, known.services, nodes)
    for target in service.spec.edge:
        for node in sites_of(target.sites, nodes):
            place = Place(target.name, node.name)
            if place in conflicts:
                result.notes.append(f"{_identity(service)}: {refusal(place, conflicts[place]).message}")
            else:
                result.manifests.append(make_edge_deployment(service, target, node.name, settings))


def _in_cloud(service: InferenceService, settings: Settings) -> Iterator[Manifest]:
    deployment = make_cloud_deployment(service, settings)
    if is_knative(service):
        if not service.spec.suspend:
            yield make_knative_service(deployment, service, settings)
        return
    yield in_its_kind(deployment, service)
    yield from around_cloud(service, settings)
    if concurrency := concurrency_of(service, settings):
        revision = revision_of(with_revision(deployment["spec"]["template"]))
        name = verification_job_name(service.metadata.name, revision, concurrency)
        urls = [replica_url(_ADDRESS)]
        yield make_verification_job(service, settings, name=name, concurrency=concurrency, urls=urls)


def _render_companions(service: InferenceService, settings: Settings, result: Rendered) -> None:
    """As in a cluster that has KEDA with its HTTP Add-on, the Prometheus Operator and the Gateway API."""
    for _, wish in companions(service, _ALL_APIS, settings):
        if isinstance(wish, Refused):
            result.notes.append(f"{_identity(service)}: {wish.message}")
        else:
            result.manifests.append(wish)


def _sites(known: Wishes, result: Rendered) -> Iterator[tuple[EdgeSite, Node]]:
    """The sites that there would be: those in the files, and those that the operator makes."""
    resources: list[Resource] = [*known.services, *known.graphs, *known.sites]
    for namespace in sorted({resource.metadata.namespace for resource in resources}):
        for node in sorted(known.nodes or (), key=lambda node: node.name):
            given = [site for site in known.sites if _is_at(site, namespace, node)]
            owners = tuple(_owners(known, namespace, node))
            if given:
                yield given[0], node
            elif owners:
                result.manifests.append(make_edge_site(namespace, node.name, owners))
                yield _made(namespace, node), node


def _is_at(site: EdgeSite, namespace: str, node: Node) -> bool:
    return (site.metadata.namespace, site.spec.node_name) == (namespace, node.name)


def _owners(known: Wishes, namespace: str, node: Node) -> Iterable[OwnerRef]:
    for service in known.services:
        if service.metadata.namespace == namespace and any(sites_of(at.sites, [node]) for at in service.spec.edge):
            yield owned_by(service, controller=False)
    for graph in _graphs_at(known, namespace, node):
        yield owned_by(graph, controller=False)


def _made(namespace: str, node: Node) -> EdgeSite:
    site = EdgeSite(
        metadata=Metadata(name=site_name(node.name), namespace=namespace), spec=SiteSpec(node_name=node.name)
    )
    return _with_uid(site)


def _render_site(site: EdgeSite, node: Node, known: Wishes, settings: Settings, result: Rendered) -> None:
    namespace = site.metadata.namespace
    compiled = _compiled(site, node, known)
    for name, refused in compiled.refusals.items():
        result.notes.append(f"{SENSOR_GRAPH}/{namespace}/{name}: at EdgeSite {site.metadata.name}: {refused.message}")
    if not compiled.bundle.graphs:
        return
    bundle = renumbered(compiled.bundle, None)
    result.manifests.append(make_bundle_config_map(site, bundle))
    result.manifests.append(make_agent_deployment(site, settings, agent_secrets_of(bundle)))


def _compiled(site: EdgeSite, node: Node, known: Wishes) -> Compiled:
    namespace = site.metadata.namespace
    services = [service for service in known.services if service.metadata.namespace == namespace]
    config_maps = {name.name: each for name, each in known.topologies.items() if name.namespace == namespace}
    topologies = Topologies(config_maps, _devices_at(known, namespace, node))
    return compile_bundle(site, node, _graphs_at(known, namespace, node), services, topologies)


def _devices_at(known: Wishes, namespace: str, node: Node) -> tuple[Device, ...] | str:
    there = [device for where, device in known.devices if where == namespace]
    if not there:
        return f"the files have none of namespace {namespace}; add what `kubectl get devices -o yaml` says"
    return tuple(sorted((each for each in there if each.node == node.name), key=lambda device: device.name))


def _graphs_at(known: Wishes, namespace: str, node: Node) -> list[SensorGraph]:
    return [
        graph for graph in known.graphs if graph.metadata.namespace == namespace and sites_of(graph.spec.sites, [node])
    ]


def _identity(resource: Resource) -> str:
    return f"{_KINDS[type(resource)]}/{resource.metadata.namespace}/{resource.metadata.name}"


def _order(manifest: Manifest) -> tuple[str, str, str]:
    return manifest["metadata"]["namespace"], manifest["kind"], manifest["metadata"]["name"]


class _Dumper(yaml.SafeDumper):
    """YAML for people: no anchors, lists indented under their key."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write what stands in several places in each of them."""
        return True
