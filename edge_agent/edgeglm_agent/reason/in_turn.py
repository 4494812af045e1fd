"""Whose turn it is: high before normal before low, and one turn in eight is of who has waited longest.

Were it ageing alone that brings the low ones forward, old low ones would crowd out fresh high ones as soon as the
engine is too slow for all. So the high ones have at least seven eighths of the engine, and yet nothing waits for ever.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop
from typing import Final

import msgspec

from edgeglm_agent.reason.plan import Plan
from edgeglm_agent.reason.urgency import Urgency

TURNS_A_ROUND: Final = 8


def in_turn(plans: Iterable[Plan], *, taken: int) -> Iterator[Plan]:
    """Yield all plans in the order in which they are asked, when so many turns were taken before.

    Who has a turn by age is as urgent as any: the engine's own queue knows no ageing.
    """
    urgent = [(each.urgency, each.since_ns, each.key, each) for each in plans]
    oldest = [(Urgency.HIGH, since_ns, key, each) for _, since_ns, key, each in urgent]
    heapify(urgent)
    heapify(oldest)
    done = set()
    for turn in range(taken, taken + len(urgent)):
        by_age = turn % TURNS_A_ROUND == TURNS_A_ROUND - 1
        queue = oldest if by_age else urgent
        each = heappop(queue)[-1]
        while each.key in done:
            each = heappop(queue)[-1]
        done.add(each.key)
        yield msgspec.structs.replace(each, urgency=Urgency.HIGH) if by_age else each
