"""What Pod Security's `restricted` asks of a pod. Edge pods keep to it, but for the host's network and directories."""

from typing import Final

from edgeglm_operator.resources.manifest import Manifest

USER: Final = 10001
"""The user and group that every container runs as; images of the engine work under any."""


def pod_context() -> Manifest:
    """The pod's security context. `fsGroup` makes claims and secret files readable; on a hostPath it has no effect."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        # Without it the kubelet walks all of a claim's weights at each start.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_context() -> Manifest:
    """A container's security context. The root stays writable where a GPU's runtime hook must write into it."""
    return {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}}
