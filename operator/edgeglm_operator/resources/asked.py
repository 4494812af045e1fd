"""What of a spec its pods follow from, as a digest.

As long as it stands, pods keep the template that they were made with: neither an upgrade of the operator, nor scaling
and suspending, which change the spec too, may look like a wish for other pods.
"""

import hashlib
from typing import Final

import msgspec

from edgeglm_api.inference_service import Cloud, CloudAccelerator, InferenceService, Rollout, Spec, Timeouts
from edgeglm_operator.resources.gpu_labels import is_labelled

HASH_LENGTH: Final = 16


def asked_of_cloud(service: InferenceService) -> str:
    """Of the replicas in the cluster proper."""
    cloud = service.spec.cloud or Cloud()
    asked = msgspec.structs.replace(
        cloud,
        replicas=None,
        autoscaling=None,
        rollout=Rollout(),
        disruption_budget="Auto",
        network_policy=None,
        external_url=None,
        accelerator=_of_nodes(cloud.accelerator),
    )
    return _digest(msgspec.structs.replace(_of_pods(service.spec), cloud=asked, edge=()))


def _of_nodes(accelerator: CloudAccelerator | None) -> CloudAccelerator | None:
    """Where no node is chosen by its memory, only the fit check reads it."""
    if accelerator is None or is_labelled(accelerator):
        return accelerator
    return msgspec.structs.replace(accelerator, memory=None)


def _of_pods(spec: Spec) -> Spec:
    timeouts = msgspec.structs.replace(
        spec.timeouts,
        progress_deadline_seconds=Timeouts().progress_deadline_seconds,
        request_seconds=Timeouts().request_seconds,
    )
    return msgspec.structs.replace(
        spec,
        suspend=False,
        # Only the fit check reads it.
        model=msgspec.structs.replace(spec.model, shape=None),
        timeouts=timeouts,
        verification=None,
        routing=None,
        monitoring=None,
    )


def _digest(wish: object) -> str:
    return hashlib.sha256(msgspec.json.encode(wish, order="deterministic")).hexdigest()[:HASH_LENGTH]
