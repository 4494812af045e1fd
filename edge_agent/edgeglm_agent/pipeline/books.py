"""The books: per graph and source, what was received and what became of it.

received = windowed + duplicate + late + passed over + dropped + dead (by reason) + pending, where pending is counted in
the open panes, passed over is what says nothing that is asked for, and dropped is what a source may not bring and, by
reason, what the site's policy for its spool has let go. The numbers are written in the transaction that writes the
state they describe.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from edgeglm_agent.decode.refused import Reason
from edgeglm_agent.spool.checkpoints import Book
from edgeglm_agent.spool.dead_letters import DeadLetter
from edgeglm_agent.spool.entry import Message

RECEIVED: Final = "received"
WINDOWED: Final = "windowed"
DUPLICATE: Final = "duplicate"
LATE: Final = "late"
PASSED_OVER: Final = "passed_over"
"""Of formats that say more than is asked for: messages that hold nothing of it."""
DROPPED: Final = "dropped"
DROPPED_FROM_SPOOL: Final = "dropped."
"""By reason: what was acknowledged, and then dropped before it was looked at, since the site's policy says so."""
SPOOL_FULL: Final = "SpoolFull"
TOO_OLD: Final = "TooOld"
TOO_MANY_LATE: Final = "TooManyLate"
WAITING_DROPPED: Final = "waiting_dropped."
"""What waited and was dropped, by kind and reason, of a graph; outside the balance: its messages were windowed."""
ESCALATED: Final = "escalated."
"""By reason: answers for which the cloud was asked after the site's engine; under no source."""
DEAD: Final = "dead."
MAX_LETTERS_A_CHECKPOINT: Final = 500
"""A source that sends nothing but garbage costs little; some of it is enough to see why."""
REFUSED_READING: Final = "refused_reading."
"""Parts refused of messages of which others were used; outside the balance, which counts messages."""
REDRIVEN: Final = "redriven"
"""Of those received, the ones that were dead letters before; outside the balance, as what follows."""
BACKFILLED: Final = "backfilled"
"""Of what was late, the observations that count all the same in what is usual; outside the balance, as what follows."""
MISSING: Final = "missing"
"""By their sequence numbers, messages of Sparkplug nodes that never came."""
GIVEN_UP: Final = "windows.given_up"
"""Windows that take no late readings any more before their time is over, so many are kept; under no source."""
FORGOTTEN: Final = "forgotten."
"""By what they are, those that were not heard for longest where too many were to be remembered; under no source."""
ENTITIES: Final = "entities"
UNKEPT: Final = "dead_letters.unkept"
"""Dead messages of which no letter was kept, so many they were at once; under no graph and no source."""
LOST: Final = "lost"
"""Entries that damage to the raw log has cost; under no graph and no source."""


class Books:
    """Counters with one owner, the fold; what changed since the last checkpoint is known."""

    def __init__(self, initial: Mapping[Book, int]) -> None:
        self._counts = dict(initial)
        self._changed: set[Book] = set()
        self.letters: list[DeadLetter] = []
        """Those of messages that died since the last checkpoint."""

    def add(self, graph: str, source: str, entry: str, n: int = 1) -> None:
        """Count."""
        book = (graph, source, entry)
        self._counts[book] = self._counts.get(book, 0) + n
        self._changed.add(book)

    def bury(self, graph: str, source: str, reason: Reason, message: Message) -> None:
        """Count a message as dead, and keep its letter."""
        self.add(graph, source, DEAD + reason)
        if len(self.letters) < MAX_LETTERS_A_CHECKPOINT:
            self.letters.append(DeadLetter(graph, source, reason, message))
        else:
            self.add("", "", UNKEPT)

    def changed(self) -> dict[Book, int]:
        """Return the counters that differ from the last checkpoint."""
        return {book: self._counts[book] for book in self._changed}

    def saved(self) -> None:
        """Note that a checkpoint holds them all."""
        self._changed.clear()
        self.letters.clear()

    def all(self) -> dict[Book, int]:
        """Return a copy of all counters."""
        return dict(self._counts)


def imbalance(counts: Mapping[Book, int], pending: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Return the sources whose books do not balance, and by how much; empty when all is well."""
    off: dict[tuple[str, str], int] = {}
    for source in {(graph, name) for graph, name, entry in counts if entry == RECEIVED}:
        received = counts[(*source, RECEIVED)]
        accounted = sum(n for book, n in counts.items() if book[:2] == source and _is_outcome(book[2]))
        difference = received - accounted - pending.get(source, 0)
        if difference:
            off[source] = difference
    return off


def total(counts: Mapping[Book, int], entries: Iterable[str]) -> int:
    """Return the sum of some entries over all sources."""
    wanted = frozenset(entries)
    return sum(n for book, n in counts.items() if book[2] in wanted)


def _is_outcome(entry: str) -> bool:
    return entry in {WINDOWED, DUPLICATE, LATE, PASSED_OVER, DROPPED} or entry.startswith((DEAD, DROPPED_FROM_SPOOL))
