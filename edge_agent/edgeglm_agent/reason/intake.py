"""Answers on their way into the ledger: those that come while the disk is busy are stored together, in one sync."""

from edgeglm_agent.reason.docket import Claim, Docket
from edgeglm_agent.reason.plan import Key
from edgeglm_agent.spool.desk import Desk
from edgeglm_api.answer import Answer


class Intake:
    """Each waits for the desk by itself; who comes there first takes all that wait along."""

    def __init__(self, docket: Docket, desk: Desk) -> None:
        self._docket = docket
        self._desk = desk
        self._waiting: dict[Key, tuple[Claim, Answer]] = {}
        """Written on the loop and read on the desk's thread, each in one step."""

    async def store(self, claim: Claim, answer: Answer) -> None:
        """Return when the answer is stored; raises what kept it from that."""
        self._waiting[claim.key] = (claim, answer)
        await self._desk.run(self._store_all, claim.key)

    def _store_all(self, key: Key) -> None:
        if key not in self._waiting:
            return
        together = list(self._waiting.values())
        try:
            self._docket.answer_all(together)
        except Exception:  # noqa: BLE001 - whichever it is of: the others try again when their own turn comes
            self._docket.answer(*self._waiting.pop(key))
        else:
            for claim, _answer in together:
                del self._waiting[claim.key]
