"""Which files make up a model at one commit."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from edgeglm_operator.download.digest import Digest

_OTHER_WEIGHTS: Final = frozenset(
    {".bin", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".onnx_data", ".ot", ".pt", ".pth", ".tflite"}
)
"""The same weights once more, in formats that vLLM passes over where it finds safetensors."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file."""

    path: str
    """Relative, with slashes."""
    size: int
    digest: Digest
    unpacks: str | None = None
    """Of an archive: the directory in it that is the model, and empty if all of it is."""


def is_inside(path: str) -> bool:
    """Whether a path that somebody else chose stays where it is put."""
    clean = PurePosixPath(path)
    # Written in one way only: `a//b` would be a second name for `a/b`.
    return str(clean) == path != "." and not clean.is_absolute() and "\\" not in path and ".." not in clean.parts


def name_of(listed: Iterable[tuple[str, int, str]]) -> str:
    """A name for what has none: a digest of checksums, sizes and paths."""
    lines = sorted(f"{checksum} {size} {path}\n" for checksum, size, path in listed)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def needed(entries: Iterable[Entry]) -> list[Entry]:
    """Those that vLLM reads. The order is that of the paths, so that every downloader goes the same way."""
    kept = [entry for entry in entries if not _is_aside(PurePosixPath(entry.path))]
    if any(PurePosixPath(entry.path).suffix == ".safetensors" for entry in kept):
        kept = [entry for entry in kept if PurePosixPath(entry.path).suffix not in _OTHER_WEIGHTS]
    return sorted(kept, key=lambda entry: entry.path)


def _is_aside(path: PurePosixPath) -> bool:
    """`original/` holds the weights in their maker's own format; vLLM leaves it out too."""
    return path.parts[0] == "original" or any(part.startswith(".") for part in path.parts)
