"""A kubeconfig file with everything inside it, so that it can be copied anywhere."""

import base64
import json
from pathlib import Path

from tests.cluster.pki import KeyPair


def write_kubeconfig(path: Path, server: str, ca: Path, pair: KeyPair) -> Path:
    """Write one cluster, one user, one context; JSON is YAML too."""
    cluster = {"server": server, "certificate-authority-data": _data(ca)}
    user = {"client-certificate-data": _data(pair.cert), "client-key-data": _data(pair.key)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "edgeglm-test", "cluster": cluster}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "edgeglm-test", "context": {"cluster": "edgeglm-test", "user": "user"}}],
        "current-context": "edgeglm-test",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=1))
    return path


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
