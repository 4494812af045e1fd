"""The InferencePool: the cloud replicas, and who chooses among them.

Its fields are those of v1 of gateway-api-inference-extension (config/crd/bases).
"""

from typing import Final

from edgeglm_api.inference_service import InferencePool, InferenceService
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.selectors import ENGINE, cloud_selector, component
from edgeglm_operator.resources.vllm import PORT

_GROUP: Final = "inference.networking.k8s.io"
_KIND: Final = "InferencePool"


def make_inference_pool(service: InferenceService, asked: InferencePool) -> Manifest:
    """All cloud replicas, at the engine's port."""
    picker = asked.endpoint_picker
    selector = cloud_selector(service)
    return manifest(
        f"{_GROUP}/v1",
        _KIND,
        service.metadata.namespace,
        service.metadata.name,
        labels=component(ENGINE) | selector,
        owner=owned_by(service),
        spec={
            "selector": {"matchLabels": selector},
            "targetPorts": [{"number": PORT}],
            "endpointPickerRef": {
                "kind": "Service",
                "name": picker.name,
                "port": {"number": picker.port},
                "failureMode": picker.failure_mode,
            },
        },
    )


def pool_reference(service: InferenceService) -> Manifest:
    """How a route names it."""
    return {"group": _GROUP, "kind": _KIND, "name": service.metadata.name}
