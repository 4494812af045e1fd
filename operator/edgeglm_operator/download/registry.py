"""The HTTP API that registries speak: one artifact or image, whose layers are a model.

- `GET /v2/NAME/manifests/TAG` gives a manifest, whose SHA-256 is its name for good, or an index of several.
- `GET /v2/NAME/blobs/DIGEST` gives a layer; registries redirect it to where they keep it.
- A layer is one file, named by `org.opencontainers.image.title` (ORAS) or `org.cncf.model.filepath` (ModelPack), or
  else an archive. Of an image, the model is what lies in `/models`, as in KServe's modelcars.

github.com/opencontainers/distribution-spec (spec.md), github.com/opencontainers/image-spec (manifest.md, layer.md),
github.com/modelpack/model-spec (annotations.md), kserve.github.io: "OCI" storage.
"""

import hashlib
import json
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from edgeglm_operator.download.digest import Digest
from edgeglm_operator.download.errors import ChecksumMismatch, NotFound, Unreachable
from edgeglm_operator.download.listing import Entry, is_inside
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.web import Body, Web

SCHEME: Final = "oci://"
_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPTED: Final = {"Accept": ", ".join((*_MANIFESTS, *_INDEXES))}
_IMAGES: Final = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
"""What a container runtime can run; all else is an artifact."""
_MODEL_OF_IMAGE: Final = "models"
_NAMES: Final = ("org.opencontainers.image.title", "org.cncf.model.filepath", "org.cnai.model.filepath")
_UNPACK: Final = "io.deis.oras.content.unpack"
"""ORAS packs a directory, and gives the archive the directory's name."""
_ARCHIVE: Final = re.compile(r"\btar\b")
_MOST_LAYERS: Final = 3000
_EMPTY: Final = "application/vnd.oci.empty.v1+json"
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Which artifact: REGISTRY/NAME, with a tag or a digest."""

    registry: str
    name: str
    wanted: str = "latest"

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}{'@' if ':' in self.wanted else ':'}{self.wanted}"


def reference_of(text: str) -> Reference:
    """Of `REGISTRY/NAME`, with `:TAG` or `@sha256:…`; a digest wins over a tag before it."""
    registry, _, rest = text.partition("/")
    rest, _, digest = rest.partition("@")
    name, _, tag = rest.partition(":")
    return Reference(registry=registry, name=name, wanted=digest or tag or "latest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """One artifact of one registry."""

    web: Web
    patience: Patience
    reference: Reference
    endpoint: str

    @property
    def default_revision(self) -> str:
        """The tag or digest of its reference: it is asked for with no other."""
        return self.reference.wanted

    @property
    def place(self) -> str:
        """Where its models lie in a cache: flat, since one name may begin with another."""
        digest = hashlib.sha256(self.reference.name.encode()).hexdigest()
        last = self.reference.name.rpartition("/")[2]
        return f"{self.reference.registry.replace(':', '_')}/{last[:100]}-{digest[:16]}"

    def commit_of(self, revision: str) -> str:
        """The SHA-256 of the manifest that a tag means now, on this kind of machine where there are several."""
        content, manifest = self._manifest(revision)
        if "manifests" in manifest:
            return self._chosen(manifest["manifests"])
        return hashlib.sha256(content).hexdigest()

    def entries(self, commit: str) -> list[Entry]:
        """All layers: files, and archives that are still to be unpacked."""
        _, manifest = self._manifest(f"sha256:{commit}")
        try:
            return list(_entries(manifest))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._unintelligible(f"a manifest of another shape ({error})") from error

    def body(self, _commit: str, entry: Entry, *, offset: int, chunk_bytes: int) -> AbstractContextManager[Body]:
        """A layer from an offset on."""
        url = f"{self.endpoint}/v2/{self.reference.name}/blobs/sha256:{entry.digest.value}"
        return self.web.body(url, offset=offset, chunk_bytes=chunk_bytes)

    def _manifest(self, wanted: str) -> tuple[bytes, Mapping[str, Any]]:
        url = f"{self.endpoint}/v2/{self.reference.name}/manifests/{wanted}"
        content = self.patience.until_done(lambda: self.web.content(url, _ACCEPTED))
        named = _DIGEST.fullmatch(wanted)
        if named and hashlib.sha256(content).hexdigest() != named[1]:
            raise ChecksumMismatch(f"{self.endpoint} gives another manifest for {self.reference.name}@{wanted}")
        try:
            manifest = json.loads(content)
        except ValueError as error:
            raise self._unintelligible("something that is no JSON") from error
        if not isinstance(manifest, dict):
            raise self._unintelligible("a manifest of another shape")
        return content, manifest

    def _chosen(self, manifests: Sequence[Mapping[str, Any]]) -> str:
        """Of an index: the only one, or that for this kind of machine."""
        machine = _MACHINES.get(platform.machine(), platform.machine())
        try:
            usable = [each for each in manifests if each["mediaType"] in _MANIFESTS and not _is_about_another(each)]
            fitting = [each for each in usable if each.get("platform", {}).get("architecture") == machine]
            chosen = usable if len(usable) == 1 else fitting
            if not chosen:
                raise NotFound(f"{self.reference} has nothing for linux/{machine}")
            return _sha256_of(chosen[0]["digest"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._unintelligible("an index of another shape") from error

    def _unintelligible(self, what: str) -> Unreachable:
        return Unreachable(f"{self.endpoint} answers with {what} for {self.reference}; is it a model in a registry?")


def _is_about_another(manifest: Mapping[str, Any]) -> bool:
    """BuildKit's attestations are for no machine."""
    found: bool = manifest.get("platform", {}).get("architecture") == "unknown"
    return found


def _entries(manifest: Mapping[str, Any]) -> Iterator[Entry]:
    root = _MODEL_OF_IMAGE if manifest["config"]["mediaType"] in _IMAGES else ""
    seen: set[str] = set()
    if len(manifest["layers"]) > _MOST_LAYERS:
        raise ValueError(f"more than {_MOST_LAYERS} layers")
    for number, layer in enumerate(manifest["layers"]):
        if layer["mediaType"] == _EMPTY:
            continue
        entry = _entry(number, layer, root)
        if entry.path in seen:
            raise ValueError(f"two layers are called {entry.path}")
        seen.add(entry.path)
        yield entry


def _entry(number: int, layer: Mapping[str, Any], root: str) -> Entry:
    annotations = layer.get("annotations") or {}
    digest, size = Digest("sha256", _sha256_of(layer["digest"])), int(layer["size"])
    if size < 0:
        raise ValueError(f"layer {layer['digest']} has {size} bytes")
    if annotations.get(_UNPACK) == "true" or _ARCHIVE.search(layer["mediaType"]):
        return Entry(f"{number:03}-{digest.value[:16]}.layer", size, digest, unpacks=root)
    name = next((annotations[key] for key in _NAMES if key in annotations), "")
    if not is_inside(name):
        raise ValueError(f"layer {layer['digest']} is called {name!r}")
    return Entry(name, size, digest)


def _sha256_of(digest: str) -> str:
    found = _DIGEST.fullmatch(digest)
    if found is None:
        raise ValueError(f"digest {digest!r} is no SHA-256")
    return found[1]
