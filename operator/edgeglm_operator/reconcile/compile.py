"""From SensorGraphs to the bundle of one site: parameters filled in, services resolved to endpoints."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from edgeglm_api.bundle import API_VERSION, MAX_BYTES, Broker, Bundle, Commands, Endpoint, Graph, Limits, digest, encode
from edgeglm_api.compiled import compiled
from edgeglm_api.derivation import problems_of_derived
from edgeglm_api.echo import heard_by
from edgeglm_api.edge_site import BundleStatus, EdgeSite
from edgeglm_api.endpoint_hosts import is_pinned
from edgeglm_api.inference_service import EdgeTarget, InferenceService
from edgeglm_api.sensor_graph import Endpoint as GivenEndpoint
from edgeglm_api.sensor_graph import EndpointLimits, SensorGraph, ServiceRef
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.placement import sites_of
from edgeglm_operator.reconcile.refused import Reason, Refused
from edgeglm_operator.reconcile.route import ORDERS, stays_at_site, why_it_stays
from edgeglm_operator.reconcile.topics import check_topics
from edgeglm_operator.reconcile.topology import Topologies, topology_of
from edgeglm_operator.resources.agent_keys import key_file
from edgeglm_operator.resources.broker_secrets import ca_file, credentials_folder
from edgeglm_operator.resources.effective_engine import asked_engine
from edgeglm_operator.resources.endpoint_secrets import endpoint_ca_file, endpoint_key_file
from edgeglm_operator.resources.names import endpoint_name

_PARAMETER: Final = re.compile(r"\$\{site\.([A-Za-z][A-Za-z0-9_]*)\}")
_BROKER: Final = re.compile(r"mqtts?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_NO_TOPOLOGIES: Final = Topologies()
_CURES: Final = {
    "Edge": "an edge target that selects node {node}",
    "Cloud": "a spec.cloud.externalURL that sites can reach",
}


class Compiled(NamedTuple):
    """A bundle, and the graphs that are not in it."""

    bundle: Bundle
    refusals: dict[str, Refused]
    """By the graph's name."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one graph adds to a bundle."""

    graph: Graph
    endpoints: tuple[Endpoint, ...]


def compile_bundle(
    site: EdgeSite,
    node: Node,
    graphs: Iterable[SensorGraph],
    services: Iterable[InferenceService],
    topologies: Topologies = _NO_TOPOLOGIES,
    generation: int = 0,
) -> Compiled:
    """The bundle of a site, of all graphs that select its node.

    `node` is the site's node as it was observed, `services` those of the namespace. A graph that is suspended, cannot
    be compiled, or makes the bundle too large is left out; the others go on. Of two that would hear each other's
    answers the older one stays.
    """
    by_name = {service.metadata.name: service for service in services}
    active = sorted((graph for graph in graphs if not graph.spec.suspend), key=_age)
    parts = {graph.metadata.name: _part(graph, site, node, by_name, topologies) for graph in active}
    refusals = {name: part for name, part in parts.items() if isinstance(part, Refused)}
    refusals |= _echoing(part for part in parts.values() if isinstance(part, _Part))
    bundle = _empty(site, generation)
    for name, part in sorted(parts.items(), key=itemgetter(0)):
        if name in refusals or isinstance(part, Refused):
            continue
        grown = _grown(bundle, part)
        if isinstance(grown, Refused):
            refusals[name] = grown
        else:
            bundle = grown
    return Compiled(bundle, refusals)


def compile_graph(
    graph: SensorGraph,
    site: EdgeSite,
    node: Node,
    services: Mapping[str, InferenceService],
    topologies: Topologies = _NO_TOPOLOGIES,
) -> Graph | Refused:
    """One graph for one site, or why it cannot run there."""
    part = _part(graph, site, node, services, topologies)
    return part if isinstance(part, Refused) else part.graph


def renumbered(bundle: Bundle, previous: BundleStatus | None) -> Bundle:
    """The bundle with the generation that follows: one more than the previous if, and only if, the content differs.

    `previous` is the newest that may have reached the site: what the ConfigMap says, or the status if there is none.
    """
    if previous is None:
        return msgspec.structs.replace(bundle, generation=1)
    step = 0 if previous.sha256 == digest(bundle) else 1
    return msgspec.structs.replace(bundle, generation=previous.generation + step)


def endpoints_of(service: InferenceService, node: Node) -> tuple[Endpoint, ...]:
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


def _part(
    graph: SensorGraph,
    site: EdgeSite,
    node: Node,
    services: Mapping[str, InferenceService],
    topologies: Topologies,
) -> _Part | Refused:
    broker = _broker(graph, site)
    if isinstance(broker, Refused):
        return broker
    if problem := check_topics(graph) or _check_derived(graph):
        return problem
    topology = topology_of(graph, topologies)
    if isinstance(topology, Refused):
        return topology
    endpoints = _endpoints(graph, node, services)
    if isinstance(endpoints, Refused):
        return endpoints
    if problem := _not_pinned(endpoints, site):
        return problem
    names = tuple(endpoint.name for endpoint in endpoints)
    made = compiled(graph, broker=broker, endpoints=names, topology=topology, commands=_commands(graph))
    return _Part(made, endpoints)


def _commands(graph: SensorGraph) -> Commands | None:
    source = graph.spec.findings.commands
    if source is None:
        return None
    topic = source.topic.replace("{graph}", graph.metadata.name)
    return Commands(topic=topic, key_file=key_file(source.key_secret_ref))


def _echoing(oldest_first: Iterable[_Part]) -> dict[str, Refused]:
    """The graphs that would hear, or be heard by, an older one of the site."""
    stays: list[Graph] = []
    refused = {}
    for part in oldest_first:
        pairs = ((part.graph, older) for older in stays)
        echo = next((each for pair in pairs if (each := _echo(*pair) or _echo(*reversed(pair)))), None)
        if echo is None:
            stays.append(part.graph)
        else:
            refused[part.graph.name] = echo
    return refused


def _echo(speaker: Graph, listener: Graph) -> Refused | None:
    source = next(heard_by(listener, speaker), None)
    if source is None:
        return None
    return Refused(
        Reason.TOPIC_OVERLAP,
        f"spec.output.topic {speaker.output.topic} of SensorGraph {speaker.name} can meet"
        f" spec.sources[{source.name}].topic {source.topic} of SensorGraph {listener.name} on the same broker,"
        f" and answers would be read as readings; choose topics that do not meet",
    )


def _age(graph: SensorGraph) -> tuple[str, str]:
    return graph.metadata.creation_timestamp, graph.metadata.name


def _check_derived(graph: SensorGraph) -> Refused | None:
    problems = problems_of_derived(graph.spec.derived, graph.spec.sources)
    return next((Refused(Reason.INVALID_DERIVED, f"spec.{field}: {text}") for field, text in problems), None)


def _broker(graph: SensorGraph, site: EdgeSite) -> Broker | Refused:
    wanted = graph.spec.broker
    url = _broker_url(wanted.url, site)
    if isinstance(url, Refused):
        return url
    return Broker(
        url=url,
        ca_file=ca_file(wanted.ca_secret_ref) if wanted.ca_secret_ref else None,
        credentials=credentials_folder(wanted.secret_ref) if wanted.secret_ref else None,
        session_expiry_seconds=wanted.session_expiry_seconds,
    )


def _broker_url(url: str, site: EdgeSite) -> str | Refused:
    parameters = site.spec.parameters
    missing = sorted({name for name in _PARAMETER.findall(url) if name not in parameters})
    if missing:
        return Refused(
            Reason.UNRESOLVED_PARAMETER,
            f"spec.broker.url asks for ${{site.{missing[0]}}}, which EdgeSite {site.metadata.name} does not have;"
            f" set its spec.parameters.{missing[0]}",
        )
    filled = _PARAMETER.sub(lambda match: parameters[match[1]], url)
    if not _BROKER.fullmatch(filled):
        return Refused(
            Reason.INVALID_BROKER,
            f"spec.broker.url is {filled!r} with the parameters of EdgeSite {site.metadata.name};"
            f" it must be mqtt://HOST:PORT or mqtts://HOST:PORT",
        )
    return filled


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
        graph, node, endpoints_of(service, node), f"InferenceService {name}"
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


def _limits(site: EdgeSite) -> Limits:
    spool = site.spec.spool
    return Limits(
        spool_max_bytes=spool.max_bytes,
        max_concurrency=site.spec.max_concurrency,
        spool_max_age_seconds=spool.max_age_seconds,
        spool_on_full=spool.on_full,
        spool_sync=spool.sync,
    )


def _empty(site: EdgeSite, generation: int) -> Bundle:
    return Bundle(
        api_version=API_VERSION,
        namespace=site.metadata.namespace,
        site=site.metadata.name,
        site_uid=site.metadata.uid,
        generation=generation,
        limits=_limits(site),
    )


def _check_session(bundle: Bundle, graph: Graph) -> Refused | None:
    """One session at a broker serves all graphs of a site: they must agree on how it is opened."""
    for other in bundle.graphs:
        if other.broker.url == graph.broker.url and not other.broker.same_credentials(graph.broker):
            return Refused(
                Reason.BROKER_CONFLICT,
                f"spec.broker: SensorGraph {other.name} reaches {graph.broker.url} from EdgeSite {bundle.site} with"
                f" other Secrets, and a site has one session at a broker; name the same caSecretRef and secretRef in"
                f" both",
            )
    return None


def _grown(bundle: Bundle, part: _Part) -> Bundle | Refused:
    if problem := _check_session(bundle, part.graph):
        return problem
    endpoints = {endpoint.name: endpoint for endpoint in (*bundle.endpoints, *part.endpoints)}
    grown = msgspec.structs.replace(
        bundle,
        graphs=(*bundle.graphs, part.graph),
        endpoints=tuple(endpoints[name] for name in sorted(endpoints)),
    )
    size = len(encode(grown))
    if size <= MAX_BYTES:
        return grown
    return Refused(
        Reason.BUNDLE_TOO_LARGE,
        f"with this graph the bundle of EdgeSite {bundle.site} has {size} bytes, and {MAX_BYTES} is the most;"
        f" make spec.topology smaller, or let the graph select other sites",
    )
