"""The one writer of the raw log: takes groups from the hand-off, commits them, and only then lets them be acknowledged.

When the disk is full or the spool is at its cap, it keeps the group and waits: nothing is acknowledged, the hand-off
fills, the network thread blocks and then leaves, and the broker keeps what is not ours yet. Under the policy DropOldest
somebody else makes room meanwhile (`pipeline/room.py`); under Reject the wait is the policy.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from edgeglm_agent.spool.handoff import Handed, Handoff
from edgeglm_agent.spool.raw_log import RawLog

GROUP_ENTRIES: Final = 512
LINGER_SECONDS: Final = 0.004
IDLE_SECONDS: Final = 1.0
"""After it what was written and not synced yet is synced, though nothing comes."""
RETRY_SECONDS: Final = 0.5

log = logging.getLogger(__name__)


class Writer:
    """Runs on a thread of its own until the hand-off is closed and drained."""

    def __init__(self, raw_log: RawLog, handoff: Handoff, refusal: Callable[[], str]) -> None:
        self._log = raw_log
        self._handoff = handoff
        self._refusal = refusal
        self.on_commit: Callable[[], None] = _nothing
        self._stop = threading.Event()
        self.committed = 0
        self.failures = 0
        self.blocked = ""
        """Why nothing is acknowledged now; empty when all is well."""

    def run(self) -> None:
        """Commit groups until there are none to come."""
        while not self._handoff.drained:
            group = self._handoff.take(most=GROUP_ENTRIES, linger_seconds=LINGER_SECONDS, wait_seconds=IDLE_SECONDS)
            if not group:
                self._sync()
            elif self._commit(group):
                self._tell(group)
            else:
                return

    def stop(self) -> None:
        """Give up on a group that cannot be written; it was not acknowledged, so the broker still has it."""
        self._stop.set()
        self._handoff.close()

    def _tell(self, group: list[Handed]) -> None:
        for handed in group:
            self.committed += len(handed.entries)
            if handed.committed is not None:
                handed.committed()
        self.on_commit()

    def _sync(self) -> None:
        try:
            self._log.sync()
        except OSError as error:
            self.failures += 1
            log.error("the raw log cannot be synced, a power cut may take its end: %s", error)  # noqa: TRY400 - no stack

    def _commit(self, group: list[Handed]) -> bool:
        """Write a group, however long it takes; False when told to stop before."""
        while reason := self._try(group):
            self._block(reason)
            if self._stop.wait(RETRY_SECONDS):
                return False
        self._unblock()
        return True

    def _try(self, group: list[Handed]) -> str:
        try:
            if refusal := self._refusal():
                return refusal
            self._log.append([entry for handed in group for entry in handed.entries])
        except OSError as error:
            self.failures += 1
            return f"the raw log cannot be written: {error}"
        return ""

    def _block(self, reason: str) -> None:
        if not self.blocked:
            log.error("not acknowledging: %s", reason)
        self.blocked = reason

    def _unblock(self) -> None:
        if self.blocked:
            log.warning("acknowledging again")
        self.blocked = ""


def _nothing() -> None:
    return None
