"""The HorizontalPodAutoscaler of the cloud replicas, for clusters that serve pod metrics and have no KEDA."""

from typing import Final

from edgeglm_api.inference_service import Autoscaling, InferenceService
from edgeglm_operator.resources.load_target import load_target, pace, scale_target
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.selectors import ENGINE, cloud_selector, component
from edgeglm_operator.settings import Settings

IN_FLIGHT_METRIC: Final = "edgeglm_requests_in_flight"
KV_CACHE_METRIC: Final = "edgeglm_kv_cache_percent"
"""What the metrics adapter has to serve for each pod; docs/guide/autoscale.md has its rules. vLLM's own names will not
do: requests in flight are the sum of two of them.
"""


def make_autoscaler(service: InferenceService, asked: Autoscaling, settings: Settings) -> Manifest:
    """It scales the Deployment by the mean of its pods."""
    target = load_target(service, asked, settings)
    return manifest(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        service.metadata.namespace,
        service.metadata.name,
        labels=component(ENGINE) | cloud_selector(service),
        owner=owned_by(service),
        spec={
            "scaleTargetRef": scale_target(service),
            "minReplicas": asked.min_replicas,
            "maxReplicas": asked.max_replicas,
            "behavior": pace(asked),
            "metrics": [
                _metric(IN_FLIGHT_METRIC, target.in_flight),
                _metric(KV_CACHE_METRIC, target.kv_cache_percent),
            ],
        },
    )


def _metric(name: str, mean: int) -> Manifest:
    target = {"type": "AverageValue", "averageValue": str(mean)}
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": target}}
