"""The pod of an engine, as it is in the cloud and at the edge alike; each of them adds its placement."""

from collections.abc import Mapping
from typing import Final

from edgeglm_api.inference_service import Accelerator, Resources
from edgeglm_operator.resources.device_claim import container_claims
from edgeglm_operator.resources.engine_log import log_annotations, log_mount, log_volume
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.pod_security import container_context, pod_context
from edgeglm_operator.resources.vllm import CACHE, COMMAND, Serving, arguments, environment, probes

CONTAINER: Final = "engine"
TEARDOWN_SECONDS: Final = 15
"""What vLLM takes to go after its drain: 3 to 10 s measured."""

_SHARED_MEMORY_LIMIT: Final = "2Gi"
"""A bound, not a reservation; what is used counts against the container's memory."""


def engine_pod(serving: Serving, resources: Manifest) -> Manifest:
    """The pod's spec, without placement."""
    secrets = [{"name": secret.name} for secret in serving.engine.image_pull_secrets]
    return {
        "automountServiceAccountToken": False,
        # A Service called `vllm` would otherwise set VLLM_PORT and the like for every pod of its namespace.
        "enableServiceLinks": False,
        "securityContext": pod_context(),
        # The engine may end with exit status 0 when it dies (measured), so only Always brings it back.
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": serving.service.spec.timeouts.drain_seconds + TEARDOWN_SECONDS,
        **({"imagePullSecrets": secrets} if secrets else {}),
        **({"initContainers": list(serving.weights.preparing)} if serving.weights.preparing else {}),
        "containers": [_container(serving, resources)],
        "volumes": _volumes(serving),
    }


def engine_template(labels: Mapping[str, str], serving: Serving, pod: Manifest) -> Manifest:
    """The template of a Deployment."""
    return {"metadata": {"labels": dict(labels), "annotations": log_annotations(serving.engine)}, "spec": pod}


def engine_resources(resources: Resources | None, accelerator: Accelerator | None) -> Manifest:
    """What the container asks for. Extended resources cannot be overcommitted, so only their limit is set."""
    requests = dict(resources.requests) if resources else {}
    limits = dict(resources.limits) if resources else {}
    claims = container_claims(accelerator)
    if accelerator and not claims:
        limits[accelerator.resource_name] = str(accelerator.count)
    return {key: value for key, value in (("requests", requests), ("limits", limits), ("claims", claims)) if value}


def _container(serving: Serving, resources: Manifest) -> Manifest:
    port: Manifest = {"name": "http", "containerPort": serving.port, "protocol": "TCP"}
    if serving.is_on_loopback:
        # Said aloud, so that the scheduler keeps two engines off one port of a node, and policies can see it.
        port |= {"hostPort": serving.port, "hostIP": serving.host}
    return {
        "name": CONTAINER,
        "image": serving.engine.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(COMMAND),
        "args": arguments(serving),
        "env": environment(serving),
        "ports": [port],
        **probes(serving),
        **({"resources": resources} if resources else {}),
        "securityContext": container_context(),
        # Where the engine ended before it could log (a wrong flag), the last lines of its output tell why.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _mounts(serving),
    }


def _mounts(serving: Serving) -> list[Manifest]:
    return [
        {"name": "cache", "mountPath": CACHE},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - as above; tensors pass through it between processes
        log_mount(),
        serving.weights.mount,
    ]


def _volumes(serving: Serving) -> list[Manifest]:
    return [
        {"name": "cache", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": _SHARED_MEMORY_LIMIT}},
        log_volume(),
        serving.weights.volume,
    ]
