"""What to do with the requests that wait: which is asked next, for which it is too late, and which are told together.

At most one request of a graph and partition is in flight. Waiting ones that follow each other, under the same rules and
with the same that is unusual (or nothing), are told by the newest of them; a window in which a limit was passed or a
state changed is always asked about itself. Of one window only the newest revision is asked about. Of those that are too
old nobody is asked: the newest gets one `Expired` answer for all.
"""

from collections.abc import Sequence
from itertools import takewhile

import msgspec

from edgeglm_agent.reason.urgency import URGENCY, Urgency
from edgeglm_agent.spool.requests import Waiting

Key = tuple[str, str]
"""Graph and partition."""


class Plan(msgspec.Struct, frozen=True):
    """One thing to do."""

    key: Key
    request_id: str
    covers: tuple[str, ...]
    """Older requests that this one speaks for."""
    expired: bool
    expires_ns: int
    """After it, it is too late for the oldest of its windows."""
    since_ns: int
    """When the oldest of its windows ended."""
    urgency: Urgency


def plan(rows: Sequence[Waiting], now_ns: int) -> Plan:
    """Return what to do about a partition next; its rows wait, oldest first."""
    late = list(takewhile(lambda row: row.expires_ns < now_ns, rows))
    run = late or _story(rows)
    return Plan(
        key=(rows[0].graph, rows[0].partition),
        request_id=run[-1].id,
        covers=tuple(row.id for row in run[:-1]),
        expired=bool(late),
        expires_ns=run[0].expires_ns,
        since_ns=run[0].end_ns,
        urgency=min(URGENCY[row.priority] for row in run),
    )


def _story(rows: Sequence[Waiting]) -> list[Waiting]:
    """Return the first rows that follow each other or overlap, without a gap, tell the same, and have no breach."""
    story = [rows[0]]
    for row in rows[1:]:
        if not _made_anew(story[-1], row) and not _goes_on(story[-1], row):
            break
        story.append(row)
    return story


def _made_anew(one: Waiting, other: Waiting) -> bool:
    return (one.start_ns, one.end_ns) == (other.start_ns, other.end_ns)


def _goes_on(one: Waiting, other: Waiting) -> bool:
    return not one.breach and one.signature == other.signature and other.start_ns <= one.end_ns
