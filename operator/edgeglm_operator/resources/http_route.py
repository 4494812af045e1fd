"""The HTTPRoute from the user's Gateways to the cloud replicas, or to the pool that they are."""

from typing import Final

from edgeglm_api.inference_service import HTTPRoute, InferenceService
from edgeglm_api.model import write
from edgeglm_operator.resources.inference_pool import pool_reference
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.selectors import ENGINE, cloud_selector, component
from edgeglm_operator.resources.vllm import PORT

PATH: Final = "/v1"
"""What the engine's API key guards; beside it lie its metrics and others that need no key."""


def make_http_route(service: InferenceService, asked: HTTPRoute, *, to_pool: bool) -> Manifest:
    """All of /v1 to the InferencePool or the Service, each request within `timeouts.requestSeconds`."""
    seconds = f"{service.spec.timeouts.request_seconds}s"
    return manifest(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        service.metadata.namespace,
        service.metadata.name,
        labels=component(ENGINE) | cloud_selector(service),
        owner=owned_by(service),
        spec={
            "parentRefs": [write(parent) for parent in asked.parent_refs],
            **({"hostnames": list(asked.hostnames)} if asked.hostnames else {}),
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": PATH}}],
                    "backendRefs": [
                        pool_reference(service) if to_pool else {"name": service.metadata.name, "port": PORT}
                    ],
                    # A gateway's own bound, often 15 s, would cut long answers.
                    "timeouts": {"request": seconds, "backendRequest": seconds},
                }
            ],
        },
    )
