"""Whom a change concerns: from what happened to the keys that must be looked at.

Too many keys cost a reconcile that sends nothing; too few are a fault until the next full list. So in doubt, more.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from edgeglm_api import labels
from edgeglm_api.edge_site import EdgeSite, Status
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.report_health import standing
from edgeglm_api.selection import Sites, selects
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.kube import kinds
from edgeglm_operator.observed import Node
from edgeglm_operator.store import Change, Store
from edgeglm_operator.workqueue import Key

FLEET: Final = "Fleet"
"""The EdgeSites that a namespace should have; the key has no name."""

_KIND_OF_OWNER: Final = {labels.SERVICE: kinds.INFERENCE_SERVICES.name, labels.SITE: kinds.EDGE_SITES.name}


def concerns(store: Store, change: Change) -> Iterator[Key]:
    """The keys that a change asks for."""
    match change.kind:
        case kinds.INFERENCE_SERVICES:
            yield from _of_service(store, change)
        case kinds.SENSOR_GRAPHS:
            yield from _of_graph(store, change)
        case kinds.EDGE_SITES:
            yield from _of_site(store, change)
        case kinds.TOPOLOGIES:
            yield from _sites_and_graphs(store, change.name.namespace)
        case kinds.DEVICES:
            yield from _of_device(store, change)
        case kinds.NODES:
            yield from _of_node(store, change)
        case _ if change.owner is not None:
            yield Key(_KIND_OF_OWNER[change.owner.label], change.name.namespace, change.owner.name)


def everything(store: Store) -> Iterator[Key]:
    """All keys there are."""
    for table in (store.services, store.graphs, store.sites):
        for name in table.versions():
            yield Key(table.kind.name, *name)
    yield from (Key(FLEET, namespace, "") for namespace in _namespaces(store))


def _of_service(store: Store, change: Change) -> Iterator[Key]:
    namespace = change.name.namespace
    yield Key(kinds.INFERENCE_SERVICES.name, *change.name)
    if not change.wish:
        return
    yield Key(FLEET, namespace, "")
    yield from _sites_and_graphs(store, namespace)
    yield from _sharing_ports(store, _ports(change.before) | _ports(change.after))


def _sharing_ports(store: Store, ports: set[int]) -> Iterator[Key]:
    """Those that may want a port at the same site. Most want none, and then the fleet is not gone through."""
    if ports:
        yield from (_key_of_service(other) for other in store.services.all() if ports & _ports(other))


def _of_graph(store: Store, change: Change) -> Iterator[Key]:
    namespace = change.name.namespace
    yield Key(kinds.SENSOR_GRAPHS.name, *change.name)
    if change.wish:
        yield Key(FLEET, namespace, "")
        yield from _sites_and_graphs(store, namespace)


def _of_site(store: Store, change: Change) -> Iterator[Key]:
    yield Key(kinds.EDGE_SITES.name, *change.name)
    if not change.wish and _only_numbers(change.before, change.after):
        return
    yield from _graphs(store, change.name.namespace)
    yield from _services_at(store, change)
    if not change.wish:
        return
    yield Key(FLEET, change.name.namespace, "")
    # Of several sites for one node, one has the graphs: another one may be it now.
    nodes = {site.spec.node_name for site in (change.before, change.after) if isinstance(site, EdgeSite)}
    for site in store.sites.in_namespace(change.name.namespace):
        if site.spec.node_name in nodes:
            yield _key_of_site(site)


def _services_at(store: Store, change: Change) -> Iterator[Key]:
    """Those with an engine at a site: its agent tells how it answers."""
    if not isinstance(change.after, EdgeSite):
        return
    node = store.nodes.get("", change.after.spec.node_name)
    nodes = [node] if node else []
    for service in store.services.in_namespace(change.name.namespace):
        if any(_select(nodes, target.sites) for target in service.spec.edge):
            yield _key_of_service(service)


def _only_numbers(before: Any, after: Any) -> bool:  # noqa: ANN401 - EdgeSites or None, as a Change has them
    """Whether a site has reported, and told nothing that others follow from: a fleet does so all the time."""
    if not isinstance(before, EdgeSite) or not isinstance(after, EdgeSite):
        return False
    return _but_for_numbers(before.status) == _but_for_numbers(after.status)


def _but_for_numbers(status: Status) -> tuple[Status, object]:
    report = status.report
    said = standing(report, report.clock_skew_seconds) if report else None
    return msgspec.structs.replace(status, report=None), said


def _of_device(store: Store, change: Change) -> Iterator[Key]:
    """The sites of the nodes where it was and is. Until all Devices of a namespace are listed, no site takes any."""
    if store.device_faults.get(change.name.namespace) != "":
        return
    nodes = {device.node for device in (change.before, change.after) if device is not None}
    for site in store.sites.in_namespace(change.name.namespace):
        if site.spec.node_name in nodes:
            yield _key_of_site(site)


def _of_node(store: Store, change: Change) -> Iterator[Key]:
    """Those that selected the node before or select it now, and the sites on it."""
    nodes = [node for node in (change.before, change.after) if node is not None]
    for service in store.services.all():
        if any(_select(nodes, target.sites) for target in service.spec.edge):
            yield _key_of_service(service)
            yield Key(FLEET, service.metadata.namespace, "")
    for graph in store.graphs.all():
        if _select(nodes, graph.spec.sites):
            yield _key_of_graph(graph)
            yield Key(FLEET, graph.metadata.namespace, "")
    for site in store.sites.all():
        if site.spec.node_name == change.name.name:
            yield _key_of_site(site)


def _sites_and_graphs(store: Store, namespace: str) -> Iterator[Key]:
    for site in store.sites.in_namespace(namespace):
        yield Key(kinds.EDGE_SITES.name, namespace, site.metadata.name)
    yield from _graphs(store, namespace)


def _graphs(store: Store, namespace: str) -> Iterator[Key]:
    return (_key_of_graph(graph) for graph in store.graphs.in_namespace(namespace))


def _select(nodes: Iterable[Node], sites: Sites) -> bool:
    return any(selects(sites, node=node.name, node_labels=node.labels) for node in nodes)


def _ports(service: Any) -> set[int]:  # noqa: ANN401 - an InferenceService or None, as a Change has it
    return {target.port for target in service.spec.edge} if isinstance(service, InferenceService) else set()


def _namespaces(store: Store) -> set[str]:
    return {*store.services.namespaces(), *store.graphs.namespaces(), *store.sites.namespaces()}


def _key_of_service(service: InferenceService) -> Key:
    return Key(kinds.INFERENCE_SERVICES.name, service.metadata.namespace, service.metadata.name)


def _key_of_site(site: EdgeSite) -> Key:
    return Key(kinds.EDGE_SITES.name, site.metadata.namespace, site.metadata.name)


def _key_of_graph(graph: SensorGraph) -> Key:
    return Key(kinds.SENSOR_GRAPHS.name, graph.metadata.namespace, graph.metadata.name)
