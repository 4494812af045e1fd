"""The short ways that messages take through the fold, by their topics; and what the next messages say, read together.

To read changes nothing and asks for nothing but the rules, so it may be done ahead of what comes before.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from edgeglm_agent.decode.topic import MAX_KNOWN_TOPIC_CHARS
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.spool.entry import Entry, Message

MAX_LANES: Final = 16_384

log = logging.getLogger(__name__)


class Reader(Protocol):
    """Reads payloads; pure."""

    def read_all(self, payloads: Sequence[bytes], arrived_ns: Sequence[int]) -> Sequence[Any]:
        """Return what each payload says; None for those about which anything is strange."""
        ...


class ShortWay(Protocol):
    """A lane."""

    @property
    def reader(self) -> Reader:
        """Reads what it takes; one for many lanes."""
        ...

    def take(self, said: Any, arrived_ns: int) -> Sequence[Closed] | None:  # noqa: ANN401 - what its reader returns
        """Fold in what was said and return the windows that it closes; None, and nothing done, when it cannot."""
        ...


Read = tuple[ShortWay, Message, Any]
"""A lane, a message, and what that says, for the lane to take."""
Found = tuple[ShortWay | None, bool]
"""A lane, where there is one, and whether that stays so until the rules change."""


class Lanes:
    """By topic. Valid as long as the rules are."""

    def __init__(self, find: Callable[[str], Found]) -> None:
        self._find = find
        self._known: dict[str, ShortWay | None] = {}

    def clear(self) -> None:
        """Forget all: the rules have changed."""
        self._known.clear()

    def read(self, entries: Sequence[Entry]) -> Sequence[Read | None]:
        """Read what comes next; None for what has to go the long way, where even a bug costs one message only."""
        read: list[Read | None] = [None] * len(entries)
        known = self._known
        plain = [
            (at, lane, entry)
            for at, entry in enumerate(entries)
            if type(entry) is Message
            and not entry.retained
            and entry.size == len(entry.payload)
            and (lane := known.get(entry.topic) or self._look(entry.topic)) is not None
        ]
        for reader in {lane.reader: None for _, lane, _ in plain}:
            those = [each for each in plain if each[1].reader is reader]
            payloads = [message.payload for _, _, message in those]
            try:
                said = reader.read_all(payloads, [message.arrived_ns for _, _, message in those])
            except Exception:
                log.exception("cannot read %d messages together; each goes the long way", len(those))
                continue
            for (at, lane, message), each in zip(those, said, strict=True):
                if each is not None:
                    read[at] = (lane, message, each)
        return read

    def _look(self, topic: str) -> ShortWay | None:
        if topic in self._known:
            return None
        lane, stays = self._find(topic)
        if len(self._known) >= MAX_LANES:
            self._known.clear()
        if stays and len(topic) <= MAX_KNOWN_TOPIC_CHARS:
            self._known[topic] = lane
        return lane
