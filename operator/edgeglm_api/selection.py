"""Which nodes are meant by `sites:`; the same selector stands in an edge target and in a SensorGraph."""

from collections.abc import Mapping

from edgeglm_api import labels
from edgeglm_api.model import Model


class Sites(Model, frozen=True, kw_only=True):
    """Exactly one of the three is set (a CEL rule of the CRDs)."""

    node_group: str | None = None
    """A KubeEdge NodeGroup, by the label that it puts on its nodes."""
    node_selector: dict[str, str] | None = None
    node_names: tuple[str, ...] | None = None


def selects(sites: Sites, *, node: str, node_labels: Mapping[str, str]) -> bool:
    """Whether a node is one of the sites. Only edge nodes ever are."""
    if labels.EDGE_NODE not in node_labels:
        return False
    if sites.node_names is not None:
        return node in sites.node_names
    if sites.node_group is not None:
        return node_labels.get(labels.NODE_GROUP) == sites.node_group
    wanted = sites.node_selector or {}
    return bool(wanted) and all(node_labels.get(key) == value for key, value in wanted.items())
