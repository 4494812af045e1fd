"""How a committed group lies on the disk: magic, length, checksum, number of its first entry, entries.

The magic in front of each frame lets a reader find the next good one behind a damaged spot; the numbers tell how many
entries the damage has cost.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from edgeglm_agent.spool.entry import Entry

MAGIC: Final = b"\xe5GLM"
_HEADER: Final = struct.Struct("<4sIIQ")
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[Entry])


class Frame(msgspec.Struct, frozen=True):
    """One committed group, and where it lies in its segment."""

    start: int
    end: int
    first: int
    """The number of its first entry."""
    entries: list[Entry]

    @property
    def next(self) -> int:
        """The number of the entry after the last one."""
        return self.first + len(self.entries)


def encode_frame(first: int, entries: Sequence[Entry]) -> bytes:
    """Return the bytes of one group."""
    body = _ENCODER.encode(entries)
    return _HEADER.pack(MAGIC, len(body), _checksum(first, body), first) + body


def read_frames(data: bytes, offset: int = 0) -> Iterator[Frame]:
    """Yield the good frames from an offset on, passing over what is damaged."""
    at = offset
    while at < len(data):
        frame = _frame_at(data, at)
        if frame is not None:
            yield frame
            at = frame.end
            continue
        at = data.find(MAGIC, at + 1)
        if at < 0:
            return


def _frame_at(data: bytes, at: int) -> Frame | None:
    if len(data) - at < _HEADER.size:
        return None
    magic, length, checksum, first = _HEADER.unpack_from(data, at)
    start = at + _HEADER.size
    body = data[start : start + length]
    if magic != MAGIC or len(body) != length or _checksum(first, body) != checksum:
        return None
    try:
        return Frame(start=at, end=start + length, first=first, entries=_DECODER.decode(body))
    except msgspec.MsgspecError:
        return None


def _checksum(first: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(first.to_bytes(8, "little")))
