"""What was judged last, partition by partition, and how its means have moved: for people who look on.

It is kept in memory and is no part of the state of the fold: nothing that is decided looks here, and after a restart it
begins anew. All of it is bounded. Where there are more partitions than are kept, those with evidence come first: one
that has some takes the place of the one that had none for longest.
"""

import copy
from array import array
from collections.abc import Collection
from math import nan
from typing import Final

from edgeglm_agent.graph.model import Measured
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.judge import Judged
from edgeglm_agent.reason.request import Request
from edgeglm_api.bundle import Graph

MAX_PARTITIONS: Final = 64
MAX_SERIES: Final = 64
"""Of a partition; those of its first nodes, which are what is wrong and what is near to it."""
MAX_WINDOWS: Final = 120

Key = tuple[str, str]
"""The uid of a graph, and a partition."""
Series = tuple[str, str]
"""Node and property."""


class Seen:
    """One partition."""

    def __init__(self, rules: Graph, judged: Judged) -> None:
        self.rules = rules
        self.judged = judged
        """The last window that came in its turn."""
        self.troubled_ns = 0
        """The end of the last window with evidence."""
        self.ends_ns: array[int] = array("q")
        """Of the last windows."""
        self.means: dict[Series, array[float]] = {}
        """One for each of those windows; none is NaN."""
        self.note(rules, judged)

    @property
    def request(self) -> Request:
        """What the window was about, whether anybody was asked or not."""
        return self.judged.request

    def note(self, rules: Graph, judged: Judged) -> None:
        """Take a window in."""
        self.rules, self.judged = rules, judged
        request = judged.request
        if judged.evidence:
            self.troubled_ns = request.end_ns
        self.ends_ns.append(request.end_ns)
        windows = len(self.ends_ns)
        found = {(node.id, each.property): each for node in request.subject.nodes for each in node.measured}
        for series, means in self.means.items():
            means.append(_mean(found.pop(series, None)))
        for series, measured in list(found.items())[: MAX_SERIES - len(self.means)]:
            self.means[series] = array("d", [nan] * (windows - 1) + [measured.mean])
        if windows > MAX_WINDOWS:
            self._forget_oldest()

    def as_it_is(self) -> "Seen":
        """Return a copy that stays as it is now."""
        taken = copy.copy(self)
        taken.ends_ns = self.ends_ns[:]
        taken.means = {series: means[:] for series, means in self.means.items()}
        return taken

    def _forget_oldest(self) -> None:
        del self.ends_ns[0]
        for series, means in list(self.means.items()):
            del means[0]
            if all(mean != mean for mean in means):  # noqa: PLR0124 - only NaN differs from itself
                del self.means[series]


class Recent:
    """Owner of all of them; on the ledger's thread."""

    def __init__(self) -> None:
        self.seen: dict[Key, Seen] = {}

    def note(self, closed: Closed, judged: Judged) -> None:
        """Take a window in; one that late readings brought out of its turn says nothing about now."""
        request = judged.request
        if request.belated:
            return
        key = (request.graph_uid, request.partition)
        if (known := self.seen.get(key)) is not None:
            known.note(closed.era.rules, judged)
        elif self._has_room_for(judged):
            self.seen[key] = Seen(closed.era.rules, judged)

    def keep(self, graphs: Collection[str]) -> None:
        """Forget all graphs but these."""
        self.seen = {key: seen for key, seen in self.seen.items() if key[0] in graphs}

    def _has_room_for(self, judged: Judged) -> bool:
        if len(self.seen) < MAX_PARTITIONS:
            return True
        if not judged.evidence:
            return False
        quietest = min(self.seen, key=lambda key: self.seen[key].troubled_ns)
        if self.seen[quietest].troubled_ns >= judged.request.end_ns:
            return False
        del self.seen[quietest]
        return True


def _mean(measured: Measured | None) -> float:
    return nan if measured is None else measured.mean
