"""Where downloaded weights are kept, so that the next pod finds them."""

from dataclasses import dataclass
from typing import Final

from edgeglm_api.inference_service import Cache, InferenceService
from edgeglm_operator.quantity import number_of
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.weights import VOLUME

SITE_DIRECTORY: Final = "/var/lib/edgeglm/cache"
"""On edge nodes; each namespace has its own below it: what one may read another need not, and could not trust."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsCache:
    """A directory that outlives the pod, or at least its containers."""

    volume: Manifest
    is_on_node: bool = False
    """The kubelet makes such a directory for root alone."""
    size: str = ""
    """What it may take, as a quantity; empty is all that is free."""

    @property
    def allowed_bytes(self) -> int | None:
        """The same in bytes."""
        number = number_of(self.size) if self.size else None
        return None if number is None else int(number)


def cache_in_cloud(cache: Cache | None) -> WeightsCache:
    """As the service asks; without a wish, on the disk of the node, for as long as the pod is there."""
    if cache is not None and cache.pvc is not None:
        return WeightsCache(volume={"name": VOLUME, "persistentVolumeClaim": {"claimName": cache.pvc}})
    if cache is not None and cache.host_path is not None:
        return _on_node(cache.host_path)
    size = "" if cache is None or cache.size is None else str(cache.size)
    return WeightsCache(volume={"name": VOLUME, "emptyDir": {"sizeLimit": size} if size else {}}, size=size)


def cache_at_site(service: InferenceService) -> WeightsCache:
    """On the node's own disk, where it is still there when the node starts without a link."""
    return _on_node(f"{SITE_DIRECTORY}/{service.metadata.namespace}")


def _on_node(path: str) -> WeightsCache:
    return WeightsCache(
        volume={"name": VOLUME, "hostPath": {"path": path, "type": "DirectoryOrCreate"}}, is_on_node=True
    )
