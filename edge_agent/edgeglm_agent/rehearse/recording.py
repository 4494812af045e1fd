"""A recording: a raw log as it lies, be it of `record` or of an agent's spool. It is read and never changed."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.spool.entry import Entry, Message
from edgeglm_agent.spool.frame import read_frames


class NoRecording(ValueError):  # noqa: N818 - names what is the case
    """There is nothing that could be replayed."""


class Recording:
    """The segments in a folder, or in its `raw` folder; raises NoRecording."""

    def __init__(self, folder: Path) -> None:
        self._segments = sorted(folder.glob("*.log")) or sorted((folder / "raw").glob("*.log"))
        first = last = None
        self.broker = ""
        """That of the first message; empty when there is none."""
        for entry in self.entries():
            first, last = first or entry, entry
            if isinstance(entry, Message):
                self.broker = self.broker or entry.broker
        if first is None or last is None:
            raise NoRecording(
                f"{folder} holds no recording; `edgeglm-agent record` makes one, and an agent's spool is one"
            )
        self.hours = (last.arrived_ns - first.arrived_ns) / NANOS_PER_SECOND / 3600

    def entries(self) -> Iterator[Entry]:
        """Yield all entries in order."""
        for segment in self._segments:
            for frame in read_frames(segment.read_bytes()):
                yield from frame.entries

    def seconds(self) -> Iterator[list[Entry]]:
        """Yield the entries that arrived within one second together."""
        for _second, entries in groupby(self.entries(), key=lambda each: each.arrived_ns // NANOS_PER_SECOND):
            yield list(entries)
