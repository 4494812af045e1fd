"""What is to stand beside the cloud replicas where the cluster has an API for it, from autoscaler to monitor."""

from collections.abc import Iterator
from enum import StrEnum

from edgeglm_api.inference_service import Activator, Autoscaling, InferenceService, Routing
from edgeglm_operator.observed import Apis, Deployment
from edgeglm_operator.reconcile.refused import Reason, Refused
from edgeglm_operator.resources.autoscaler import make_autoscaler
from edgeglm_operator.resources.cloud_deployment import autoscaling_of
from edgeglm_operator.resources.http_route import Way, make_http_route
from edgeglm_operator.resources.inference_pool import make_inference_pool
from edgeglm_operator.resources.interceptor_route import make_interceptor_route
from edgeglm_operator.resources.knative_service import is_knative
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.pod_monitor import make_pod_monitor
from edgeglm_operator.resources.scaled_object import make_scaled_object
from edgeglm_operator.settings import Settings


class Companion(StrEnum):
    """What it is, by the condition that speaks of it."""

    AUTOSCALER = "AutoscalingReady"
    ACTIVATOR = "ActivatorReady"
    ROUTE = "RouteReady"
    POOL = "PoolReady"
    MONITOR = "MonitoringReady"


def companions(
    service: InferenceService, apis: Apis, settings: Settings
) -> Iterator[tuple[Companion, Manifest | Refused]]:
    """All that is asked for: as it is to be, or why it cannot be."""
    spec, routing = service.spec, service.spec.routing or Routing()
    autoscaling = autoscaling_of(service)
    # Knative has its own.
    if autoscaling is not None and not is_knative(service):
        yield Companion.AUTOSCALER, _autoscaler(service, autoscaling, apis, settings)
        if autoscaling.activator == "HTTPAddon":
            made = make_interceptor_route(service, autoscaling, settings)
            yield Companion.ACTIVATOR, made if apis.interceptor_routes else _NO_HTTP_ADDON
    if (route := routing.http_route) is not None:
        made = make_http_route(service, route, settings, _way(service, routing, apis))
        yield Companion.ROUTE, made if apis.http_routes else _NO_ROUTES
    if (pool := routing.inference_pool) is not None:
        yield Companion.POOL, make_inference_pool(service, pool) if apis.inference_pools else _NO_POOLS
    if spec.monitoring is not None and spec.monitoring.pod_monitor:
        yield Companion.MONITOR, make_pod_monitor(service, settings) if apis.pod_monitors else _NO_MONITORS


def activator_in(asked: Autoscaling, apis: Apis) -> Activator | None:
    """Who brings replicas back from none in this cluster; None where nobody does, so that there must always be one."""
    wanted = asked.activator
    if wanted == "HTTPAddon" and not (apis.scaled_objects and apis.interceptor_routes):
        return None
    return wanted


def kept_replicas(asked: Autoscaling, live: Deployment | None, activator: Activator | None) -> int:
    """How many replicas there are while nobody scales: as many as there were, within the bounds; at first the least.

    An autoscaler that vanishes under load must not take what it has added.
    """
    return asked.min_replicas if live is None else within(asked, live.replicas, activator)


def within(asked: Autoscaling, replicas: int, activator: Activator | None) -> int:
    """The nearest number that the bounds allow; none is allowed where somebody brings them back."""
    if not replicas and activator is not None:
        return 0
    return min(max(replicas, asked.min_replicas), asked.max_replicas)


def _way(service: InferenceService, routing: Routing, apis: Apis) -> Way:
    autoscaling = autoscaling_of(service)
    if autoscaling is not None and activator_in(autoscaling, apis) == "HTTPAddon":
        return Way.PROXY
    return Way.POOL if routing.inference_pool is not None and apis.inference_pools else Way.SERVICE


def _autoscaler(service: InferenceService, asked: Autoscaling, apis: Apis, settings: Settings) -> Manifest | Refused:
    """KEDA's, as it asks for figures itself; else Kubernetes' own, where an adapter serves it some. Never both."""
    activator = activator_in(asked, apis)
    if apis.scaled_objects and (settings.prometheus_url or activator == "HTTPAddon"):
        return make_scaled_object(service, asked, settings, activator)
    if apis.pod_metrics:
        return make_autoscaler(service, asked, settings)
    return _NO_PROMETHEUS if apis.scaled_objects else _NO_AUTOSCALER


_NO_AUTOSCALER = Refused(
    Reason.NO_AUTOSCALER,
    "spec.cloud.autoscaling: the number of replicas stays as it is, for the cluster has neither KEDA (keda.sh/v1alpha1)"
    " nor pod metrics (custom.metrics.k8s.io/v1beta1) for the operator; install one of them, or set spec.cloud.replicas"
    " instead",
)
_NO_PROMETHEUS = Refused(
    Reason.PROMETHEUS_NOT_CONFIGURED,
    "spec.cloud.autoscaling: the number of replicas stays as it is, for KEDA needs the address of Prometheus; set"
    " prometheus.url of the chart",
)
_NO_HTTP_ADDON = Refused(
    Reason.HTTP_ADDON_MISSING,
    "spec.cloud.autoscaling.scaleToZero: there are never fewer than minReplicas, for the cluster has no"
    " InterceptorRoute (http.keda.sh/v1beta1) for the operator, and so nobody who would wake them; install KEDA's HTTP"
    " Add-on (0.14 or later), or drop the field",
)
_NO_ROUTES = Refused(
    Reason.GATEWAY_API_MISSING,
    "spec.routing.httpRoute: the cluster has no HTTPRoute (gateway.networking.k8s.io/v1) for the operator; install the"
    " Gateway API, or drop the field",
)
_NO_POOLS = Refused(
    Reason.INFERENCE_EXTENSION_MISSING,
    "spec.routing.inferencePool: the cluster has no InferencePool (inference.networking.k8s.io/v1) for the operator, so"
    " a route leads to the Service; install the Gateway API's inference extension, or drop the field",
)
_NO_MONITORS = Refused(
    Reason.PROMETHEUS_OPERATOR_MISSING,
    "spec.monitoring.podMonitor: the cluster has no PodMonitor (monitoring.coreos.com/v1) for the operator; install the"
    " Prometheus Operator, or drop the field",
)
