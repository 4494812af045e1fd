"""The PodDisruptionBudget of the cloud replicas: how many a drain may take at once."""

from edgeglm_api.inference_service import InferenceService
from edgeglm_operator.resources.cloud_deployment import autoscaling_of, replicas_of
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.selectors import ENGINE, cloud_selector, component


def wants_disruption_budget(service: InferenceService) -> bool:
    """Whether there is one. Over a single replica it could only forbid every drain, or none."""
    cloud, autoscaling = service.spec.cloud, autoscaling_of(service)
    most = autoscaling.max_replicas if autoscaling else replicas_of(service)
    return cloud is not None and cloud.disruption_budget == "Auto" and most > 1


def make_disruption_budget(service: InferenceService) -> Manifest:
    """One replica at a time, since another one takes as long to come as its model takes to load."""
    selector = cloud_selector(service)
    return manifest(
        "policy/v1",
        "PodDisruptionBudget",
        service.metadata.namespace,
        service.metadata.name,
        labels=component(ENGINE) | selector,
        owner=owned_by(service),
        spec={
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector},
            # One that does not serve may always go: nothing is lost by it, and no drain waits for it to be mended.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    )
