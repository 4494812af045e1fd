"""Cloud replicas by Knative Serving: one Service of Knative, which makes revisions, pods, a route and their number.

It is made of the Deployment that the same replicas would have elsewhere. What Knative lets nobody say of a pod is left
out here where Knative sees to it itself (draining, restarts), and said in another place where it has one. What needs a
feature that Knative has off at first stays as it is: Knative refuses it until somebody allows it, and `needs_of` tells
what. Read in Knative Serving 1.24 (knative.dev/serving v0.51.0): pkg/apis/serving/{fieldmask,k8s_validation}.go.
"""

from collections.abc import Iterator
from typing import Any, Final

from edgeglm_api.inference_service import Autoscaling, InferenceService
from edgeglm_operator.resources.cloud_deployment import autoscaling_of, replicas_of
from edgeglm_operator.resources.effective_engine import effective_engine
from edgeglm_operator.resources.load_target import USUAL_SEQS, load_target
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.pod_security import USER, pod_context
from edgeglm_operator.settings import Settings

API_VERSION: Final = "serving.knative.dev/v1"
KIND: Final = "Service"

MAX_TIMEOUT_SECONDS: Final = 600
"""How long a request may take where Knative's config-defaults says nothing else."""
MAX_CONCURRENCY: Final = 1000
"""How many requests a replica may be given at once, likewise."""

_SEEN_TO_BY_KNATIVE: Final = frozenset({"restartPolicy", "terminationGracePeriodSeconds", "securityContext"})
_RUN_AS: Final = ("runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile")
"""What Knative takes of a container, but of a pod only with one feature more."""

_FEATURES_OF_PODS: Final = {
    "affinity": "podspec-affinity",
    "initContainers": "podspec-init-containers",
    "nodeSelector": "podspec-nodeselector",
    "priorityClassName": "podspec-priorityclassname",
    "runtimeClassName": "podspec-runtimeclassname",
    "schedulerName": "podspec-schedulername",
    "securityContext": "podspec-securitycontext",
    "tolerations": "podspec-tolerations",
    "topologySpreadConstraints": "podspec-topologyspreadconstraints",
}
_FEATURES_OF_VOLUMES: Final = {
    "hostPath": "podspec-volumes-hostpath",
    "image": "podspec-volumes-image",
    "persistentVolumeClaim": "podspec-persistent-volume-claim",
}


def make_knative_service(made: Manifest, service: InferenceService, settings: Settings) -> Manifest:
    """What was made as a Deployment, as a Service of Knative."""
    template = made["spec"]["template"]
    metadata = template["metadata"]
    annotations = metadata["annotations"] | _scale(service, settings) | _deadline(service)
    seconds = service.spec.timeouts.request_seconds
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": made["metadata"],
        "spec": {
            "template": {
                "metadata": {**metadata, "annotations": annotations},
                "spec": {
                    **_pod(template["spec"]),
                    "containerConcurrency": _at_once(service, settings),
                    "timeoutSeconds": seconds,
                    # An answer that is not streamed begins when it is whole. Knative itself would wait five minutes.
                    "responseStartTimeoutSeconds": seconds,
                },
            }
        },
    }


def is_knative(service: InferenceService) -> bool:
    """Whether Knative makes its cloud replicas."""
    return service.spec.cloud is not None and service.spec.cloud.deployment_mode == "Knative"


def needs_of(made: Manifest) -> tuple[str, ...]:
    """What Knative's own configuration must say for a Service of ours to be taken: ConfigMap, key and value."""
    spec = made["spec"]["template"]["spec"]
    features = [f"config-features kubernetes.{feature}: enabled" for feature in sorted(set(_features(spec)))]
    if spec["timeoutSeconds"] > MAX_TIMEOUT_SECONDS:
        features.append(f"config-defaults max-revision-timeout-seconds: {spec['timeoutSeconds']}")
    if spec["containerConcurrency"] > MAX_CONCURRENCY:
        features.append(f"config-defaults container-concurrency-max-limit: {spec['containerConcurrency']}")
    return tuple(features)


def _features(pod: Manifest) -> Iterator[str]:
    yield from (feature for field, feature in _FEATURES_OF_PODS.items() if field in pod)
    for volume in pod["volumes"]:
        yield from (feature for kind, feature in _FEATURES_OF_VOLUMES.items() if kind in volume)
        if _is_written(volume):
            yield "podspec-persistent-volume-write"
    if any("add" in each["securityContext"]["capabilities"] for each in pod.get("initContainers", ())):
        yield "containerspec-addcapabilities"


def _scale(service: InferenceService, settings: Settings) -> dict[str, str]:
    """For Knative's own autoscaler, which counts requests in flight and knows nothing else."""
    asked = autoscaling_of(service)
    if asked is None:
        both = str(replicas_of(service))
        return _autoscaling({"min-scale": both, "max-scale": both})
    return _autoscaling(
        {
            "min-scale": str(_least(asked)),
            "max-scale": str(asked.max_replicas),
            "target": str(load_target(service, asked, settings).in_flight),
            # The target has its reserve already; Knative would take another 30 percent off.
            "target-utilization-percentage": "100",
            "scale-down-delay": f"{asked.scale_down_delay_seconds}s",
        }
    )


def _least(asked: Autoscaling) -> int:
    return 0 if asked.activator == "Knative" else asked.min_replicas


def _autoscaling(said: dict[str, str]) -> dict[str, str]:
    return {f"autoscaling.knative.dev/{key}": text for key, text in said.items()}


def _deadline(service: InferenceService) -> dict[str, str]:
    """Ten minutes, Knative's own, are less than many a model takes to load."""
    return {"serving.knative.dev/progress-deadline": f"{service.spec.timeouts.progress_deadline_seconds}s"}


def _at_once(service: InferenceService, settings: Settings) -> int:
    """How many requests Knative gives a replica; further ones wait before it, where another may take them."""
    computed = effective_engine(service, None, settings).max_num_seqs or USUAL_SEQS
    asked = autoscaling_of(service)
    return computed if asked is None else max(computed, load_target(service, asked, settings).in_flight)


def _pod(pod: Manifest) -> Manifest:
    kept = {field: value for field, value in pod.items() if field not in _SEEN_TO_BY_KNATIVE}
    for kind in ("initContainers", "containers"):
        if kind in kept:
            kept[kind] = [_container(each) for each in kept[kind]]
    # Only what is written needs the group.
    group = {"securityContext": {"fsGroup": USER}} if any(map(_is_written, pod["volumes"])) else {}
    return {**kept, **group, "volumes": [_volume(each) for each in pod["volumes"]]}


def _container(container: dict[str, Any]) -> Manifest:
    run_as = {field: value for field, value in pod_context().items() if field in _RUN_AS}
    # Before it stops an engine, Knative's proxy waits for what is in flight by a preStop of its own.
    kept = {field: value for field, value in container.items() if field != "lifecycle"}
    ports = {"ports": [{**each, "name": "http1"} for each in kept["ports"]]} if "ports" in kept else {}
    return {**kept, **ports, "securityContext": run_as | kept["securityContext"]}


def _volume(volume: Manifest) -> Manifest:
    """Knative takes what the pod knows of itself only as one of several sources."""
    told = volume.get("downwardAPI")
    return volume if told is None else {"name": volume["name"], "projected": {"sources": [{"downwardAPI": told}]}}


def _is_written(volume: Manifest) -> bool:
    claim = volume.get("persistentVolumeClaim")
    return claim is not None and not claim.get("readOnly")
