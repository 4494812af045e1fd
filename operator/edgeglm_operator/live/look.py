"""A look at the cluster, with the rights of whoever asks. It reads, and nothing else."""

from collections.abc import Mapping
from typing import Final

from edgeglm_api import labels
from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.model import read
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.kube import kinds
from edgeglm_operator.kube.client import KubeClient, Manifest, labels_selector
from edgeglm_operator.kube.errors import Forbidden, NotFound
from edgeglm_operator.kube.kinds import Kind
from edgeglm_operator.live.seen import Seen, event_from
from edgeglm_operator.observed import deployment_from, deployment_of_groups, node_from, pod_from
from edgeglm_operator.resources.parallelism import nodes_of
from edgeglm_operator.resources.selectors import AGENT, component

Subject = InferenceService | SensorGraph | EdgeSite

SUBJECTS: Final[Mapping[Kind, type[Subject]]] = {
    kinds.INFERENCE_SERVICES: InferenceService,
    kinds.SENSOR_GRAPHS: SensorGraph,
    kinds.EDGE_SITES: EdgeSite,
}


async def look(client: KubeClient, kind: Kind, namespace: str, name: str) -> Seen:
    """The object and all around it. Raises a `KubeError`: NotFound when there is no such object."""
    subject: Subject = read(await client.get(kind, namespace, name), SUBJECTS[kind])
    glance = _Glance(client)
    around = {labels.SERVICE: name} if kind is kinds.INFERENCE_SERVICES else component(AGENT)
    deployments = await glance.all(kinds.DEPLOYMENTS, namespace, labels_selector(around))
    over_nodes = isinstance(subject, InferenceService) and nodes_of(subject, None) > 1
    groups = await glance.all(kinds.LEADER_WORKER_SETS, namespace, labels_selector(around)) if over_nodes else ()
    pods = await glance.all(kinds.PODS, namespace, labels_selector(around)) or ()
    events = await glance.all(kinds.CORE_EVENTS, namespace) or ()
    sites = await glance.all(kinds.EDGE_SITES, namespace) or ()
    # Only a graph is told apart by them, and few people may read them.
    nodes = await glance.all(kinds.NODES) if kind is kinds.SENSOR_GRAPHS else None
    return Seen(
        subject=subject,
        deployments=None
        if deployments is None
        else (*map(deployment_from, deployments), *map(deployment_of_groups, groups or ())),
        pods=tuple(map(pod_from, pods)),
        events=tuple(event_from(raw) for raw in events if raw.get("type") == "Warning"),
        sites=tuple(read(raw, EdgeSite) for raw in sites),
        nodes=None if nodes is None else tuple(map(node_from, nodes)),
        notes=tuple(glance.notes),
    )


class _Glance:
    """Lists that go on where one of them is forbidden."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.notes: list[str] = []

    async def all(self, kind: Kind, namespace: str = "", selector: str = "") -> list[Manifest] | None:
        """All of a kind; None, and a note, when they may not be read."""
        try:
            return [raw async for raw in self._client.list(kind, namespace, selector=selector)]
        except Forbidden:
            self.notes.append(f"you may not list {kind.plural}, so what they would tell is missing")
        except NotFound:
            self.notes.append(f"the cluster has no {kind.plural}")
        return None
