"""Some keys of a Secret in a pod that does without: where it is missing, the pod runs all the same.

Mounted as a directory, it follows when the Secret is renewed (rule O10).
"""

from collections.abc import Iterable

from edgeglm_operator.resources.manifest import Manifest


def optional_volume(volume: str, secret: str, keys: Iterable[str]) -> Manifest:
    """The volume of the pod. What else the Secret holds stays out of sight."""
    items = [{"key": key, "path": key} for key in keys]
    return {"name": volume, "secret": {"secretName": secret, "items": items, "optional": True, "defaultMode": 0o440}}


def mounted_at(volume: str, directory: str) -> Manifest:
    """Where a container sees it."""
    return {"name": volume, "mountPath": directory, "readOnly": True}
