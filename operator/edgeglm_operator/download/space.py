"""Whether there is room, asked before the first byte comes."""

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
    disk = os.statvfs(directory)
    free = disk.f_bavail * disk.f_frsize
    if missing_bytes > free:
        raise DiskFull(
            f"{_gb(missing_bytes)} of the model's {_gb(total_bytes)} are missing, and the disk has {_gb(free)} free"
        )


def _gb(count: int) -> str:
    return f"{count / GB:.1f} GB"
