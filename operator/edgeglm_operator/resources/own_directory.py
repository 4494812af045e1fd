"""A directory of the node, given to the user that containers run as."""

from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.pod_security import USER


def own_directory(name: str, image: str, volume: str, path: str) -> Manifest:
    """An init container that gives a hostPath directory to the user, once.

    The kubelet makes a hostPath directory for root alone (mode 0755), an fsGroup does nothing there, and a default ACL
    of the parent is masked by that mode. So one container runs as root, for one command: with a single capability,
    which even Pod Security's `baseline` allows, a read-only root, and no other directory in sight. What goes on running
    is no root.
    """
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["chown", f"{USER}:{USER}", path],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]},
        },
        "volumeMounts": [{"name": volume, "mountPath": path}],
    }
