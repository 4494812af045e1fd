"""How the content of a file is known, and how that is reckoned while the file comes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

Kind = Literal["sha256", "git-blob", "md5", "crc64nvme"]
"""`git-blob`: SHA-1 over a header with the length, and the content; the Hub has no other for small files."""


class Hash(Protocol):
    """What hashlib gives."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in more."""

    def digest(self) -> bytes:
        """The digest so far."""

    def hexdigest(self) -> str:
        """The same in hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest that a file is to have."""

    kind: Kind
    value: str
    """In hexadecimal digits."""
    part_bytes: int = 0
    """Not of the content but of the digests of its parts, each so large; 0 is of the content."""

    def begin(self, size: int) -> Hash:
        """A hash that has taken in nothing of the content yet."""
        begin = partial(_begin, self.kind, size)
        return _OfParts(begin, self.part_bytes) if self.part_bytes else begin()


def _begin(kind: Kind, size: int) -> Hash:
    match kind:
        case "sha256":
            return hashlib.sha256()
        case "md5":
            return hashlib.md5(usedforsecurity=False)
        case "crc64nvme":
            return _Crc64()
        case "git-blob":
            return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


class _OfParts:
    """What stores that take a file in parts say of it: the digest of the parts' digests."""

    def __init__(self, begin: Callable[[], Hash], part_bytes: int) -> None:
        self._begin, self._part_bytes = begin, part_bytes
        self._digests = b""
        self._part, self._missing = begin(), part_bytes

    def update(self, data: bytes | memoryview, /) -> None:
        rest = memoryview(data)
        while rest:
            here = rest[: self._missing]
            self._part.update(here)
            self._missing -= len(here)
            rest = rest[len(here) :]
            if not self._missing:
                self._digests += self._part.digest()
                self._part, self._missing = self._begin(), self._part_bytes

    def digest(self) -> bytes:
        last = self._part.digest() if self._missing < self._part_bytes else b""
        whole = self._begin()
        whole.update(self._digests + last)
        return whole.digest()

    def hexdigest(self) -> str:
        return self.digest().hex()


class _Crc64:
    """CRC-64/NVME, which S3 reckons of all that is put there without a checksum."""

    def __init__(self) -> None:
        # Not above: only files of S3 are to wait for this library.
        from awscrt.checksums import crc64nvme  # noqa: PLC0415

        self._add = crc64nvme
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = self._add(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(8, "big")

    def hexdigest(self) -> str:
        return self.digest().hex()
