"""A replay: raw log, fold, docket and asker as in production, under a clock that the recording drives.

What an engine takes in real seconds it takes in the seconds of the recording, too: so questions merge, wait and expire
as they would have, however fast the replay runs.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Final

from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.pipeline.judge import Site
from edgeglm_agent.pipeline.pipeline import Pipeline
from edgeglm_agent.reason.docket import Claim, Docket
from edgeglm_agent.reason.request import Request, decode_request
from edgeglm_agent.reason.router import NobodyAnswers
from edgeglm_agent.rehearse.oracle import Oracle, Said
from edgeglm_agent.spool.entry import Connected, Entry, Tick
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.raw_log import RawLog
from edgeglm_agent.spool.requests import count_waiting
from edgeglm_api.answer import ModelUse
from edgeglm_api.bundle import Bundle, Graph

REST_SECONDS: Final = 1.0
"""How long a question rests that nobody could be asked; as in production."""
GRACE_SECONDS: Final = 60
"""After the end of the recording, beyond what the rules let windows and questions wait."""

Pace = Callable[[int], float]
"""From a moment of the recording to how many real seconds to wait before it."""


class Replay:
    """Owner of one run, in a folder of its own."""

    def __init__(self, folder: Path, bundle: Bundle, oracle: Oracle, *, concurrency: int) -> None:
        self._now_ns = 0
        self._bundle = bundle
        self._oracle = oracle
        self._concurrency = concurrency
        self._raw_log = RawLog(folder / "raw")
        self.ledger = Ledger(folder / "ledger.db")
        site = Site(name=bundle.site, uid=bundle.site_uid, revision=0)
        self.pipeline = Pipeline(self.ledger, self._raw_log, site, self._clock)
        self._docket = Docket(self.ledger, self._clock)
        self._under_way: list[tuple[int, int, Claim, Said | None]] = []
        """By the moment at which it is done, in order; None when nobody could be asked."""
        self._order = count()
        self._seen_row = 0
        self.requests: list[Request] = []
        """In the order in which the windows closed."""
        self.merged = 0
        """Windows that were told by the answer to a later one."""
        self.uses: list[ModelUse] = []
        """What each answer of a model has cost."""
        self.rebuffed = 0
        """Attempts at which nobody could be asked."""

    async def run(self, seconds: Iterable[list[Entry]], pace: Pace) -> None:
        """Replay; `seconds` are the entries of a second each, in order."""
        first = True
        for entries in seconds:
            if first:
                self._now_ns, first = entries[0].arrived_ns, False
                self.pipeline.apply(self._bundle)
            await asyncio.sleep(pace(entries[0].arrived_ns))
            await self._hear(entries)
        await self._run_out()

    def close(self) -> None:
        """Let go of the files."""
        self.ledger.close()
        self._raw_log.close()

    def _clock(self) -> int:
        return self._now_ns

    async def _hear(self, entries: list[Entry]) -> None:
        await self._finish(until_ns=entries[0].arrived_ns)
        self._now_ns = entries[-1].arrived_ns
        self._raw_log.append(entries)
        while self.pipeline.step().folded:
            pass
        self._note_requests()
        await self._ask()

    def _note_requests(self) -> None:
        rows = self.ledger.db.execute(
            "SELECT rowid, body FROM request WHERE rowid > ? ORDER BY rowid", (self._seen_row,)
        )
        for row, body in rows:
            self._seen_row = row
            self.requests.append(decode_request(body))

    async def _run_out(self) -> None:
        """Let time go by after the end, until all windows are closed and all questions are answered or expired.

        A recording ends with the recorder's leaving, which looks like the loss of the broker and is none.
        """
        self.pipeline.fold.at_end = True
        deaf = sorted(self.pipeline.fold.state.deaf)
        await self._hear([Connected(self._now_ns, broker, 0, resumed=True) for broker in deaf] or [Tick(self._now_ns)])
        end_ns = self._now_ns + (GRACE_SECONDS + max(map(_longest_wait, self._bundle.graphs))) * NANOS_PER_SECOND
        while self._busy() and self._now_ns < end_ns:
            await self._hear([Tick(self._now_ns + NANOS_PER_SECOND)])
        await self._finish(until_ns=end_ns)
        self.pipeline.checkpoint()

    def _busy(self) -> bool:
        behind = self.pipeline.position < self._raw_log.next
        waiting = count_waiting(self.ledger.db) > 0
        return bool(behind or waiting or self._under_way or self.pipeline.fold.windows_to_come)

    async def _finish(self, *, until_ns: int) -> None:
        while self._under_way and self._under_way[0][0] <= until_ns:
            done_ns, _, claim, said = heapq.heappop(self._under_way)
            self._now_ns = max(self._now_ns, done_ns)
            if said is None:
                self.rebuffed += 1
                self._docket.release(claim)
            else:
                self.merged += len(claim.spans) - 1
                self.uses += [said.answer.model] if said.answer.model else []
                self._docket.answer(claim, said.answer)
            await self._ask()

    async def _ask(self) -> None:
        claims, _expired = self._docket.claim(self._concurrency - len(self._under_way))
        for claim, said in zip(claims, await asyncio.gather(*map(self._said, claims)), strict=True):
            seconds = REST_SECONDS if said is None else said.seconds
            done_ns = self._now_ns + round(seconds * NANOS_PER_SECOND)
            heapq.heappush(self._under_way, (done_ns, next(self._order), claim, said))

    async def _said(self, claim: Claim) -> Said | None:
        try:
            return await self._oracle.answer(claim)
        except NobodyAnswers:
            return None


def _longest_wait(graph: Graph) -> int:
    """Return how long the rules let a window stay open, and then a question wait."""
    window, reasoning = graph.window, graph.reasoning
    stays = (
        window.size_seconds + (window.gap_seconds or 0) + window.allowed_lateness_seconds + window.idle_timeout_seconds
    )
    return stays + reasoning.fresh_for_seconds + reasoning.attempt_timeout_seconds
