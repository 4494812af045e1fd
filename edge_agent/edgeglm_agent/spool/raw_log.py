"""The raw log: append-only segments, one frame a commit, synced before anybody is told.

With `sync_seconds` it is synced that often instead, and a power cut may take what came since; a crash of the process
takes nothing, as the kernel has it.

One thread appends (the writer), another releases and reads (the ledger's). What they share is the list of segments
and the committed end, under one lock; the files themselves are never changed behind the committed end.
"""

import logging
import os
import threading
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

import msgspec

from edgeglm_agent.spool.entry import Entry
from edgeglm_agent.spool.frame import Frame, encode_frame, read_frames

SEGMENT_BYTES: Final = 4 * 1024 * 1024
KEEP_DAMAGED: Final = 4
"""The newest of them."""
_SUFFIX: Final = ".log"
_DAMAGED: Final = ".damaged"

log = logging.getLogger(__name__)


class Segment(msgspec.Struct):
    """One file of the log; named by the number of its first entry."""

    path: Path
    first: int
    next: int
    """The number after its last committed entry."""
    size: int
    """Its committed bytes."""


class RawLog:
    """Appends groups of entries durably, and forgets whole segments once they are released."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self.segment_bytes = segment_bytes
        self.sync_seconds = 0.0
        self.tail_bytes = 1 << 62
        """How much of what is folded is kept at most, beside the last segment."""
        self._lock = threading.Lock()
        self._file: int | None = None
        self._unsynced_since: float | None = None
        self._damaged: set[Path] = set()
        self.cut_bytes = 0
        """What was cut off the end at the start: groups that nobody was told of, or damage."""
        folder.mkdir(parents=True, exist_ok=True)
        self._segments = self._find_segments()

    @property
    def next(self) -> int:
        """The number that the next entry will get; entries are numbered from 1."""
        with self._lock:
            return self._segments[-1].next if self._segments else 1

    @property
    def size_bytes(self) -> int:
        """How much disk the log uses."""
        with self._lock:
            return sum(segment.size for segment in self._segments)

    @property
    def set_aside(self) -> int:
        """How many damaged segments are kept for whoever wants to look."""
        return len(list(self._folder.glob(f"*{_DAMAGED}")))

    def note_damage(self, path: Path, what: str) -> None:
        """Note that a segment is damaged: once all is folded that can be read, it is set aside instead of deleted."""
        if path not in self._damaged:
            log.error("%s is damaged (%s), going on with what can be read", path.name, what)
            self._damaged.add(path)

    def segments(self) -> list[Segment]:
        """Return a copy of the list of segments as committed now."""
        with self._lock:
            return [msgspec.structs.replace(segment) for segment in self._segments]

    def append(self, entries: Sequence[Entry]) -> int:
        """Write a group, sync it when it is time, and return the number of its first entry.

        Raises OSError, with the log as it was before, when the disk is full or fails.
        """
        segment = self._writable()
        frame = encode_frame(segment.next, entries)
        self._write(segment, frame)
        first = segment.next
        with self._lock:
            segment.next += len(entries)
            segment.size += len(frame)
        return first

    def start_at(self, number: int) -> None:
        """Let numbering go on from there when the log is behind, as after the loss of its files."""
        if number > self.next:
            self._roll(number)

    def sync(self) -> None:
        """Sync what is written and not synced yet; called on the writer's thread. Raises OSError."""
        if self._file is not None and self._unsynced_since is not None:
            os.fdatasync(self._file)
            self._unsynced_since = None

    def release(self, folded: int, *, keep_entries: int = 0) -> int:
        """Delete segments of which all is folded, and return how many went.

        Of the last entries before the number `folded`, so many are kept as long as they do not take too much room.
        """
        with self._lock:
            done = [segment for segment in self._segments[:-1] if segment.next <= folded]
            sizes = list(accumulate(segment.size for segment in reversed(done)))[::-1]
            gone = [
                segment
                for segment, size in zip(done, sizes, strict=True)
                if segment.next <= folded - keep_entries or size > self.tail_bytes
            ]
            self._segments = self._segments[len(gone) :]
        for segment in gone:
            if segment.path in self._damaged:
                self._set_aside(segment.path)
            else:
                segment.path.unlink(missing_ok=True)
        return len(gone)

    def close(self) -> None:
        """Sync what is not synced, and let go of the file."""
        try:
            self.sync()
        finally:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._unsynced_since = None

    def _find_segments(self) -> list[Segment]:
        """Look into the last segment only: what is wrong with another is found when it is read."""
        paths = sorted(path for path in self._folder.glob(f"*{_SUFFIX}") if path.stem.isdecimal())
        firsts = [int(path.stem) for path in paths]
        segments = [
            Segment(path=path, first=first, next=following, size=path.stat().st_size)
            for path, first, following in zip(paths, firsts, firsts[1:], strict=False)
        ]
        if paths:
            segments.append(self._recover(paths[-1], firsts[-1]))
        return segments

    def _recover(self, path: Path, first: int) -> Segment:
        """Find the committed end of the last segment and cut off a torn tail: nobody was told about it."""
        try:
            data = path.read_bytes()
        except OSError as error:
            log.error("%s cannot be read, set aside: %s", path.name, error)  # noqa: TRY400 - expected, no stack
            self._set_aside(path)
            path.touch(0o600)
            return Segment(path=path, first=first, next=first, size=0)
        last: Frame | None = None
        for frame in read_frames(data):
            last = frame
        size = last.end if last else 0
        if size < len(data):
            self.cut_bytes = len(data) - size
            log.warning("%s: cut off %d bytes of a torn tail", path.name, self.cut_bytes)
            os.truncate(path, size)
        return Segment(path=path, first=first, next=last.next if last else first, size=size)

    def _set_aside(self, path: Path) -> None:
        self._damaged.discard(path)
        path.rename(path.with_suffix(_DAMAGED))
        for old in sorted(self._folder.glob(f"*{_DAMAGED}"))[:-KEEP_DAMAGED]:
            old.unlink()

    def _writable(self) -> Segment:
        with self._lock:
            last = self._segments[-1] if self._segments else None
        if last is None or last.size >= self.segment_bytes:
            return self._roll(last.next if last else 1)
        if self._file is None:
            self._file = os.open(last.path, os.O_WRONLY)
        return last

    def _roll(self, first: int) -> Segment:
        self.close()
        path = self._folder / f"{first:020d}{_SUFFIX}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        sync_folder(self._folder)
        self._file = file
        segment = Segment(path=path, first=first, next=first, size=0)
        with self._lock:
            self._segments.append(segment)
        return segment

    def _write(self, segment: Segment, frame: bytes) -> None:
        if self._file is None:
            raise OSError(f"{segment.path} is not open")
        try:
            written = 0
            while written < len(frame):
                written += os.pwrite(self._file, frame[written:], segment.size + written)
            self._sync_when_due()
        except OSError:
            # After a failed sync the kernel may have dropped the pages: write them anew next time, on a new descriptor.
            self._cut_back(segment)
            raise

    def _sync_when_due(self) -> None:
        now = time.monotonic()
        if self._unsynced_since is None:
            self._unsynced_since = now
        if now - self._unsynced_since >= self.sync_seconds:
            self.sync()

    def _cut_back(self, segment: Segment) -> None:
        self._close()
        try:
            os.truncate(segment.path, segment.size)
        except OSError as error:
            log.warning(
                "cannot cut %s back to %d bytes; its tail is overwritten: %s", segment.path, segment.size, error
            )


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
