"""Small objects for the scenes."""

from typing import Any

from edgeglm_api import labels
from edgeglm_api.download import LastMessage, Outcome, write_last_message
from edgeglm_api.group import API_VERSION

Manifest = dict[str, Any]
PLANT = "plant"


def an_inference_service(name: str = "llm", **spec: Any) -> Manifest:
    """In the cloud, unless the specification says otherwise."""
    spec = spec or {"cloud": {"replicas": 1}}
    return _object(API_VERSION, "InferenceService", name, spec={"model": {"uri": "hf://owner/model"}, **spec})


def a_downloading_pod(template: Manifest) -> Manifest:
    """Of a template whose second init container has just ended, as the kubelet tells it."""
    said = LastMessage(
        outcome=Outcome.DOWNLOADING, percent=25, total_bytes=18_800_000_000, whole_by="2026-11-28T12:00:00Z"
    )
    ended = {"terminated": {"exitCode": 0, "message": write_last_message(said).decode()}}
    names = [container["name"] for container in template["spec"]["initContainers"]]
    states = [{"terminated": {"exitCode": 0}}, ended, {"running": {"startedAt": "2026-11-28T11:00:00Z"}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "llm-1", "namespace": PLANT, "labels": template["metadata"]["labels"]},
        "spec": {**template["spec"], "nodeName": "gpu-1"},
        "status": {
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "initContainerStatuses": [
                {"name": name, "state": state} for name, state in zip(names, states, strict=False)
            ],
        },
    }


def an_edge_target(*nodes: str, name: str = "sites", port: int = 8000) -> Manifest:
    """An entry of `spec.edge`."""
    return {"name": name, "sites": {"nodeNames": list(nodes)}, "port": port}


def a_sensor_graph(name: str = "line", *nodes: str, service: str = "llm", **spec: Any) -> Manifest:
    """Vibration of machines, asked of a service."""
    source = {
        "name": "vibration",
        "topic": "plant/{line}/{machine}/vibration",
        "entity": {"type": "Machine", "id": "{machine}"},
        "measurements": [{"property": "rms", "path": "$.rms"}],
    }
    asked: Manifest = {
        "sites": {"nodeNames": list(nodes)},
        "broker": {"url": "mqtt://127.0.0.1:1883"},
        "sources": [source],
        "window": {"sizeSeconds": 10},
        "reasoning": {"serviceRef": {"name": service}},
        "output": {"topic": "insights/{graph}/{partition}"},
    }
    return _object(API_VERSION, "SensorGraph", name, spec={**asked, **spec})


def an_edge_site(name: str, node: str, **spec: Any) -> Manifest:
    """As a user makes it."""
    return _object(API_VERSION, "EdgeSite", name, spec={"nodeName": node, **spec})


def an_edge_node(name: str, *, ready: bool = True, since: str = "2025-12-31T00:00:00Z") -> Manifest:
    """A node that KubeEdge runs."""
    condition = {
        "type": "Ready",
        "status": "True" if ready else "Unknown",
        "lastTransitionTime": since,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {labels.EDGE_NODE: ""}},
        "status": {"conditions": [condition]},
    }


def _object(api_version: str, kind: str, name: str, **body: Any) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": PLANT}, **body}
