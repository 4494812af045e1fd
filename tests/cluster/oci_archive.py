"""An image of a few files, as an archive that containerd imports."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MEDIA = "application/vnd.oci.image"


def write_image(path: Path, name: str, files: Mapping[str, bytes]) -> None:
    """One layer with these files, by their paths in the image."""
    layer = _tar(files)
    platform = {"architecture": "amd64", "os": "linux"}
    config = _json({**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]}})
    parts = {
        "config": _described(f"{_MEDIA}.config.v1+json", config),
        "layers": [_described(f"{_MEDIA}.layer.v1.tar", layer)],
    }
    manifest = _json({"schemaVersion": 2, "mediaType": f"{_MEDIA}.manifest.v1+json", **parts})
    named = {"annotations": {"io.containerd.image.name": name}, "platform": platform}
    index = {"schemaVersion": 2, "manifests": [{**_described(f"{_MEDIA}.manifest.v1+json", manifest), **named}]}
    blobs = {f"blobs/{_digest(blob).replace(':', '/')}": blob for blob in (layer, config, manifest)}
    path.write_bytes(_tar({"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index), **blobs}))


def _described(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _tar(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"
