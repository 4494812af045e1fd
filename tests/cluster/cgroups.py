"""One cgroup for each node: two kubelets that shared a root would delete each other's pods."""

import contextlib
import os
import signal
from pathlib import Path

from tests.cluster.process import Identity, until

MOUNT = Path("/sys/fs/cgroup")


def make_cgroup(name: str) -> None:
    """Make the node's cgroup in every hierarchy, usable by processes at once."""
    for hierarchy in _hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        # cgroup v1 leaves a new cpuset empty, and nothing can run in it.
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (group / file).exists() and hierarchy != MOUNT:
                (group / file).write_text((hierarchy / file).read_text())


def kill_cgroup(name: str) -> None:
    """End everything that runs in the node's pods; by construction all of it belongs to this cluster."""

    def emptied() -> bool:
        pids = _pids(name)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids

    until(emptied, 15)


def remove_cgroup(name: str) -> None:
    """Remove the node's cgroup and all below it."""
    for hierarchy in _hierarchies():
        for directory, _, _ in os.walk(hierarchy / name, topdown=False):
            until(lambda directory=directory: _removed(Path(directory)), 5)  # type: ignore[misc]


def cgroup_exists(name: str) -> bool:
    """Tell whether any hierarchy still has it."""
    return any((hierarchy / name).exists() for hierarchy in _hierarchies())


def _removed(directory: Path) -> bool:
    with contextlib.suppress(OSError):
        directory.rmdir()
    return not directory.exists()


def _hierarchies() -> list[Path]:
    """The one of cgroup v2, or each of v1, with v2's beside them where runc finds it."""
    if (MOUNT / "cgroup.controllers").exists():
        return [MOUNT]
    return [path for path in MOUNT.iterdir() if path.is_dir() and not path.is_symlink()]


def _pids(name: str) -> list[int]:
    """Living processes of the group and of all below it; os.walk, since groups vanish while they are listed."""
    found: set[int] = set()
    for hierarchy in _hierarchies():
        for directory, _, _ in os.walk(hierarchy / name):
            with contextlib.suppress(OSError):
                found.update(int(word) for word in Path(directory, "cgroup.procs").read_text().split())
    return sorted(pid for pid in found if _lives(pid))


def _lives(pid: int) -> bool:
    """A zombie still stands in cgroup.procs of cgroup v1, and cannot be killed again."""
    with contextlib.suppress(OSError):
        return Identity.of(pid).alive()
    return False
