"""A cgroup with a limit of memory, for the processes of a test: of v1 or of v2, whichever there is. Needs root."""

import contextlib
import os
from typing import Final

from tests.cluster.cgroups import MOUNT
from tests.cluster.process import until

_V2: Final = (MOUNT / "cgroup.controllers").exists()
_LIMIT: Final = "memory.max" if _V2 else "memory.limit_in_bytes"
_USED: Final = "memory.current" if _V2 else "memory.usage_in_bytes"


class MemoryLimit:
    """One group; `remove` it when its processes have ended."""

    def __init__(self) -> None:
        self._group = (MOUNT if _V2 else MOUNT / "memory") / f"edgeglm-test-{os.getpid()}"
        if _V2:
            with contextlib.suppress(OSError):  # it may be on already, or not ours to switch
                (MOUNT / "cgroup.subtree_control").write_text("+memory")
        self._group.mkdir()

    @property
    def inside(self) -> tuple[str, ...]:
        """Runs a command in it, from its first page on."""
        return ("/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self._group / "cgroup.procs"))

    def limit(self, size_bytes: int) -> None:
        """Let all of them together have no more than that."""
        (self._group / _LIMIT).write_text(str(size_bytes))

    def used_bytes(self) -> int:
        """What is counted for them."""
        return int((self._group / _USED).read_text())

    def remove(self) -> None:
        """Make it go; what has just been killed may need a moment."""
        assert until(self._removed, 60), f"{self._group} has processes still"

    def _removed(self) -> bool:
        with contextlib.suppress(OSError):
            self._group.rmdir()
        return not self._group.exists()
