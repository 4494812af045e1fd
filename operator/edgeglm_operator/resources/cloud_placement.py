"""Where the cloud replicas go: what the user asks for, what their accelerator asks for, and never an edge node."""

from collections.abc import Mapping
from typing import Any, Final

from edgeglm_api import labels as keys
from edgeglm_api.inference_service import DEFAULT_RESOURCE, Cloud, CloudAccelerator
from edgeglm_operator.resources.gpu_labels import asked_of_labels
from edgeglm_operator.resources.manifest import Manifest

REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
TERMS: Final = "nodeSelectorTerms"

_OFF_THE_EDGE: Final[Manifest] = {"key": keys.EDGE_NODE, "operator": "DoesNotExist"}
"""KubeEdge does not taint its nodes, and cloud pods do land on them without this (measured)."""


def cloud_placement(cloud: Cloud, selector: Mapping[str, str]) -> Manifest:
    """The fields of the pod's spec that the scheduler reads. `selector` is that of the cloud replicas."""
    placement: Manifest = {
        "affinity": _affinity(cloud),
        "nodeSelector": cloud.node_selector,
        "tolerations": _tolerations(cloud),
        "topologySpreadConstraints": [_spread(asked, selector) for asked in cloud.topology_spread_constraints],
        "schedulerName": cloud.scheduler_name,
        "priorityClassName": cloud.priority_class_name,
        "runtimeClassName": cloud.runtime_class_name,
    }
    return {field: value for field, value in placement.items() if value}


def off_the_edge(cloud: Cloud) -> Manifest:
    """Where a pod goes that helps the replicas: on any node that they put up with, but on none of the edge."""
    terms = [{"matchExpressions": [_OFF_THE_EDGE]}]
    placement: Manifest = {"affinity": {"nodeAffinity": {REQUIRED: {TERMS: terms}}}, "tolerations": _tolerations(cloud)}
    return {field: value for field, value in placement.items() if value}


def _affinity(cloud: Cloud) -> Manifest:
    by_node = cloud.affinity.get("nodeAffinity", {})
    required = by_node.get(REQUIRED, {})
    # Of terms one is enough, so what must always hold stands in each of them.
    ours = [_OFF_THE_EDGE, *asked_of_labels(cloud.accelerator)]
    terms = [_with(term, ours) for term in required.get(TERMS) or [{}]]
    return {**cloud.affinity, "nodeAffinity": {**by_node, REQUIRED: {**required, TERMS: terms}}}


def _with(term: Manifest, expressions: list[Manifest]) -> Manifest:
    return {**term, "matchExpressions": [*term.get("matchExpressions", ()), *expressions]}


def _tolerations(cloud: Cloud) -> list[Manifest]:
    # The API server drops empty words, and would then look changed.
    asked = [{key: value for key, value in toleration.items() if value != ""} for toleration in cloud.tolerations]
    return [*asked, *(_tolerates(taint) for taint in _taints(cloud.accelerator))]


def _taints(accelerator: CloudAccelerator | None) -> list[str]:
    """What nodes with accelerators are tainted with, to keep others off; of what a claim brings nobody knows."""
    if accelerator is None or accelerator.claim_template_name is not None:
        return []
    name = accelerator.resource_name
    # Slices and shares are on nodes that are tainted as nodes with GPUs.
    is_part = name.startswith("nvidia.com/") and name != DEFAULT_RESOURCE
    return [name, DEFAULT_RESOURCE] if is_part else [name]


def _tolerates(taint: str) -> Manifest:
    return {"key": taint, "operator": "Exists", "effect": "NoSchedule"}


def _spread(asked: dict[str, Any], selector: Mapping[str, str]) -> Manifest:
    """Kubernetes itself takes an absent selector for one that meets no pod."""
    return {"labelSelector": {"matchLabels": dict(selector)}, **asked}
