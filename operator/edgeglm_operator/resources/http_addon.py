"""KEDA's HTTP Add-on: a proxy that holds requests while no replica runs, and tells KEDA how many there are.

The names of its Services are those that its Helm chart gives them, whatever the release is called.
"""

from typing import Final

from edgeglm_api import labels
from edgeglm_api.inference_service import InferenceService, Peer
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.settings import Settings

PROXY_PORT: Final = 8080

_PROXY: Final = "keda-add-ons-http-interceptor-proxy"
_SCALER: Final = "keda-add-ons-http-external-scaler"
_SCALER_PORT: Final = 9090


def host_of(service: InferenceService) -> str:
    """The host name by which the proxy knows whom a request is for. It is that of the Service."""
    return f"{service.metadata.name}.{service.metadata.namespace}.svc"


def proxy_reference(settings: Settings) -> Manifest:
    """How a route names the proxy; the add-on's namespace must allow it by a ReferenceGrant."""
    return {"name": _PROXY, "namespace": settings.http_addon_namespace, "port": PROXY_PORT}


def proxy_peer(settings: Settings) -> Peer:
    """The pods that requests come from then."""
    return Peer(namespace_selector={labels.NAMESPACE: settings.http_addon_namespace})


def scaler_address(settings: Settings) -> str:
    """Where KEDA asks how many requests there are."""
    return f"{_SCALER}.{settings.http_addon_namespace}.svc:{_SCALER_PORT}"
