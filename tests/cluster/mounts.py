"""What is mounted below a directory, and its unmounting."""

import contextlib
import shutil
from pathlib import Path

from tests.cluster.command import CommandError, run


def mounts_below(directory: Path) -> list[Path]:
    """Mount points at or below the directory, deepest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4].replace("\\040", " ")) for line in lines]
    return sorted((point for point in points if point.is_relative_to(directory)), key=lambda point: -len(point.parts))


def unmount_below(directory: Path) -> None:
    """Unmount all of it; what is still in use is detached."""
    for point in mounts_below(directory):
        with contextlib.suppress(CommandError):
            run(["umount", "--lazy", point])


def remove_tree(directory: Path) -> None:
    """Remove a directory, unless something is mounted in it: that would be removed too, and it may be the user's."""
    unmount_below(directory)
    left = mounts_below(directory)
    if left:
        raise RuntimeError(f"{left[0]} cannot be unmounted, so {directory} stays; unmount it and try again")
    shutil.rmtree(directory, ignore_errors=True)
