"""Which files make up a model at one commit, and how each is checked."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal, Protocol

_OTHER_WEIGHTS: Final = frozenset(
    {".bin", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".onnx_data", ".ot", ".pt", ".pth", ".tflite"}
)
"""The same weights once more, in formats that vLLM passes over where it finds safetensors."""


class Hash(Protocol):
    """What hashlib gives."""

    def update(self, data: bytes, /) -> None:
        """Take in more."""

    def hexdigest(self) -> str:
        """The digest so far."""


@dataclass(frozen=True, slots=True)
class Digest:
    """How the content of a file is known."""

    kind: Literal["sha256", "git-blob"]
    """`git-blob`: SHA-1 over a header with the length, and the content; the Hub has no other for small files."""
    value: str

    def begin(self, size: int) -> Hash:
        """A hash that has taken in nothing of the content yet."""
        if self.kind == "sha256":
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file."""

    path: str
    """Relative, with slashes."""
    size: int
    digest: Digest


def is_inside(path: str) -> bool:
    """Whether a path that somebody else chose stays where it is put."""
    return bool(path) and not path.startswith("/") and "\\" not in path and ".." not in PurePosixPath(path).parts


def needed(entries: Iterable[Entry]) -> list[Entry]:
    """Those that vLLM reads. The order is that of the paths, so that every downloader goes the same way."""
    kept = [entry for entry in entries if not _is_aside(PurePosixPath(entry.path))]
    if any(PurePosixPath(entry.path).suffix == ".safetensors" for entry in kept):
        kept = [entry for entry in kept if PurePosixPath(entry.path).suffix not in _OTHER_WEIGHTS]
    return sorted(kept, key=lambda entry: entry.path)


def _is_aside(path: PurePosixPath) -> bool:
    """`original/` holds the weights in their maker's own format; vLLM leaves it out too."""
    return path.parts[0] == "original" or any(part.startswith(".") for part in path.parts)
