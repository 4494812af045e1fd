"""What KubeEdge needs to see on every pod at a site, engine or agent (rules O1 to O6)."""

from edgeglm_api import labels
from edgeglm_operator.resources.manifest import Manifest


def on_edge_node(node: str) -> Manifest:
    """Keep a pod on one edge node, through whatever its link does."""
    return {
        "affinity": {"nodeAffinity": _only_here(node)},
        "tolerations": _stay_when_dark(),
        "hostNetwork": True,
        # The node's own resolver. Without EdgeMesh the cluster's DNS answers nobody at the edge, and
        # ClusterFirstWithHostNet would point there.
        "dnsPolicy": "Default",
    }


def _only_here(node: str) -> Manifest:
    """By affinity, never by nodeName, which skips the scheduler and makes endless copies on a dark node (rule O1)."""
    term = {
        "matchExpressions": [{"key": labels.EDGE_NODE, "operator": "Exists"}],
        "matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}],
    }
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}


def _stay_when_dark() -> list[Manifest]:
    """Without limit of time, or the control plane evicts after 300 s what still runs well (rule O2)."""
    return [
        {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"},
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"},
        {"key": labels.EDGE_NODE, "operator": "Exists"},
    ]
