"""The Service in front of the cloud replicas."""

from edgeglm_api.inference_service import InferenceService
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.selectors import ENGINE, cloud_selector, component
from edgeglm_operator.resources.vllm import PORT
from edgeglm_operator.settings import Settings


def make_service(service: InferenceService, _settings: Settings) -> Manifest:
    """The ClusterIP in front of the cloud replicas; replicas at the edge are reached on their node only."""
    selector = cloud_selector(service)
    return manifest(
        "v1",
        "Service",
        service.metadata.namespace,
        service.metadata.name,
        labels=component(ENGINE) | selector,
        owner=owned_by(service),
        spec={
            "type": "ClusterIP",
            "selector": selector,
            "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    )


def service_url(service: InferenceService) -> str:
    """Where the cloud replicas answer inside the cluster."""
    return f"http://{service.metadata.name}.{service.metadata.namespace}.svc:{PORT}"
