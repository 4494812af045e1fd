"""The Prometheus Operator's PodMonitor: it lets Prometheus read the cloud replicas' metrics."""

import re
from typing import Final

from edgeglm_api import labels
from edgeglm_api.inference_service import InferenceService
from edgeglm_operator.resources.knative_service import is_knative
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.selectors import ENGINE, cloud_selector, component
from edgeglm_operator.settings import Settings

INTERVAL_SECONDS: Final = 15


def make_pod_monitor(service: InferenceService, settings: Settings) -> Manifest:
    """Pods, not the Service: each replica's figures are its own. Edge replicas listen on loopback only."""
    return manifest(
        "monitoring.coreos.com/v1",
        "PodMonitor",
        service.metadata.namespace,
        service.metadata.name,
        labels={**settings.pod_monitor_labels, **component(ENGINE), **cloud_selector(service)},
        owner=owned_by(service),
        spec={
            "selector": {"matchLabels": cloud_selector(service)},
            "podTargetLabels": [labels.SERVICE],
            "podMetricsEndpoints": [{"port": _port(service), "path": "/metrics", "interval": f"{INTERVAL_SECONDS}s"}],
        },
    )


def _port(service: InferenceService) -> str:
    """What the engine's port is called in the pod; Knative calls it so."""
    return "user-port" if is_knative(service) else "http"


def target_label(key: str) -> str:
    """How Prometheus calls a label of a pod."""
    return re.sub(r"[^A-Za-z0-9_]", "_", key)
