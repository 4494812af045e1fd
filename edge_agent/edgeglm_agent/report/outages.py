"""The last time that the cloud could not be told how the site is: since when, until when, how often it was tried.

That is all that is kept for it. What reports tell is in the ledger, where counters go on, and the newest report stands
for all before it; but that there was nobody to tell would be forgotten. In a file, so that it outlives the process.
"""

import logging
from pathlib import Path
from typing import Final

import msgspec

from edgeglm_agent.moment import NANOS_PER_SECOND, rfc3339
from edgeglm_api.report import Outage

_FILE: Final = "last-outage.json"
_MOST_BYTES: Final = 4096

log = logging.getLogger(__name__)


class _Kept(msgspec.Struct, frozen=True):
    since_ns: int
    missed: int
    until_ns: int = 0
    """0 while it lasts."""


class Outages:
    """Owner of the file."""

    def __init__(self, data: Path) -> None:
        self._path = data / _FILE
        self._last = self._load()

    def last(self, now_ns: int) -> Outage | None:
        """The last one; the present one as if it ended now, since it does when a report that says so is taken."""
        if self._last is None:
            return None
        until = self._last.until_ns or now_ns
        return Outage(since=_second(self._last.since_ns), until=_second(until), missed=self._last.missed)

    def missed(self, now_ns: int) -> None:
        """Note that a report was not taken."""
        last = self._last
        begun = _Kept(now_ns, 0) if last is None or last.until_ns else last
        self._keep(msgspec.structs.replace(begun, missed=begun.missed + 1))

    def delivered(self, now_ns: int) -> None:
        """Note that one was."""
        if self._last is not None and not self._last.until_ns:
            self._keep(msgspec.structs.replace(self._last, until_ns=now_ns))

    def _keep(self, kept: _Kept) -> None:
        self._last = kept
        draft = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(msgspec.json.encode(kept))
            draft.replace(self._path)
        except OSError as error:  # the disk is full, say; it is told as long as this process lives
            log.warning("the outage of reports cannot be noted: %s", error)

    def _load(self) -> _Kept | None:
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(_MOST_BYTES), type=_Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("the last outage of reports cannot be read: %s", error)
            return None


def _second(nanos: int) -> str:
    """The moment in whole seconds; a clock that is out of its mind still gives one that can be written."""
    return rfc3339(max(0, nanos) // NANOS_PER_SECOND * NANOS_PER_SECOND)
