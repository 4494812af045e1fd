"""What the user mounts into the engine of the cloud replicas.

In the pod the names of these volumes begin with `user-`, so that a volume that a later operator adds meets none of
them. Where they may not be mounted is a rule of the CRD.
"""

from typing import Any, Final

from edgeglm_api.inference_service import Cloud
from edgeglm_operator.resources.manifest import Manifest

_PREFIX: Final = "user-"


def own_volumes(cloud: Cloud) -> list[Manifest]:
    """The volumes of the pod."""
    return [_renamed(_told(volume)) for volume in cloud.volumes]


def own_mounts(cloud: Cloud) -> list[Manifest]:
    """Where the engine sees them."""
    return [_renamed(_told(mount)) for mount in cloud.volume_mounts]


def _renamed(part: Manifest) -> Manifest:
    return {**part, "name": _PREFIX + part["name"]}


def _told(part: dict[str, Any]) -> Manifest:
    """Without `readOnly: false`, which the API server drops, and would then look changed."""
    inner = {key: _told(value) if isinstance(value, dict) else value for key, value in part.items()}
    return {key: value for key, value in inner.items() if (key, value) != ("readOnly", False)}
