"""A registry on this machine: the reference implementation of the distribution API, and who pushes to it."""

import gzip
import hashlib
import io
import json
import signal
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin

import urllib3

from tests.cluster.binaries import program
from tests.cluster.ports import free_ports
from tests.cluster.process import until

USER, PASSWORD = "reader", "of-the-registry"
_HTPASSWD = f"{USER}:$2b$04$GrFGKpKEBxK/W4sXehY22e6Sg.lIUnAv0WZngjulQIisg/VKjDgai"
"""The password by bcrypt, which is all that a registry takes."""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
ARTIFACT_CONFIG = "application/vnd.cncf.model.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
FILE = "application/vnd.cncf.model.weight.v1.raw"
TITLE = "org.opencontainers.image.title"

CONFIG = """\
version: 0.1
log: {{level: warn}}
storage:
  inmemory: {{}}
http:
  addr: 127.0.0.1:{port}
{auth}
"""


def by_password(directory: Path) -> str:
    """The configuration of a registry that wants a password."""
    users = directory / "htpasswd"
    users.write_text(_HTPASSWD, encoding="ascii")
    return f"auth: {{htpasswd: {{realm: tests, path: {users}}}}}"


class Registry:
    """One process; with `auth`, the part of its configuration that says who may ask."""

    def __init__(self, directory: Path, *, auth: str = "") -> None:
        [self.port] = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.pushes_as: dict[str, str] = {}
        """The headers of who pushes."""
        self._config = directory / "config.yaml"
        self._config.write_text(CONFIG.format(port=self.port, auth=auth), encoding="utf-8")
        self._log = (directory / "registry.log").open("wb")
        self._http = urllib3.PoolManager(retries=False)

    def __enter__(self) -> Self:
        command: list[str | Path] = [program("registry"), "serve", self._config]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        assert until(self._answers, 120), "the registry does not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(60)
        self._log.close()

    def push(self, name: str, tag: str, layers: Sequence[dict[str, Any]], *, config: str = ARTIFACT_CONFIG) -> str:
        """An artifact or an image; returns its digest. Layers are those of `a_file` and `an_archive`."""
        described = [self._blob(name, **layer) for layer in layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(name, content=b"{}", media_type=config),
            "layers": described,
        }
        return self.put_manifest(name, tag, manifest)

    def put_manifest(self, name: str, tag: str, manifest: dict[str, Any]) -> str:
        """Any manifest or index; returns its digest."""
        content = json.dumps(manifest).encode()
        self._send("PUT", f"{self.url}/v2/{name}/manifests/{tag}", content, {"Content-Type": manifest["mediaType"]})
        return digest_of(content)

    def _blob(
        self, name: str, *, content: bytes, media_type: str, annotations: dict[str, str] | None = None
    ) -> dict[str, Any]:
        begun = self._send("POST", f"{self.url}/v2/{name}/blobs/uploads/", b"", {})
        place = urljoin(self.url, begun.headers["Location"])
        digest, octets = digest_of(content), {"Content-Type": "application/octet-stream"}
        self._send("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", content, octets)
        said = {"annotations": annotations} if annotations else {}
        return {"mediaType": media_type, "digest": digest, "size": len(content), **said}

    def _answers(self) -> bool:
        try:
            return bool(self._http.request("GET", f"{self.url}/v2/").status in {200, 401})
        except urllib3.exceptions.HTTPError:
            return False

    def _send(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        answer = self._http.request(method, url, body=body, headers={**self.pushes_as, **headers})
        assert answer.status < 300, answer.data
        return answer


def digest_of(content: bytes) -> str:
    """As registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def a_file(path: str, content: bytes, *, key: str = TITLE) -> dict[str, Any]:
    """A layer that is one file."""
    return {"content": content, "media_type": FILE, "annotations": {key: path}}


def an_archive(files: Mapping[str, bytes | None], *, zipped: bool = True, **said: str) -> dict[str, Any]:
    """A layer that is a tar; None is a directory."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            if content is None:
                member.type = tarfile.DIRTYPE
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content or b""))
    content = gzip.compress(packed.getvalue(), mtime=0) if zipped else packed.getvalue()
    return {"content": content, "media_type": LAYER + ("+gzip" if zipped else ""), "annotations": said}
