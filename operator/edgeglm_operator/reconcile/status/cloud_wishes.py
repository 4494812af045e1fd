"""What a user asks of nodes, volumes and activators for the cloud replicas, as far as it says why none serves."""

from collections.abc import Iterator
from typing import Final

from edgeglm_api.inference_service import Cloud, InferenceService
from edgeglm_operator.resources.cloud_deployment import autoscaling_of
from edgeglm_operator.resources.gpu_labels import is_labelled, memory_label, product_label
from edgeglm_operator.resources.http_addon import host_of
from edgeglm_operator.resources.load_target import scale_target
from edgeglm_operator.resources.weights import OCI

_NAME_IN: Final = {
    "configMap": "name",
    "secret": "secretName",
    "persistentVolumeClaim": "claimName",
    "image": "reference",
}
"""Where a volume of a kind says which object it is made of."""


def node_fields(cloud: Cloud) -> tuple[str, ...]:
    """The fields that say which nodes will do, with the labels that they mean where the field does not name them."""
    return tuple(_node_fields(cloud))


def woken_by(service: InferenceService) -> str:
    """Who brings the replicas back from none, for a sentence; empty where there is always one."""
    asked = autoscaling_of(service)
    # Knative says itself what it wakes.
    if asked is None or asked.activator in {None, "Knative"}:
        return ""
    if asked.activator == "External":
        scaled = scale_target(service)
        return f"your activator, by scaling {scaled['kind']} {scaled['name']},"
    return f"the next request for host {host_of(service)} that reaches KEDA's HTTP Add-on"


def claim_template(cloud: Cloud) -> str:
    """The ResourceClaimTemplate that replicas get their devices by; empty where there is none."""
    return (cloud.accelerator and cloud.accelerator.claim_template_name) or ""


def model_image(service: InferenceService) -> str:
    """The image that is mounted for its model; empty where none is."""
    cache = service.spec.cloud.cache if service.spec.cloud else None
    return "" if cache is None or cache.image_volume is None else service.spec.model.uri.removeprefix(OCI)


def mounted_objects(cloud: Cloud) -> tuple[str, ...]:
    """The names of what the volumes are made of."""
    sources = ((kind, source) for volume in cloud.volumes for kind, source in volume.items() if kind in _NAME_IN)
    return tuple(source[_NAME_IN[kind]] for kind, source in sources)


def _node_fields(cloud: Cloud) -> Iterator[str]:
    accelerator = cloud.accelerator
    if accelerator is not None and is_labelled(accelerator):
        if accelerator.products:
            yield f"spec.cloud.accelerator.products (label {product_label(accelerator)})"
        if accelerator.memory is not None:
            yield f"spec.cloud.accelerator.memory (label {memory_label(accelerator)}, in MiB)"
    if cloud.node_selector:
        yield "spec.cloud.nodeSelector"
    if cloud.affinity.get("nodeAffinity"):
        yield "spec.cloud.affinity"
