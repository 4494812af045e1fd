"""A bundle as one file: its digest and signatures in the first line, then the JSON.

For ways that bring one file at a time, like HTTP: two may be of two moments.
"""

from typing import Final, NamedTuple

from edgeglm_api.bundle import MAX_BYTES

PACKED_SUFFIX: Final = ".bundle"
_MAX_HEAD_BYTES: Final = 2048
MAX_PACKED_BYTES: Final = MAX_BYTES + _MAX_HEAD_BYTES


class Files(NamedTuple):
    """What lies in a directory as `bundle.json`, `sha256` and `ed25519`."""

    raw: bytes
    digest: str
    signatures: str = ""


def pack(files: Files) -> bytes:
    """The one file."""
    return " ".join([files.digest.strip(), *files.signatures.split()]).encode() + b"\n" + files.raw


def unpack(data: bytes) -> Files:
    """What was packed; of other bytes something that no digest fits."""
    head, _, raw = data.partition(b"\n")
    digest, _, signatures = head[:_MAX_HEAD_BYTES].decode("ascii", "replace").partition(" ")
    return Files(raw, digest, signatures)
