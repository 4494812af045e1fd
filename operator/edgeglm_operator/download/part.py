"""One file on its way to the disk: under another name until all of it is there and right."""

import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from edgeglm_operator.download.errors import ChecksumMismatch
from edgeglm_operator.download.listing import Entry

SUFFIX: Final = ".part"
_READ_BYTES: Final = 4 * 1024 * 1024


class Part:
    """A file that grows. What an earlier process left is read once, for the checksum, and gone on with."""

    def __init__(self, directory: Path, entry: Entry) -> None:
        self.entry = entry
        self._whole = directory / entry.path
        self._path = directory / (entry.path + SUFFIX)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+b")
        self._hash = entry.digest.begin(entry.size)
        self.size = self._take_in_what_is_there()
        self.is_resumed = self.size > 0
        """Whether some of it was written by a process that is gone, perhaps not to the disk."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, chunk: bytes) -> None:
        """The next bytes."""
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def begin_anew(self) -> None:
        """Forget what is there."""
        self._file.truncate(0)
        self._hash = self.entry.digest.begin(self.entry.size)
        self.size, self.is_resumed = 0, False

    @property
    def is_right(self) -> bool:
        """Whether it is what was promised."""
        return self.size == self.entry.size and self._hash.hexdigest() == self.entry.digest.value

    def finish(self) -> None:
        """Give it its name. Raises ChecksumMismatch, and then nothing of it is left."""
        if not self.is_right:
            self._path.unlink()
            raise ChecksumMismatch(
                f"{self.entry.path} has {self.size} of {self.entry.size} bytes and {self.entry.digest.kind}"
                f" {self._hash.hexdigest()} instead of {self.entry.digest.value}"
            )
        self._file.flush()
        os.fsync(self._file.fileno())
        self._path.rename(self._whole)

    def _take_in_what_is_there(self) -> int:
        self._file.seek(0)
        while chunk := self._file.read(_READ_BYTES):
            self._hash.update(chunk)
        return self._file.tell()


def size_on_disk(directory: Path, entry: Entry) -> int:
    """How much of a file is there, finished or not."""
    for path in (directory / entry.path, directory / (entry.path + SUFFIX)):
        if path.exists():
            return path.stat().st_size
    return 0
