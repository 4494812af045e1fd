"""Small worlds for the tests of the pure half: each builder makes the least that is valid, and takes what matters."""

from typing import Any, Final

from edgeglm_api import labels
from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.model import read
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.observed import Container, Deployment, Node, Pod

NOW: Final = "2026-11-22T12:00:00Z"


def an_inference_service(
    name: str = "llm", *, namespace: str = "plant", created: str = "", **spec: Any
) -> InferenceService:
    """In the cloud only, unless told otherwise."""
    spec = {"model": {"uri": "hf://zai-org/glm-4-9b-chat-hf"}} | spec
    if "edge" not in spec and "cloud" not in spec:
        spec["cloud"] = {}
    metadata = _metadata(name, namespace, "InferenceService") | {"creationTimestamp": created}
    return read({"metadata": metadata, "spec": spec}, InferenceService)


def a_target(name: str = "plants", *, nodes: tuple[str, ...] = ("box-1",), **rest: Any) -> dict[str, Any]:
    """An entry of spec.edge."""
    return {"name": name, "sites": {"nodeNames": list(nodes)}} | rest


def a_sensor_graph(name: str = "line-1", *, namespace: str = "plant", created: str = "", **spec: Any) -> SensorGraph:
    """One source, and a service to ask."""
    source = {
        "name": "vibration",
        "topic": "plant/{line}/{machine}/vibration",
        "entity": {"type": "Machine", "id": "{line}/{machine}"},
        "measurements": [{"property": "rms", "path": "$.rms"}],
    }
    spec = {
        "sites": {"nodeNames": ["box-1"]},
        "broker": {"url": "mqtt://127.0.0.1:1883"},
        "sources": [source],
        "window": {"sizeSeconds": 10},
        "reasoning": {"serviceRef": {"name": "llm"}},
        "output": {"topic": "insights/{graph}/{partition}"},
    } | spec
    metadata = _metadata(name, namespace, "SensorGraph") | {"creationTimestamp": created}
    return read({"metadata": metadata, "spec": spec}, SensorGraph)


def an_edge_site(name: str = "box-1", *, namespace: str = "plant", **spec: Any) -> EdgeSite:
    """The site of the node called like it."""
    metadata = _metadata(name, namespace, "EdgeSite")
    return read({"metadata": metadata, "spec": {"nodeName": name} | spec}, EdgeSite)


def a_node(name: str = "box-1", *, ready: bool = True, **more: str) -> Node:
    """An edge node."""
    return Node(name=name, labels={labels.EDGE_NODE: "", **more}, ready=ready, since="2026-11-22T11:00:00Z")


def a_deployment(*, replicas: int = 1, ready: int = 0, updated: int | None = None, **rest: Any) -> Deployment:
    """Observed, with all its pods there and none of them ready."""
    updated = replicas if updated is None else updated
    fields = {
        "namespace": "plant",
        "name": "llm",
        "generation": 1,
        "observed_generation": 1,
        "replicas": replicas,
        "current_replicas": replicas,
        "ready_replicas": ready,
        "updated_replicas": updated,
        "available_replicas": ready,
    }
    return Deployment(**{**fields, **rest})


def a_pod(*containers: Container, **rest: Any) -> Pod:
    """Scheduled on box-1 ten minutes ago, and not ready."""
    fields: dict[str, Any] = {
        "namespace": "plant",
        "name": "llm-abc",
        "node": "box-1",
        "scheduled": True,
        "created": "2026-11-22T11:50:00Z",
        "started": "2026-11-22T11:50:00Z",
        "containers": containers,
    }
    return Pod(**{**fields, **rest})


def _metadata(name: str, namespace: str, kind: str) -> dict[str, Any]:
    return {"name": name, "namespace": namespace, "uid": f"{kind}-{namespace}-{name}", "generation": 3}
