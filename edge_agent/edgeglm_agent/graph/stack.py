"""Packs on top of one another that are for a pane, and not summed up in it yet: a sheet for all channels of a device.

A pack says much at once, and a device says the same names in the same order again and again. So packs are kept as they
are, and taken apart when somebody looks at their pane: a channel has its places in each of them.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import msgspec

from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.partition import Series
from edgeglm_agent.graph.sheet import Target
from edgeglm_agent.graph.stat import Moments
from edgeglm_agent.graph.unsettled import Unsettled

Pick = Callable[[Sequence[Any]], Sequence[Any]]
"""Takes what is of a channel out of a list for a whole pack."""


class Channel(msgspec.Struct, frozen=True):
    """A channel of a device, and where in a pack its readings are."""

    target: Target
    pick: Pick


class Speaker(msgspec.Struct, frozen=True):
    """One whose readings are in a pack, how far it has come, and where in a pack they are."""

    series: Series
    pick: Pick


def pick_at(places: Sequence[int], length: int) -> Pick:
    """Return what takes out of lists of that length what is at some places."""
    if len(places) == length:
        return itemgetter(slice(None))
    # Of one place, itemgetter would return what is there, and no list of it.
    return itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))


class Stack(Unsettled):
    """What one topic said in packs of the same shape, for one pane."""

    __slots__ = ("_channels", "_home", "rows", "speakers", "times")

    def __init__(
        self, pane: Pane, speakers: Sequence[Speaker], channels: Sequence[Channel], home: dict[int, "Stack"]
    ) -> None:
        super().__init__(pane, channels[0].target.about.source)
        self._channels = channels
        self._home = home
        """Where it is found as long as it is not settled."""
        self.speakers = speakers
        self.times: list[array[int]] = []
        """Of each pack, when each of its readings was made."""
        self.rows: list[array[float]] = []
        """Of each pack, its readings."""

    def settle(self, before: Moments | None) -> Moments | None:
        """Put what was read into its pane; return the moments of its last channel, which are mostly those of all."""
        self._home.clear()
        moments = before
        for channel in self._channels if self.times else ():
            times = _all(channel.pick, self.times)
            if moments is None or moments.times != times:
                moments = Moments(times)
            channel.target.put(self._pane, (_all(channel.pick, self.rows),), moments)
        return moments


def _all(pick: Pick, rows: Iterable[Sequence[Any]]) -> list[Any]:
    return list(chain.from_iterable(map(pick, rows)))
