"""The Job that asks the cloud replicas many things at once."""

from collections.abc import Sequence
from typing import Final

from edgeglm_api.inference_service import Cloud, InferenceService
from edgeglm_operator.resources.cloud_placement import off_the_edge
from edgeglm_operator.resources.effective_engine import effective_engine
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.pod_security import container_context, pod_context
from edgeglm_operator.resources.selectors import VERIFICATION, component, verification_selector
from edgeglm_operator.resources.vllm import PORT, from_secret
from edgeglm_operator.settings import Settings

CONTAINER: Final = "verify"
KEY_VARIABLE: Final = "EDGEGLM_API_KEY"
MAX_REPLICAS: Final = 16
"""How many are asked: all are made from one template, and what became of each must fit into a termination message."""

NOT_VERIFIED: Final = 1
"""Exit status: the engines answered, and not as they should. Asking again at once would not change it."""
BAD_INPUT: Final = 2
NOT_KNOWN: Final = 3
"""Exit status: not all of them could be asked. It is tried again."""

_ATTEMPTS_AFTER_THE_FIRST: Final = 4
"""After 10, 20, 40 and 80 s."""
_DEADLINE_SECONDS: Final = 1800
"""Of all attempts together, with the wait for a node and for the image."""
_REPORT: Final = "/dev/termination-log"
_URL: Final = "--url="


def make_verification_job(
    service: InferenceService, settings: Settings, *, name: str, concurrency: int, urls: Sequence[str]
) -> Manifest:
    """A Job of that name, which sends so many requests to each URL."""
    return manifest(
        "batch/v1",
        "Job",
        service.metadata.namespace,
        name,
        labels=component(VERIFICATION) | verification_selector(service),
        owner=owned_by(service),
        spec={
            "backoffLimit": _ATTEMPTS_AFTER_THE_FIRST,
            "activeDeadlineSeconds": _DEADLINE_SECONDS,
            "podFailurePolicy": {"rules": [_final_at_once()]},
            "template": {
                "metadata": {"labels": component(VERIFICATION) | verification_selector(service)},
                "spec": _pod(service, settings, _arguments(service, concurrency, urls)),
            },
        },
    )


def replica_url(address: str) -> str:
    """Where a replica with this IP answers."""
    return f"http://[{address}]:{PORT}" if ":" in address else f"http://{address}:{PORT}"


def urls_among(arguments: Sequence[str]) -> tuple[str, ...]:
    """Whom a Job with these arguments asks."""
    return tuple(argument.removeprefix(_URL) for argument in arguments if argument.startswith(_URL))


def _final_at_once() -> Manifest:
    statuses = {"containerName": CONTAINER, "operator": "In", "values": [NOT_VERIFIED, BAD_INPUT]}
    return {"action": "FailJob", "onExitCodes": statuses}


def _arguments(service: InferenceService, concurrency: int, urls: Sequence[str]) -> list[str]:
    asked = [f"--model={service.served_name}", f"--concurrency={concurrency}", f"--report={_REPORT}"]
    return ["verify", *asked, *(_URL + url for url in urls)]


def _pod(service: InferenceService, settings: Settings, arguments: Sequence[str]) -> Manifest:
    secrets = [{"name": secret.name} for secret in effective_engine(service, None, settings).image_pull_secrets]
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "securityContext": pod_context(),
        **({"imagePullSecrets": secrets} if secrets else {}),
        "containers": [_container(service, settings, arguments)],
        **off_the_edge(service.spec.cloud or Cloud()),
    }


def _container(service: InferenceService, settings: Settings, arguments: Sequence[str]) -> Manifest:
    auth = service.spec.auth
    return {
        "name": CONTAINER,
        "image": settings.operator_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["edgeglm"],
        "args": list(arguments),
        **({"env": [from_secret(KEY_VARIABLE, auth.api_key_secret_ref)]} if auth else {}),
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": container_context() | {"readOnlyRootFilesystem": True},
        # Where it ended before it could write a report, its last lines tell why.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
