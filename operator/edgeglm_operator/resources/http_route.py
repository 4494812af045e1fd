"""The HTTPRoute from the user's Gateways to the cloud replicas, to the pool that they are, or to who wakes them."""

from enum import Enum, auto
from typing import Final

from edgeglm_api.inference_service import HTTPRoute, InferenceService
from edgeglm_api.model import write
from edgeglm_operator.resources.http_addon import host_of, proxy_reference
from edgeglm_operator.resources.inference_pool import pool_reference
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.selectors import ENGINE, cloud_selector, component
from edgeglm_operator.resources.vllm import PORT
from edgeglm_operator.settings import Settings

PATH: Final = "/v1"
"""What the engine's API key guards; beside it lie its metrics and others that need no key."""


class Way(Enum):
    """Where a route leads."""

    SERVICE = auto()
    POOL = auto()
    """The InferencePool."""
    PROXY = auto()
    """That of KEDA's HTTP Add-on."""


def make_http_route(service: InferenceService, asked: HTTPRoute, settings: Settings, way: Way) -> Manifest:
    """All of /v1, or what of it is for this model.

    Each request may take `timeouts.requestSeconds`, and by the proxy the start of a replica besides.
    """
    timeouts = service.spec.timeouts
    seconds = f"{timeouts.request_seconds + (timeouts.startup_seconds if way is Way.PROXY else 0)}s"
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
                    "matches": _matches(service, asked),
                    # The proxy tells by the host name whom a request is for.
                    **({"filters": [_renamed(service)]} if way is Way.PROXY else {}),
                    "backendRefs": [_backend(service, settings, way)],
                    # A gateway's own bound, often 15 s, would cut long answers.
                    "timeouts": {"request": seconds, "backendRequest": seconds},
                }
            ],
        },
    )


def _matches(service: InferenceService, asked: HTTPRoute) -> list[Manifest]:
    """By the path alone, or by it and each name of the model in turn: matches are alternatives, 17 of 64 at most."""
    path = {"path": {"type": "PathPrefix", "value": PATH}}
    if asked.model_header is None:
        return [path]
    header = {"type": "Exact", "name": asked.model_header}
    return [path | {"headers": [header | {"value": name}]} for name in service.model_names]


def _renamed(service: InferenceService) -> Manifest:
    return {"type": "URLRewrite", "urlRewrite": {"hostname": host_of(service)}}


def _backend(service: InferenceService, settings: Settings, way: Way) -> Manifest:
    match way:
        case Way.SERVICE:
            return {"name": service.metadata.name, "port": PORT}
        case Way.POOL:
            return pool_reference(service)
        case Way.PROXY:
            return proxy_reference(settings)
