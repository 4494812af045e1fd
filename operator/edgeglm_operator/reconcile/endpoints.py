"""Where a graph may ask from a site: what its route names, as far as the site allows it and the data may go there."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal
from urllib.parse import urlsplit

from edgeglm_api.bundle import Endpoint
from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.endpoint_hosts import is_pinned
from edgeglm_api.inference_service import EdgeTarget, InferenceService
from edgeglm_api.sensor_graph import EndpointLimits, GivenEndpoint, SensorGraph, ServiceRef
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.placement import sites_of
from edgeglm_operator.reconcile.refused import Reason, Refused
from edgeglm_operator.reconcile.route import ORDERS, stays_at_site, why_it_stays
from edgeglm_operator.resources.agent_keys import key_file
from edgeglm_operator.resources.effective_engine import asked_engine
from edgeglm_operator.resources.endpoint_secrets import endpoint_ca_file, endpoint_key_file
from edgeglm_operator.resources.names import endpoint_name

_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_CURES: Final = {
    "Edge": "an edge target that selects node {node}",
    "Cloud": "a spec.cloud.externalURL that sites can reach",
}


def endpoints_for(
    graph: SensorGraph, site: EdgeSite, node: Node, services: Mapping[str, InferenceService]
) -> tuple[Endpoint, ...] | Refused:
    """Those that a graph may ask, first choice first, or why there is none. `services` are by name."""
    endpoints = _endpoints(graph, node, services)
    if isinstance(endpoints, Refused):
        return endpoints
    return _not_pinned(endpoints, site) or endpoints


def _endpoints(
    graph: SensorGraph, node: Node, services: Mapping[str, InferenceService]
) -> tuple[Endpoint, ...] | Refused:
    reasoning = graph.spec.reasoning
    if reasoning.service_ref is None:
        given = [] if reasoning.endpoint is None else [_given(graph.metadata.name, reasoning.endpoint)]
        return _allowed(graph, node, given, "spec.reasoning.endpoint")
    name = reasoning.service_ref.name
    service = services.get(name)
    if service is None:
        return Refused(
            Reason.SERVICE_NOT_FOUND,
            f"spec.reasoning.serviceRef: there is no InferenceService {graph.metadata.namespace}/{name}; make it, or"
            f" name another",
        )
    return _unknown_adapter(reasoning.service_ref, service) or _allowed(
        graph, node, _of_service(service, node), f"InferenceService {name}"
    )


def _unknown_adapter(ref: ServiceRef, service: InferenceService) -> Refused | None:
    known = [adapter.name for adapter in service.spec.model.adapters]
    if ref.adapter is None or ref.adapter in known:
        return None
    return Refused(
        Reason.ADAPTER_NOT_FOUND,
        f"spec.reasoning.serviceRef.adapter: InferenceService {ref.name} has no adapter {ref.adapter} in its"
        f" spec.model.adapters (it has {', '.join(known) or 'none'}); add it there, or name another",
    )


def _given(graph: str, endpoint: GivenEndpoint) -> Endpoint:
    """An endpoint of the user's own. Unless it is on the site's loopback, data that goes there may leave the site."""
    local = urlsplit(endpoint.url).hostname in _LOCAL_HOSTS
    limits = endpoint.limits or EndpointLimits()
    return Endpoint(
        name=f"{graph}-endpoint",
        url=endpoint.url,
        model=endpoint.model,
        place="Edge" if local else "Cloud",
        key_file=endpoint_key_file(endpoint.secret_ref) if endpoint.secret_ref else None,
        ca_file=endpoint_ca_file(endpoint.ca_secret_ref) if endpoint.ca_secret_ref else None,
        metered=endpoint.metered,
        requests_per_minute=limits.requests_per_minute,
        tokens_per_minute=limits.tokens_per_minute,
    )


def _of_service(service: InferenceService, node: Node) -> tuple[Endpoint, ...]:
    """Where a site reaches a service: its own replica, if a target selects the node; the cloud's, if it has an URL."""
    found = []
    target = next((target for target in service.spec.edge if sites_of(target.sites, [node])), None)
    if target is not None:
        found.append(_endpoint(service, target, f"http://127.0.0.1:{target.port}/v1"))
    if service.spec.cloud is not None and service.spec.cloud.external_url:
        found.append(_endpoint(service, None, f"{service.spec.cloud.external_url}/v1"))
    return tuple(found)


def _endpoint(service: InferenceService, target: EdgeTarget | None, url: str) -> Endpoint:
    """The service at an edge target, or in the cloud where there is none."""
    auth = service.spec.auth
    return Endpoint(
        name=endpoint_name(service.metadata.name, at_site=target is not None),
        url=url,
        model=service.served_name,
        place="Edge" if target else "Cloud",
        key_file=key_file(auth.api_key_secret_ref) if auth else None,
        ca_file=None if target else _trusted_in_cloud(service),
        scheduling=_scheduling(service, target),
        verify_at_once=(service.spec.verification.concurrency or 0) if target and service.spec.verification else 0,
    )


def _trusted_in_cloud(service: InferenceService) -> str | None:
    reference = service.spec.cloud.ca_secret_ref if service.spec.cloud else None
    return endpoint_ca_file(reference) if reference else None


def _scheduling(service: InferenceService, target: EdgeTarget | None) -> Literal["FCFS", "Priority"]:
    """How the engine there orders what waits. vLLM's own default is FCFS."""
    scheduling = asked_engine(service, target).scheduling
    return (scheduling.policy if scheduling else None) or "FCFS"


def _allowed(graph: SensorGraph, node: Node, known: Sequence[Endpoint], whose: str) -> tuple[Endpoint, ...] | Refused:
    """Those that the route names, first choice first, as far as the graph's data may go there."""
    named = tuple(each for place in ORDERS[graph.spec.reasoning.route] for each in known if each.place == place)
    if not named:
        return _no_endpoint(graph, node, whose)
    if not stays_at_site(graph.spec):
        return named
    return tuple(each for each in named if each.place == "Edge") or _stays(graph, node, whose)


def _stays(graph: SensorGraph, node: Node, whose: str) -> Refused:
    return Refused(
        Reason.DATA_STAYS,
        f"{whose} can be asked from node {node.name} in the cloud only, and {why_it_stays(graph.spec)};"
        f" say Pseudonymised or Allowed there, or give it {_CURES['Edge'].format(node=node.name)}",
    )


def _no_endpoint(graph: SensorGraph, node: Node, whose: str) -> Refused:
    route = graph.spec.reasoning.route
    cure = " or ".join(_CURES[place] for place in ORDERS[route]).format(node=node.name)
    return Refused(
        Reason.NO_ENDPOINT,
        f"spec.reasoning.route is {route}, and {whose} has nothing to ask from node {node.name};"
        f" give it {cure}, or choose another route",
    )


def _not_pinned(endpoints: Sequence[Endpoint], site: EdgeSite) -> Refused | None:
    hosts = site.spec.endpoint_hosts
    url = next((each.url for each in endpoints if hosts is not None and not is_pinned(each.url, hosts)), None)
    if url is None:
        return None
    return Refused(
        Reason.ENDPOINT_NOT_PINNED,
        f"the graph may ask {url}, whose host is not among spec.endpointHosts of EdgeSite {site.metadata.name};"
        f" name it there, or choose a spec.reasoning.route that does not lead to it",
    )
