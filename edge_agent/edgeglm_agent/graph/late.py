"""What is known of closed windows that late readings may still change; their panes are the partition's past.

A late reading goes into the pane where it belongs. What is usual is learned from a window only when its time for late
readings is over, so that the order in which they came makes no difference. Where windows are made anew, those that a
late reading belongs into are due, until all that came is made into one revision of each.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from edgeglm_agent.graph.hysteresis import Holdings
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.silence import Silent

MAX_KEPT_PANES: Final = 128
"""Of a partition, for late readings. Beyond it the oldest are given up before their time, and counted."""
MAX_KEPT_ENTITIES: Final = 8192
"""In all of them together: each is written with each checkpoint."""


class Made(msgspec.Struct, array_like=True):
    """A closed window whose time for late readings is not over."""

    revision: int = 0
    told: bool = False
    """Whether anybody was asked about it: then each revision that follows is told."""
    silent: tuple[Silent, ...] = ()
    """Who was missed by its end."""
    held: Holdings = {}
    """Breaches that went on at its begin."""


class Late(msgspec.Struct):
    """Of one partition. By the number of the era, and of the slice that a window ends with."""

    made: dict[int, dict[int, Made]] = {}
    due: dict[int, dict[int, int]] = {}
    """Windows to be made anew, and when the first reading for that arrived."""
    given_up_ns: int = 0
    """Before it nothing late is taken any more, though its time may not be over."""

    def backfill(self, era: int, number: int) -> None:
        """Let a window be learned from that nobody was heard in until it was over."""
        self.made.setdefault(era, {}).setdefault(number, Made())

    def revise(self, era: int, number: int, windows: int, now_ns: int) -> None:
        """Note that a reading came for a slice that is in so many windows."""
        made, due = self.made.get(era, {}), self.due.setdefault(era, {})
        due.setdefault(number, now_ns)
        for each in range(number + 1, number + windows):
            if each in made:
                due.setdefault(each, now_ns)

    def due_by(self, now_ns: int) -> None:
        """Let nothing be due since a moment that is still to come."""
        for numbers in self.due.values():
            numbers.update({number: min(at_ns, now_ns) for number, at_ns in numbers.items()})

    def since_ns(self, era: int) -> int | None:
        """Return since when a window of an era is due, if any is."""
        return min(self.due.get(era, {}).values(), default=None)


def newest_beyond(panes: Mapping[int, Pane]) -> int | None:
    """Return the number of the newest pane that is one too many; None when they are within the bounds."""
    entities = 0
    for count, number in enumerate(sorted(panes, reverse=True), start=1):
        entities += len(panes[number].entities)
        if count > MAX_KEPT_PANES or entities > MAX_KEPT_ENTITIES:
            return number
    return None


def still_silent(silent: tuple[Silent, ...], panes: Mapping[int, Pane], until: int, end_ns: int) -> tuple[Silent, ...]:
    """Return who was missed by the end of a window, now that more is known of it and of those before it."""
    found: list[Silent] = []
    for each in silent:
        heard = (pane.heard.get(each.source, {}).get(each.entity, 0) for at, pane in panes.items() if at <= until)
        last_ns = max(each.last_ns, *heard, 0)
        if end_ns - last_ns > each.every_ns:
            found.append(msgspec.structs.replace(each, last_ns=last_ns))
    return tuple(found)
