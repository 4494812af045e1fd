"""KEDA's ScaledObject: the number of cloud replicas by what Prometheus says of their load."""

from typing import Final

from edgeglm_api import labels
from edgeglm_api.inference_service import Autoscaling, InferenceService
from edgeglm_operator.resources.load_target import load_target, pace, scale_target
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.pod_monitor import target_label
from edgeglm_operator.resources.selectors import ENGINE, cloud_selector, component
from edgeglm_operator.settings import Settings

POLLING_SECONDS: Final = 15
FAILURES: Final = 4
"""Queries in a row without an answer, that is a minute, until KEDA goes by its fallback."""


def make_scaled_object(service: InferenceService, asked: Autoscaling, settings: Settings) -> Manifest:
    """It scales the Deployment. Without an answer of Prometheus, it never scales down."""
    target = load_target(service, asked, settings)
    return manifest(
        "keda.sh/v1alpha1",
        "ScaledObject",
        service.metadata.namespace,
        service.metadata.name,
        labels=component(ENGINE) | cloud_selector(service),
        owner=owned_by(service),
        spec={
            "scaleTargetRef": scale_target(service),
            "pollingInterval": POLLING_SECONDS,
            "minReplicaCount": asked.min_replicas,
            "maxReplicaCount": asked.max_replicas,
            "fallback": {
                "failureThreshold": FAILURES,
                "replicas": asked.min_replicas,
                "behavior": "currentReplicasIfHigher",
            },
            "advanced": {
                # Deleted, it leaves the number as it is.
                "restoreToOriginalReplicaCount": False,
                "horizontalPodAutoscalerConfig": {"behavior": pace(asked)},
            },
            "triggers": [
                _trigger("in-flight", in_flight(service), target.in_flight, settings),
                _trigger("kv-cache", kv_cache_percent(service), target.kv_cache_percent, settings),
            ],
        },
    )


def in_flight(service: InferenceService) -> str:
    """Requests running or waiting in all replicas together: one value, or none when nobody is heard."""
    of = _series(service)
    return f"sum(vllm:num_requests_running{of}) + sum(vllm:num_requests_waiting{of})"


def kv_cache_percent(service: InferenceService) -> str:
    """The percentages of all replicas, added up; of a replica with several engines, their mean."""
    return f"100 * sum(avg by (pod) (vllm:kv_cache_usage_perc{_series(service)}))"


def _series(service: InferenceService) -> str:
    metadata = service.metadata
    return f'{{namespace="{metadata.namespace}",{target_label(labels.SERVICE)}="{metadata.name}"}}'


def _trigger(name: str, query: str, threshold: int, settings: Settings) -> Manifest:
    return {
        "type": "prometheus",
        "name": name,
        # The sum over all replicas for each `threshold` of it; KEDA's fallback knows no other type for certain.
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": settings.prometheus_url,
            "query": query,
            "threshold": str(threshold),
            # No answer is not "no load": lost targets would scale down what is busy.
            "ignoreNullValues": "false",
        },
    }
