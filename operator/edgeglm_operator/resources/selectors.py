"""What children carry so that they are found again: by a Service, by the pruning, by a person with `kubectl -l`.

A Deployment's selector can never change, so these are part of the API between one release of the operator and the next.
"""

from typing import Final

from edgeglm_api import labels
from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.inference_service import EdgeTarget, InferenceService
from edgeglm_operator.resources.names import site_name

APP: Final = "edgeglm"

CLOUD: Final = "cloud"
WORKER: Final = "cloud-worker"
"""Of a replica over several nodes: all its pods but the first, which alone is asked."""
EDGE: Final = "edge"

ENGINE: Final = "engine"
AGENT: Final = "agent"
BUNDLE: Final = "bundle"
VERIFICATION: Final = "verification"


def cloud_selector(service: InferenceService) -> dict[str, str]:
    """The cloud replicas of one service; edge replicas never match it."""
    return {labels.SERVICE: service.metadata.name, labels.PLACE: CLOUD}


def worker_selector(service: InferenceService) -> dict[str, str]:
    """The pods that help the cloud replicas of one service on other nodes. A Service must never send requests there."""
    return {labels.SERVICE: service.metadata.name, labels.PLACE: WORKER}


def edge_selector(service: InferenceService, target: EdgeTarget, node: str) -> dict[str, str]:
    """The replica of one target on one node."""
    return {
        labels.SERVICE: service.metadata.name,
        labels.PLACE: EDGE,
        labels.TARGET: target.name,
        labels.SITE: site_name(node),
    }


def verification_selector(service: InferenceService) -> dict[str, str]:
    """Who verifies the cloud replicas of one service. No place: a Service must never take them for replicas."""
    return {labels.SERVICE: service.metadata.name, labels.COMPONENT: VERIFICATION}


def agent_selector(site: EdgeSite) -> dict[str, str]:
    """The agent of one site."""
    return {labels.SITE: site.metadata.name, labels.COMPONENT: AGENT}


def component(name: str) -> dict[str, str]:
    """The recommended labels that every child of one component has."""
    return {labels.NAME: APP, labels.COMPONENT: name, labels.PART_OF: APP}


def selector_text(selector: dict[str, str]) -> str:
    """A selector as text, for the scale subresource."""
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
