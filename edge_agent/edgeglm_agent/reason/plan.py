"""What to do with the requests that wait: which is asked next, for which it is too late, and which are told together.

At most one request of a graph and partition is in flight. Waiting ones that follow each other, under the same rules and
with the same that is unusual (or nothing), are told by the newest of them; a window in which a limit was passed or a
state changed is always asked about itself. Of one window only the newest revision is asked about. Of those that are too
old nobody is asked, and the newest gets one `Expired` answer for all, unless the graph has a use for them: then they
wait on, out of their turn, each by itself or all of a partition as one.
"""

from collections.abc import Sequence
from itertools import takewhile

import msgspec

from edgeglm_agent.reason.urgency import URGENCY, Urgency
from edgeglm_agent.spool.requests import Waiting
from edgeglm_api.sensor_graph import AfterFresh

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
    after_fresh: AfterFresh = "Skip"
    """What is to become of what is expired."""
    late: bool = False
    """Whether it waits out of its turn."""


def plan(rows: Sequence[Waiting], now_ns: int) -> Plan:
    """Return what to do about a partition next; its rows wait for their turn, oldest first."""
    run = list(takewhile(lambda row: row.expires_ns < now_ns, rows))
    if not run:
        story = _story(rows)
        return _plan(story, story[-1])
    after = run[-1].after_fresh
    loud = [row for row in run if row.breach] if after == "Summarise" else []
    return msgspec.structs.replace(_plan(run, (loud or run)[-1]), expired=True, after_fresh=after)


def plan_late(rows: Sequence[Waiting]) -> Plan:
    """Return what to ask next about a partition of what is no longer fresh; its rows wait out of their turn."""
    story = _story(rows)
    return msgspec.structs.replace(_plan(story, story[-1]), urgency=Urgency.LOW, late=True)


def _plan(run: Sequence[Waiting], speaker: Waiting) -> Plan:
    return Plan(
        key=(run[0].graph, run[0].partition),
        request_id=speaker.id,
        covers=tuple(row.id for row in run if row.id != speaker.id),
        expired=False,
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
