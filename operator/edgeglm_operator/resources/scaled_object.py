"""KEDA's ScaledObject: the number of cloud replicas by what Prometheus, or its HTTP Add-on, says of their load."""

from collections.abc import Iterator
from typing import Final

from edgeglm_api import labels
from edgeglm_api.inference_service import Activator, Autoscaling, InferenceService
from edgeglm_operator.resources.http_addon import scaler_address
from edgeglm_operator.resources.load_target import LoadTarget, load_target, pace, scale_target
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.pod_monitor import target_label
from edgeglm_operator.resources.selectors import ENGINE, cloud_selector, component
from edgeglm_operator.settings import Settings

POLLING_SECONDS: Final = 15
FAILURES: Final = 4
"""Queries in a row without an answer, that is a minute, until KEDA goes by its fallback."""

_NEVER_SECONDS: Final = 2**31 - 1
"""68 years, the most that the field holds."""


def make_scaled_object(
    service: InferenceService, asked: Autoscaling, settings: Settings, activator: Activator | None
) -> Manifest:
    """It scales the Deployment. Without an answer to its questions, it never scales down.

    `activator` is who brings replicas back from none; without one there is always one.
    """
    target = load_target(service, asked, settings)
    if activator == "HTTPAddon":
        triggers = list(_of_the_add_on(service, target, settings))
    else:
        triggers = list(_of_the_engines(service, target, settings))
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
            **_to_zero(service, asked, activator),
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
            "triggers": triggers,
        },
    )


def _to_zero(service: InferenceService, asked: Autoscaling, activator: Activator | None) -> Manifest:
    """When it goes from any number to none; from none it goes to the least that there are to be."""
    match activator:
        case None:
            return {}
        case "HTTPAddon":
            idle = asked.scale_down_delay_seconds
            # The first replica is shown to serve, though nobody asks it yet.
            first = max(idle, service.spec.timeouts.startup_seconds)
        case "External":
            # To KEDA what somebody else has woken would look idle while it loads, and go at once.
            idle = first = _NEVER_SECONDS
    return {"idleReplicaCount": 0, "cooldownPeriod": idle, "initialCooldownPeriod": first}


def _of_the_engines(service: InferenceService, target: LoadTarget, settings: Settings) -> Iterator[Manifest]:
    # No answer is not "no load": lost targets would scale down what is busy.
    yield _trigger("in-flight", in_flight(service), target.in_flight, settings, null_is_zero=False)
    yield _trigger("kv-cache", kv_cache_percent(service), target.kv_cache_percent, settings, null_is_zero=False)


def _of_the_add_on(service: InferenceService, target: LoadTarget, settings: Settings) -> Iterator[Manifest]:
    """What is in flight its proxy knows best: it counts those too that wait for the first replica."""
    metadata = {"scalerAddress": scaler_address(settings), "interceptorRoute": service.metadata.name}
    yield {"type": "external-push", "name": "in-flight", "metricType": "AverageValue", "metadata": metadata}
    if settings.prometheus_url:
        # Of no replica there is no figure, and that is no fault.
        yield _trigger("kv-cache", kv_cache_percent(service), target.kv_cache_percent, settings, null_is_zero=True)


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


def _trigger(name: str, query: str, threshold: int, settings: Settings, *, null_is_zero: bool) -> Manifest:
    return {
        "type": "prometheus",
        "name": name,
        # The sum over all replicas for each `threshold` of it; KEDA's fallback knows no other type for certain.
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": settings.prometheus_url,
            "query": query,
            "threshold": str(threshold),
            "ignoreNullValues": "true" if null_is_zero else "false",
        },
    }
