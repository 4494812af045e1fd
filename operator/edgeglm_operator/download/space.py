"""Whether there is room, asked before the first byte comes, and before each file that is unpacked."""

import os
from pathlib import Path

from edgeglm_operator.download.errors import DiskFull
from edgeglm_operator.download.progress import Progress

GB = 1_000_000_000


def require_room(directory: Path, progress: Progress, *, allowed_bytes: int | None, unpacking_bytes: int = 0) -> None:
    """Raise DiskFull when what is missing does not fit the disk, or the model not what it may take of it.

    `unpacking_bytes` are needed beside the model while it is unpacked.
    """
    total_bytes, missing_bytes = progress.total_bytes + unpacking_bytes, progress.missing_bytes + unpacking_bytes
    if allowed_bytes is not None and total_bytes > allowed_bytes:
        raise DiskFull(f"the model takes {_gb(total_bytes)}, and its cache may take {_gb(allowed_bytes)}")
    free = _free_bytes(directory)
    if missing_bytes > free:
        raise DiskFull(
            f"{_gb(missing_bytes)} of the model's {_gb(total_bytes)} are missing, and the disk has {_gb(free)} free"
        )


class Room:
    """For what comes out of archives, which may be far more than they are themselves."""

    def __init__(self, directory: Path, allowed_bytes: int | None) -> None:
        self._directory, self._allowed_bytes = directory, allowed_bytes
        self._taken = 0

    def take(self, size: int) -> None:
        """Raise DiskFull when a file does not fit the disk, or all so far not what they may take of it."""
        self._taken += size
        if self._allowed_bytes is not None and self._taken > self._allowed_bytes:
            raise DiskFull(
                f"unpacked, the model takes more than the {_gb(self._allowed_bytes)} that its cache may take"
            )
        free = _free_bytes(self._directory)
        if size > free:
            raise DiskFull(f"a file of {_gb(size)} is to be unpacked, and the disk has {_gb(free)} free")


def _free_bytes(directory: Path) -> int:
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize


def _gb(count: int) -> str:
    return f"{count / GB:.1f} GB"
