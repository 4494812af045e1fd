"""Closed windows into which late readings came: made anew while their time lasts, and learned from when it is over."""

import msgspec

from edgeglm_agent.graph.detect import detect
from edgeglm_agent.graph.heading import headings
from edgeglm_agent.graph.late import Made, still_silent
from edgeglm_agent.graph.partition import Partition
from edgeglm_agent.graph.state import states_in
from edgeglm_agent.graph.trend import trends_at
from edgeglm_agent.graph.window import Window
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.era import Era
from edgeglm_agent.pipeline.whereabouts import Whereabouts


def is_due(partition: Partition, era: Era, now_ns: int) -> bool:
    """Tell whether windows are to be made anew now.

    What comes within the length of a slice is made into one revision; so a window has few, however many readings come.
    """
    since_ns = partition.late.since_ns(era.number)
    if since_ns is None:
        return False
    due = partition.late.due[era.number]
    return now_ns - since_ns >= era.slice_ns or any(each in due for each in partition.final(era.number, era.span))


def make_anew(name: str, whereabouts: Whereabouts, era: Era, now_ns: int) -> list[Closed]:
    """Return the windows that are due, oldest first, each with all that came for it."""
    partition = whereabouts.partitions[name]
    return [
        _made_anew(name, whereabouts, era, number, now_ns) for number in sorted(partition.late.due.pop(era.number, {}))
    ]


def learn(name: str, whereabouts: Whereabouts, era: Era, numbers: list[int]) -> int:
    """Learn what is usual from windows that nothing changes any more; return how many of them end before their time."""
    partition = whereabouts.partitions[name]
    windows = partition.finish(name, era.number, era.span, numbers)
    for window in windows:
        partition.remember(window)
        whole = whereabouts.derive(window, era)
        # Only for what is usual in them: all else that holds was told when the window closed.
        states = states_in(partition.holders, window.start_ns, window.end_ns) if era.operating else {}
        settled = msgspec.structs.replace(whole, states=states)
        ahead = headings(
            settled, trends_at(partition.tracks, window.end_ns), era.surroundings, point_seconds=era.point_seconds
        )
        evidence = detect(settled, partition.usual(settled, era.operating), {}, ahead)
        since_ns = era.fresh_from_ns(settled)
        partition.learn(settled, era.operating, evidence, since_ns=since_ns, point_seconds=era.point_seconds)
    return sum(window.end_ns > partition.watermark_ns - era.late_ns for window in windows)


def _made_anew(name: str, whereabouts: Whereabouts, era: Era, number: int, now_ns: int) -> Closed:
    partition = whereabouts.partitions[name]
    window = partition.window(name, era.number, era.span, number)
    before = partition.late.made.setdefault(era.number, {}).get(number)
    made = partition.late.made[era.number][number] = _after(before, partition, era, number, window)
    window = whereabouts.derive(whereabouts.complete(window, era, made.silent), era)
    return Closed(msgspec.structs.replace(window, held=made.held), era, partition, made, belated_ns=now_ns)


def _after(before: Made | None, partition: Partition, era: Era, number: int, window: Window) -> Made:
    if before is None:
        return Made()
    silent = still_silent(before.silent, partition.past[era.number], number, window.end_ns)
    return msgspec.structs.replace(before, revision=before.revision + 1, silent=silent)
