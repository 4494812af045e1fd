"""Reads the raw log in order from a position on; live work and replay after a crash take the same path."""

from pathlib import Path

import msgspec

from edgeglm_agent.spool.entry import Entry
from edgeglm_agent.spool.frame import read_frames
from edgeglm_agent.spool.raw_log import RawLog, Segment


class Chunk(msgspec.Struct, frozen=True):
    """Consecutive entries, and how many before them were lost to damage."""

    first: int
    entries: list[Entry]
    lost: int = 0

    @property
    def next(self) -> int:
        """The number after the last entry."""
        return self.first + len(self.entries)


class RawReader:
    """A position in the log. One thread reads."""

    def __init__(self, log: RawLog, start: int) -> None:
        self._log = log
        self.next = start
        self._path: Path | None = None
        self._offset = 0

    def read(self, limit: int) -> list[Chunk]:
        """Return the next whole groups, with not many more entries than the limit; empty when there are none."""
        chunks: list[Chunk] = []
        for segment in self._log.segments():
            # Only once the limit allows for all of a segment is the next one looked at: it has to go on where we are.
            if segment.next > self.next and (left := limit - _count(chunks)) > 0:
                chunks += self._of_segment(segment, left)
        return chunks

    def _of_segment(self, segment: Segment, limit: int) -> list[Chunk]:
        begin = self._offset if self._path == segment.path else 0
        chunks: list[Chunk] = []
        for frame in read_frames(self._data(segment, begin)):
            if begin + frame.start != self._offset_in(segment) or frame.first > max(self.next, segment.first):
                self._log.note_damage(segment.path, f"before entry {frame.first}")
            if frame.next > self.next:
                skip = max(self.next - frame.first, 0)
                chunks.append(Chunk(frame.first + skip, frame.entries[skip:], lost=max(frame.first - self.next, 0)))
                self.next = frame.next
            self._path, self._offset = segment.path, begin + frame.end
            if _count(chunks) >= limit:
                return chunks
        if self._offset_in(segment) < segment.size:
            self._log.note_damage(segment.path, f"behind entry {self.next - 1}")
        return chunks

    def _offset_in(self, segment: Segment) -> int:
        return self._offset if self._path == segment.path else 0

    def _data(self, segment: Segment, begin: int) -> bytes:
        try:
            with segment.path.open("rb") as file:
                file.seek(begin)
                return file.read(segment.size - begin)
        except OSError as error:
            self._log.note_damage(segment.path, str(error))
            return b""


def _count(chunks: list[Chunk]) -> int:
    return sum(len(chunk.entries) for chunk in chunks)
