"""How many turns late questions have: at most three in ten while fresh ones wait, and all that these leave."""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from edgeglm_agent.reason.in_turn import Line
from edgeglm_agent.reason.plan import Key, Plan
from edgeglm_agent.reason.urgency import Urgency

TURNS_A_ROUND: Final = 10
LATE_TURNS: Final = 3


class TakesTurns(Protocol):
    """Says whose turn it is."""

    def next(self, may: Callable[[str], bool]) -> Plan | None:
        """Take out whose turn it is, of the graphs that may have one; None when nobody of them waits."""
        ...


class Lines:
    """The line of the fresh ones and that of the late ones; of a partition, one of either is taken at a time."""

    def __init__(self, *, taken: int = 0) -> None:
        self.fresh = Line()
        self._late = Line()
        self._taken = taken

    def enter(self, plan: Plan) -> None:
        """Stand in the line where it belongs, in place of what the partition had there."""
        (self._late if plan.late else self.fresh).enter(plan)

    def leave(self, key: Key) -> None:
        """Take a partition out of both."""
        self.fresh.leave(key)
        self._late.leave(key)

    def next(self, may: Callable[[str], bool]) -> Plan | None:
        """Take out whose turn it is, of the graphs that may have one; None when nobody of them waits.

        A late one stays behind the fresh ones in the engine's own queue, whatever turn it has here.
        """
        of_late = self._taken % TURNS_A_ROUND >= TURNS_A_ROUND - LATE_TURNS
        first, second = (self._late, self.fresh) if of_late else (self.fresh, self._late)
        each = first.next(may) or second.next(may)
        if each is None:
            return None
        self._taken += 1
        self.leave(each.key)
        return msgspec.structs.replace(each, urgency=Urgency.LOW) if each.late else each
