"""What to do with the requests that wait: which is asked next, for which it is too late, and which are told together.

At most one request of a graph and partition is in flight. Waiting ones that follow each other, under the same rules and
with the same that is unusual (or nothing), are told by the newest of them; a window in which a limit was passed or a
state changed is always asked about itself. Of one window only the newest revision is asked about. Of those that are too
old nobody is asked: the newest gets one `Expired` answer for all.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby, takewhile

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
    since_ns: int
    """When the oldest of its windows ended."""
    urgency: Urgency


def plan(waiting: Iterable[Waiting], busy: Collection[Key], now_ns: int) -> list[Plan]:
    """Return at most one thing to do for each partition with nothing in flight, the expired first, then the oldest."""
    return sorted(_plans(waiting, busy, now_ns), key=lambda each: (not each.expired, each.since_ns, each.key))


def _plans(waiting: Iterable[Waiting], busy: Collection[Key], now_ns: int) -> Iterator[Plan]:
    for key, group in groupby(waiting, key=lambda row: (row.graph, row.partition)):
        rows = list(group)
        if key not in busy:
            yield _plan(key, rows, now_ns)


def _plan(key: Key, rows: list[Waiting], now_ns: int) -> Plan:
    run = list(takewhile(lambda row: row.expires_ns < now_ns, rows))
    expired = bool(run)
    if not run:
        run = _story(rows)
    return Plan(
        key=key,
        request_id=run[-1].id,
        covers=tuple(row.id for row in run[:-1]),
        expired=expired,
        since_ns=run[0].end_ns,
        urgency=min(URGENCY[row.priority] for row in run),
    )


def _story(rows: list[Waiting]) -> list[Waiting]:
    """Return the first rows that follow each other or overlap, without a gap, tell the same, and have no breach."""
    story = rows[:1]
    for row in rows[1:]:
        if not _made_anew(story[-1], row) and not _goes_on(story[-1], row):
            break
        story.append(row)
    return story


def _made_anew(one: Waiting, other: Waiting) -> bool:
    return (one.start_ns, one.end_ns) == (other.start_ns, other.end_ns)


def _goes_on(one: Waiting, other: Waiting) -> bool:
    return not one.breach and one.signature == other.signature and other.start_ns <= one.end_ns
