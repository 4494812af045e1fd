"""The commit that a pod began with, and keeps for its life.

A branch may move between two containers of one pod, or before the engine's container is started again; the engine would
then load half of one model and half of another. So the first container sets a link in a volume of the pod's own, and
all others follow it.
"""

from pathlib import Path

from edgeglm_operator.download.cache import Snapshot


class Link:
    """The path that the engine serves."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def commit(self) -> str | None:
        """What it points at, whether that is whole or not; None before the first container has set it."""
        return self._path.readlink().name if self._path.is_symlink() else None

    def point_at(self, snapshot: Snapshot) -> None:
        """Set it, once."""
        if not self._path.is_symlink():
            self._path.symlink_to(snapshot.directory)
