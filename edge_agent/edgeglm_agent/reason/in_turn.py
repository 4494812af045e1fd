"""Whose turn it is: high before normal before low, and one turn in eight is of who has waited longest.

Were it ageing alone that brings the low ones forward, old low ones would crowd out fresh high ones as soon as the
engine is too slow for all. So the high ones have at least seven eighths of the engine, and yet nothing waits for ever.
"""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Final

import msgspec

from edgeglm_agent.reason.plan import Key, Plan
from edgeglm_agent.reason.urgency import Urgency

TURNS_A_ROUND: Final = 8
SLACK: Final = 1024
"""So many places of those that have left are kept at least, before all are swept out at once."""

_Rank = tuple[int, int, Key]
_Ranked = Callable[[Plan], _Rank]


class Line:
    """The plans that wait for their turn, one of each partition. A step costs the logarithm of their number."""

    def __init__(self, *, taken: int = 0) -> None:
        self._plans: dict[Key, Plan] = {}
        self._urgent: dict[str, list[_Rank]] = {}
        self._oldest: dict[str, list[_Rank]] = {}
        """By graph, heaps; some places in them are of plans that have left."""
        self._ends: list[tuple[int, Key]] = []
        """A heap, too, with one place for each that has entered."""
        self._taken = taken

    def enter(self, plan: Plan) -> None:
        """Stand in the line, in place of what the partition had there."""
        self._plans[plan.key] = plan
        self._place(plan)
        if len(self._ends) > SLACK + 2 * len(self._plans):
            self._sweep()

    def leave(self, key: Key) -> None:
        """Take a partition out, if it stands there."""
        self._plans.pop(key, None)

    def next(self, may: Callable[[str], bool]) -> Plan | None:
        """Take out whose turn it is, of the graphs that may have one; None when nobody of them stands there.

        Who has a turn by age is as urgent as any: the engine's own queue knows no ageing.
        """
        by_age = self._taken % TURNS_A_ROUND == TURNS_A_ROUND - 1
        queues, rank = (self._oldest, _by_age) if by_age else (self._urgent, _by_urgency)
        heads = [head for graph, queue in queues.items() if may(graph) and (head := self._head(queue, rank))]
        if not heads:
            return None
        self._taken += 1
        plan = self._plans.pop(min(heads)[-1])
        return msgspec.structs.replace(plan, urgency=Urgency.HIGH) if by_age else plan

    def overdue(self, now_ns: int) -> Iterator[Key]:
        """Yield the partitions for whose plans it is too late by now; each is told of once."""
        while self._ends and self._ends[0][0] < now_ns:
            expires_ns, key = heappop(self._ends)
            plan = self._plans.get(key)
            if plan is not None and plan.expires_ns == expires_ns:
                yield key

    def _place(self, plan: Plan) -> None:
        graph, _partition = plan.key
        heappush(self._urgent.setdefault(graph, []), _by_urgency(plan))
        heappush(self._oldest.setdefault(graph, []), _by_age(plan))
        heappush(self._ends, (plan.expires_ns, plan.key))

    def _head(self, queue: list[_Rank], rank: _Ranked) -> _Rank | None:
        """Return the first place of one that still stands there."""
        while queue:
            plan = self._plans.get(queue[0][-1])
            if plan is not None and rank(plan) == queue[0]:
                return queue[0]
            heappop(queue)
        return None

    def _sweep(self) -> None:
        self._urgent, self._oldest, self._ends = {}, {}, []
        for plan in self._plans.values():
            self._place(plan)


def _by_urgency(plan: Plan) -> _Rank:
    return plan.urgency, plan.since_ns, plan.key


def _by_age(plan: Plan) -> _Rank:
    return Urgency.HIGH, plan.since_ns, plan.key
