"""How much of the disk may be used: the site's cap, and a reserve that is never touched.

The reserve is for the ledger. If the raw log took the last byte, no transaction could release it again.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

MOST_RESERVE_BYTES: Final = 64 * 1024 * 1024


class Disk:
    """Answers whether the raw log may grow. Called on the writer's thread; reads counters, asks the file system."""

    def __init__(self, folder: Path, *, raw_bytes: Callable[[], int], ledger_bytes: Callable[[], int]) -> None:
        self._folder = folder
        self._raw_bytes = raw_bytes
        self._ledger_bytes = ledger_bytes
        self.cap_bytes = 1 << 62

    @property
    def raw_bytes(self) -> int:
        """What the raw log holds."""
        return self._raw_bytes()

    @property
    def used_bytes(self) -> int:
        """What the spool holds."""
        return self._raw_bytes() + self._ledger_bytes()

    @property
    def roomy(self) -> bool:
        """Whether an eighth of the spool is free, and the disk has twice its reserve."""
        free, reserve = self._free()
        return self.used_bytes <= self.cap_bytes - self.cap_bytes // 8 and free >= 2 * reserve

    def refusal(self) -> str:
        """Return why the log may not grow; empty when it may."""
        used = self.used_bytes
        if used >= self.cap_bytes:
            return f"the spool holds {used} bytes of at most {self.cap_bytes}; see why answers are not delivered"
        free, reserve = self._free()
        if free < reserve:
            return f"the disk under {self._folder} has {free} bytes left, and {reserve} are kept for the ledger"
        return ""

    def _free(self) -> tuple[int, int]:
        """Return the bytes that the disk has left, and how many of them are kept."""
        system = os.statvfs(self._folder)
        reserve = min(MOST_RESERVE_BYTES, system.f_blocks * system.f_frsize // 8)
        return system.f_bavail * system.f_frsize, reserve
