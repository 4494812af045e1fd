"""From SensorGraphs to the bundle of one site: parameters filled in, services resolved to endpoints."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from edgeglm_api.bundle import API_VERSION, MAX_BYTES, Broker, Bundle, Commands, Endpoint, Graph, Limits, digest, encode
from edgeglm_api.compiled import compiled
from edgeglm_api.derivation import problems_of_derived
from edgeglm_api.echo import heard_by
from edgeglm_api.edge_site import BundleStatus, EdgeSite
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.sensor_graph import SensorGraph, Topology
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.endpoints import endpoints_for
from edgeglm_operator.reconcile.refused import Reason, Refused
from edgeglm_operator.reconcile.topics import check_topics
from edgeglm_operator.reconcile.topology import Topologies, topology_of
from edgeglm_operator.resources.agent_keys import key_file
from edgeglm_operator.resources.broker_secrets import ca_file, credentials_folder

_PARAMETER: Final = re.compile(r"\$\{site\.([A-Za-z][A-Za-z0-9_]*)\}")
_BROKER: Final = re.compile(r"mqtts?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")

_NO_TOPOLOGIES: Final = Topologies()


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


def renumbered(bundle: Bundle, previous: BundleStatus | None) -> Bundle:
    """The bundle with the generation that follows: one more than the previous if, and only if, the content differs.

    `previous` is the newest that may have reached the site: what the ConfigMap says, or the status if there is none.
    """
    if previous is None:
        return msgspec.structs.replace(bundle, generation=1)
    step = 0 if previous.sha256 == digest(bundle) else 1
    return msgspec.structs.replace(bundle, generation=previous.generation + step)


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
    if problem := check_topics(graph):
        return problem
    topology = _topology(graph, topologies)
    if isinstance(topology, Refused):
        return topology
    endpoints = endpoints_for(graph, site, node, services)
    if isinstance(endpoints, Refused):
        return endpoints
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


def _topology(graph: SensorGraph, topologies: Topologies) -> Topology | Refused:
    """The topology of a graph, in which derived properties find the relations that they follow."""
    topology = topology_of(graph, topologies)
    return topology if isinstance(topology, Refused) else _check_derived(graph, topology) or topology


def _check_derived(graph: SensorGraph, topology: Topology) -> Refused | None:
    spec = graph.spec
    relations = {
        *(relation.type for source in spec.sources for relation in source.relations),
        *(edge.type for edge in topology.edges),
        # A site may have no Device that is so related, and will have one.
        *(relation.type for relation in (spec.topology.devices.relations if spec.topology.devices else ())),
    }
    problems = problems_of_derived(spec.derived, spec.sources, relations)
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
