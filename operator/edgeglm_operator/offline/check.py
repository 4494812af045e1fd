"""Everything that can be said about a file of custom resources without a cluster."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Final, TypeVar

from edgeglm_api import labels
from edgeglm_api.echo import echoes
from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.group import GROUP
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.model import InvalidObject, Model, read
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.device import Device, device_from
from edgeglm_operator.kube.kinds import DEVICES
from edgeglm_operator.offline.bad_input import BadInput
from edgeglm_operator.offline.cel_check import rule_faults
from edgeglm_operator.offline.crds import our_crds
from edgeglm_operator.offline.defaults import with_defaults
from edgeglm_operator.offline.documents import Document
from edgeglm_operator.offline.schema_check import schema_faults
from edgeglm_operator.reconcile.accept import accept
from edgeglm_operator.reconcile.topics import check_topics
from edgeglm_operator.store import Name
from edgeglm_operator.topology_map import TopologyMap, topology_map_from

DEFAULT_NAMESPACE: Final = "default"

T = TypeVar("T", bound=Model)


@dataclass(frozen=True, slots=True)
class Checked:
    """Our resources in the files, and what was passed over."""

    resources: tuple[tuple[Document, Model], ...]
    passed_over: tuple[Document, ...]
    topologies: Mapping[Name, TopologyMap]
    """The ConfigMaps that graphs may take their topology from."""
    devices: tuple[tuple[str, Device], ...]
    """KubeEdge's Devices, each with its namespace."""

    def of(self, kind: type[T]) -> list[T]:
        """Those of one kind."""
        return [resource for _, resource in self.resources if isinstance(resource, kind)]


_MODELS: Final[dict[str, type[Model]]] = {
    "InferenceService": InferenceService,
    "SensorGraph": SensorGraph,
    "EdgeSite": EdgeSite,
}


def check(documents: Iterable[Document]) -> Checked:
    """Check all documents. Raises BadInput with every fault there is."""
    resources, passed_over = [], []
    topologies: dict[Name, TopologyMap] = {}
    devices: list[tuple[str, Device]] = []
    faults: list[str] = []
    for document in documents:
        if _is_topology(document):
            topologies[_name_of(document)] = found_there = topology_map_from(document.raw)
            faults += _topology_faults(document, found_there)
            continue
        if _is_device(document):
            try:
                devices.append((_name_of(document).namespace, device_from(document.raw)))
            except InvalidObject as error:
                faults.append(document.fault(error.field, error.message))
            continue
        if not _is_ours(document):
            passed_over.append(document)
            continue
        found = list(faults_of(document))
        faults += found
        if not found:
            resources.append((document, model_of(document)))
    faults += _twins([document for document, _ in resources])
    faults += _echoes([(document, model) for document, model in resources if isinstance(model, SensorGraph)])
    if faults:
        raise BadInput(*faults)
    return Checked(tuple(resources), tuple(passed_over), topologies, tuple(devices))


def faults_of(document: Document) -> Iterator[str]:
    """What is wrong with one document of ours: its kind, its shape, its rules, and what only the operator sees."""
    crd = our_crds().get(document.kind)
    if crd is None or crd.api_version != document.api_version:
        known = ", ".join(sorted(f"{crd.kind} ({crd.api_version})" for crd in our_crds().values()))
        given = f"{document.kind or 'no kind'} ({document.api_version or 'no apiVersion'})"
        yield document.fault("", f"{given} is not known; known are {known}")
        return
    raw = with_defaults(crd.schema, document.raw)
    found = list(_metadata_faults(raw)) or schema_faults(crd.schema, raw) or rule_faults(crd.schema, raw)
    yield from (document.fault(path, message) for path, message in found)
    if not found:
        yield from _refusals(document)


def model_of(document: Document) -> Model:
    """The typed model of a document that has no faults, with the namespace that `kubectl` would give it."""
    raw = with_defaults(our_crds()[document.kind].schema, document.raw)
    metadata = {"namespace": DEFAULT_NAMESPACE} | raw["metadata"]
    return read({**raw, "metadata": metadata}, _MODELS[document.kind])


def _metadata_faults(raw: dict[str, object]) -> Iterator[tuple[str, str]]:
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        yield "metadata.name", "is required"


def _refusals(document: Document) -> Iterator[str]:
    try:
        resource = model_of(document)
    except InvalidObject as error:
        yield document.fault(error.field, error.message)
        return
    refused = None
    if isinstance(resource, InferenceService):
        refused = accept(resource)
    elif isinstance(resource, SensorGraph):
        refused = check_topics(resource)
    if refused is not None:
        yield document.fault("", refused.message)


def _twins(documents: list[Document]) -> Iterator[str]:
    seen: dict[str, Document] = {}
    for document in documents:
        first = seen.setdefault(document.identity, document)
        if first is not document:
            yield document.fault("", f"stands twice; the other one is in {first.file}")


def _echoes(graphs: list[tuple[Document, SensorGraph]]) -> Iterator[str]:
    """Graphs that hear another one's answers, as far as it is certain that they run at one site on one broker."""
    for (document, speaker), (_, listener) in permutations(graphs, 2):
        if not _meet(speaker, listener):
            continue
        topic = speaker.spec.output.topic
        for source in listener.spec.sources:
            if echoes(topic, speaker.metadata.name, source):
                yield document.fault(
                    "spec.output.topic",
                    f"{topic} can meet spec.sources[{source.name}].topic {source.topic} of SensorGraph"
                    f" {listener.metadata.name}, and answers would be read as readings; choose topics that do not meet",
                )


def _meet(one: SensorGraph, other: SensorGraph) -> bool:
    sites, others = one.spec.sites, other.spec.sites
    shared = sites == others or bool(set(sites.node_names or ()) & set(others.node_names or ()))
    return shared and (one.metadata.namespace, one.spec.broker.url) == (other.metadata.namespace, other.spec.broker.url)


def _is_topology(document: Document) -> bool:
    metadata = document.raw.get("metadata")
    said = metadata.get("labels") if isinstance(metadata, dict) else None
    return document.kind == "ConfigMap" and isinstance(said, dict) and labels.TOPOLOGY in said


def _is_device(document: Document) -> bool:
    named = isinstance(document.raw.get("metadata"), dict)
    return named and (document.api_version, document.kind) == (DEVICES.api_version, DEVICES.name)


def _name_of(document: Document) -> Name:
    metadata = document.raw["metadata"]
    return Name(metadata.get("namespace") or DEFAULT_NAMESPACE, metadata.get("name") or "")


def _topology_faults(document: Document, found: TopologyMap) -> Iterator[str]:
    wrong = ((key, said) for key, said in found.keys.items() if isinstance(said, str))
    yield from (document.fault(f"data[{key}]", said) for key, said in wrong)


def _is_ours(document: Document) -> bool:
    """Of our group; or of one of our kinds in a group that is not ours, which is a slip."""
    return document.api_version.partition("/")[0] == GROUP or document.kind in _MODELS or not document.kind
