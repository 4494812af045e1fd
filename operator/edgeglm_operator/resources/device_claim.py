"""Devices by dynamic resource allocation (resource.k8s.io/v1, Kubernetes 1.34): each pod gets a claim of its own."""

from typing import Final

from edgeglm_api.inference_service import Accelerator, CloudAccelerator
from edgeglm_operator.resources.manifest import Manifest

CLAIM: Final = "accelerator"
"""What the claim is called inside the pod."""


def pod_claims(accelerator: Accelerator | None) -> Manifest:
    """The part of the pod's spec that has a claim made from the template; nothing where none is named."""
    template = _template_name(accelerator)
    return {"resourceClaims": [{"name": CLAIM, "resourceClaimTemplateName": template}]} if template else {}


def container_claims(accelerator: Accelerator | None) -> list[Manifest]:
    """The part of the container's resources that gives it what the claim has."""
    return [{"name": CLAIM}] if _template_name(accelerator) else []


def _template_name(accelerator: Accelerator | None) -> str | None:
    return accelerator.claim_template_name if isinstance(accelerator, CloudAccelerator) else None
