"""An API server drops what it does not know without a word; where a pod is of no use so, it must be told."""

from typing import Final

from edgeglm_operator.reconcile.refused import Reason, Refused
from edgeglm_operator.resources.manifest import Manifest

CLAIMS_NOT_SERVED: Final = Refused(
    Reason.CLAIMS_NOT_SERVED,
    "spec.cloud.accelerator.claimTemplateName: this cluster does not know claims of devices, so the replicas get none;"
    " they need Kubernetes 1.34 or later; use accelerator.resource here",
)


def claims_devices(deployment: Manifest) -> bool:
    """Whether its pods get devices by claims."""
    return "resourceClaims" in deployment["spec"]["template"]["spec"]
