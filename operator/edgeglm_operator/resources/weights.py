"""Where the weights come from: from a model's URI to what vLLM is told and what its pod mounts."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from edgeglm_api.inference_service import ImageVolume
from edgeglm_operator.resources.manifest import Manifest

HUB: Final = "hf://"
MODELSCOPE: Final = "ms://"
S3: Final = "s3://"
OCI: Final = "oci://"
CLAIM: Final = "pvc://"
NODE_PATH: Final = "file://"
_DOWNLOADED: Final = (HUB, MODELSCOPE, S3, OCI)
SCHEMES: Final = (*_DOWNLOADED, CLAIM, NODE_PATH)

MOUNT: Final = "/models"
VOLUME: Final = "weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One model's weights, as the pod sees them. The engine itself never downloads, and never writes beside them."""

    model: str
    """The argument of `vllm serve`: a path in the container."""
    volume: Manifest
    preparing: tuple[Manifest, ...] = ()
    """Init containers that bring them."""
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Where each adapter lies, by its name."""

    @property
    def mount(self) -> Manifest:
        """Where the engine reads them."""
        return {"name": VOLUME, "mountPath": MOUNT, "readOnly": True}


def is_downloaded(uri: str) -> bool:
    """Whether a URI that was accepted names a hub, a store or a registry; the others are mounted."""
    return uri.startswith(_DOWNLOADED)


def mounted_weights(uri: str) -> Weights:
    """Of `pvc://CLAIM/PATH` or `file:///PATH`."""
    if uri.startswith(CLAIM):
        return _claim(uri.removeprefix(CLAIM))
    return _node_directory(node_path(uri))


def image_weights(uri: str, asked: ImageVolume) -> Weights:
    """Of `oci://REGISTRY/NAME`, an image with its model in /models; the kubelet pulls it as it pulls those of pods."""
    source = {"reference": uri.removeprefix(OCI), "pullPolicy": asked.pull_policy}
    return Weights(model=f"{MOUNT}/models", volume={"name": VOLUME, "image": source})


def node_path(uri: str) -> str:
    """The directory on the node that a file:// URI means, without doubled or trailing slashes."""
    return posixpath.normpath("/" + uri.removeprefix(NODE_PATH).strip("/"))


def _claim(rest: str) -> Weights:
    claim, _, path = rest.partition("/")
    source = {"claimName": claim, "readOnly": True}
    return Weights(
        model=posixpath.normpath(f"{MOUNT}/{path}"), volume={"name": VOLUME, "persistentVolumeClaim": source}
    )


def _node_directory(path: str) -> Weights:
    # Directory, not DirectoryOrCreate: an empty one in place of missing weights would fail later and less clearly.
    return Weights(model=MOUNT, volume={"name": VOLUME, "hostPath": {"path": path, "type": "Directory"}})
