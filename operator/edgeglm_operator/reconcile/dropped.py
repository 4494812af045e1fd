"""An API server drops what it does not know without a word; where a pod is of no use so, it must be told."""

from typing import Final

from edgeglm_operator.reconcile.refused import Reason, Refused
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.weights import VOLUME

CLAIMS_NOT_SERVED: Final = Refused(
    Reason.CLAIMS_NOT_SERVED,
    "spec.cloud.accelerator.claimTemplateName: this cluster does not know claims of devices, so the replicas get none;"
    " they need Kubernetes 1.34 or later; use accelerator.resource here",
)


IMAGES_NOT_MOUNTED: Final = Refused(
    Reason.IMAGES_NOT_MOUNTED,
    "spec.cloud.cache.imageVolume: this cluster mounts no images as volumes; that needs Kubernetes 1.35 or later; use"
    " another cache here, and the model is downloaded",
)
_NOTHING_LEFT: Final = "must specify a volume type"
"""What a server says of a volume whose only source it knows, and has dropped since images are not mounted there."""


def dropped(intent: Manifest, live: Manifest | None, refused: Refused | None) -> Refused | None:
    """What is missing of the Deployment as it was asked for; else why it is refused, if it is."""
    if refused is not None:
        return IMAGES_NOT_MOUNTED if _mounts_an_image(intent) and _NOTHING_LEFT in refused.message else refused
    if live is None:
        return None
    # To one that does not know the field at all, a volume of nothing is an empty directory.
    if _mounts_an_image(intent) and not _mounts_an_image(live):
        return IMAGES_NOT_MOUNTED
    return CLAIMS_NOT_SERVED if _claims_devices(intent) and not _claims_devices(live) else None


def _mounts_an_image(deployment: Manifest) -> bool:
    volumes = deployment["spec"]["template"]["spec"].get("volumes") or ()
    return any(each["name"] == VOLUME and "image" in each for each in volumes)


def _claims_devices(deployment: Manifest) -> bool:
    return "resourceClaims" in deployment["spec"]["template"]["spec"]
