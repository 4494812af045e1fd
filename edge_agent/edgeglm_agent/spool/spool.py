"""The spool of one site: its folder, the raw log with its writer, and the ledger with its thread.

The folder carries namespace and siteUID, so that two sites on one node, or a site that was deleted and made anew,
never share data; a lock keeps a second agent out.
"""

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edgeglm_agent.spool.desk import Desk
from edgeglm_agent.spool.disk import Disk
from edgeglm_agent.spool.handoff import Handoff
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.raw_log import SEGMENT_BYTES, RawLog
from edgeglm_agent.spool.writer import Writer
from edgeglm_api.bundle import Limits
from edgeglm_api.edge_site import Sync

SEGMENTS: Final = 16
"""So many at least make a full spool: room comes back a segment at a time."""
SYNC_SECONDS: Final[dict[Sync, float]] = {"Full": 0.0, "Normal": 1.0}


class SpoolInUse(OSError):  # noqa: N818 - names what is the case
    """Another agent works in this folder."""


class Spool:
    """Owner of all files of a site."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = _lock(folder)
        self.raw_log = RawLog(folder / "raw")
        self.ledger = Ledger(folder / "ledger.db")
        self.disk = Disk(folder, raw_bytes=lambda: self.raw_log.size_bytes, ledger_bytes=lambda: self.ledger.size_bytes)
        self.handoff = Handoff()
        self.desk = Desk()
        self.writer = Writer(self.raw_log, self.handoff, self.disk.refusal)
        self._thread = threading.Thread(target=self.writer.run, name="spool-writer", daemon=True)

    def start(self, on_commit: Callable[[], None]) -> None:
        """Begin to commit; `on_commit` is called on the writer's thread."""
        self.writer.on_commit = on_commit
        self._thread.start()

    def apply(self, limits: Limits) -> None:
        """Take on the limits of a bundle."""
        cap = limits.spool_max_bytes
        self.disk.cap_bytes = cap
        self.raw_log.segment_bytes = min(SEGMENT_BYTES, cap // SEGMENTS)
        self.raw_log.tail_bytes = cap // 4
        self.raw_log.sync_seconds = SYNC_SECONDS[limits.spool_sync]

    @property
    def writing(self) -> bool:
        """Whether the writer's thread is alive; it ends only when told to, or by a bug."""
        return self._thread.is_alive()

    async def drain(self, seconds: float) -> None:
        """Let the writer commit what was handed over, and stop it."""
        self.handoff.close()
        await asyncio.to_thread(self._thread.join, seconds)
        self.writer.stop()

    async def close(self) -> None:
        """Let go of all files."""
        self.writer.stop()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)
        await self.desk.run(self.ledger.close)
        self.desk.close()
        self.raw_log.close()
        os.close(self._lock)


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise SpoolInUse(f"{folder} is in use by another agent; stop it, or give this one another --data") from error
    return descriptor
