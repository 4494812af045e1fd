"""How often a request may be sent to an endpoint that charges for it: once, and once more.

A send is counted before it is made, so that a crash makes none more of it; one that was turned away is given back.
"""

from typing import Final, Protocol

from edgeglm_agent.spool.desk import Desk
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.requests import give_back_send, take_send

MOST_SENDS: Final = 2


class Sends(Protocol):
    """Counts."""

    async def take(self, request_id: str) -> bool:
        """Count one more, if there may be one."""
        ...

    async def give_back(self, request_id: str) -> None:
        """Count one fewer: nothing was sent, or nothing of it was done."""
        ...


class CountedSends:
    """Counts in the ledger."""

    def __init__(self, desk: Desk, ledger: Ledger) -> None:
        self._desk = desk
        self._ledger = ledger

    async def take(self, request_id: str) -> bool:
        """Count one more, if there may be one."""
        return await self._desk.run(self._take, request_id)

    async def give_back(self, request_id: str) -> None:
        """Count one fewer."""
        await self._desk.run(self._give_back, request_id)

    def _take(self, request_id: str) -> bool:
        with self._ledger.transaction() as db:
            return take_send(db, request_id, most=MOST_SENDS)

    def _give_back(self, request_id: str) -> None:
        with self._ledger.transaction() as db:
            give_back_send(db, request_id)


class FreeSends:
    """Counts nothing: for who has no ledger, and nothing that charges."""

    async def take(self, _request_id: str) -> bool:
        """Allow it."""
        return True

    async def give_back(self, _request_id: str) -> None:
        """Do nothing."""
