"""The worker loop: take a key, reconcile it, and read from its end when to look again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from edgeglm_operator.kube.errors import KubeError, Throttled
from edgeglm_operator.obs.logs import log_context
from edgeglm_operator.obs.metrics import Metrics
from edgeglm_operator.reconcile.outcome import Blocked, Gone, NotYet, Result
from edgeglm_operator.workqueue import Key, WorkQueue

WORKERS: Final = 8
"""A reconcile mostly waits for the API server."""
RECONCILE_TIMEOUT_SECONDS: Final = 120
"""Some tens of requests, each bounded by itself."""
BLOCKED_AGAIN_SECONDS: Final = 600

log = logging.getLogger(__name__)


class Reconciler(Protocol):
    """Brings one object to the state that it should have."""

    async def reconcile(self, namespace: str, name: str) -> Result:
        """Do it, as often as asked; each time from what is there now."""
        ...


class Controller:
    """Several workers on one queue."""

    def __init__(
        self,
        queue: WorkQueue,
        reconcilers: Mapping[str, Reconciler],
        *,
        may_act: Callable[[], Awaitable[object]],
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._queue = queue
        self._reconcilers = reconcilers
        self._may_act = may_act
        self._clock = clock
        self._metrics = metrics
        self._started: dict[Key, float] = {}

    @property
    def longest_seconds(self) -> float:
        """How long the slowest of the keys at work has been there."""
        now = self._clock()
        return max((now - started for started in self._started.values()), default=0.0)

    async def work(self) -> None:
        """One worker, for ever."""
        while True:
            await self._may_act()
            # A reconcile that sends nothing does not wait for anything either. A whole fleet of them in a row would let
            # nobody else run, not even the one who renews the Lease (measured: lost at 1,000 services, a load of 20).
            await asyncio.sleep(0)
            key, waited = await self._queue.get()
            self._metrics.queue_seconds.observe(waited)
            self._started[key] = self._clock()
            try:
                with log_context(kind=key.kind, namespace=key.namespace, name=key.name):
                    await self._process(key)
            finally:
                self._metrics.reconcile_seconds.labels(key.kind).observe(self._clock() - self._started.pop(key))
                self._queue.done(key)

    async def _process(self, key: Key) -> None:
        result = await self._judged(key)
        self._metrics.reconciles.labels(key.kind, result).inc()

    async def _judged(self, key: Key) -> str:  # noqa: PLR0911 - one return for each way to end
        """Reconcile; the word for how it ended."""
        try:
            async with asyncio.timeout(RECONCILE_TIMEOUT_SECONDS):
                result = await self._reconcilers[key.kind].reconcile(key.namespace, key.name)
        except Gone:
            self._queue.forget(key)
            return "gone"
        except NotYet as reason:
            self._queue.add(key, after=reason.after_seconds)
            log.info("again in %g s: %s", reason.after_seconds, reason)
            return "not_yet"
        except Blocked as reason:
            self._queue.add(key, after=BLOCKED_AGAIN_SECONDS)
            log.info("blocked: %s", reason)
            return "blocked"
        except Throttled as error:
            self._retry(key, at_least=error.retry_after_seconds, why=_words(error))
            return "throttled"
        except (KubeError, TimeoutError) as error:
            self._retry(key, why=_words(error))
            return "error"
        except Exception as error:  # noqa: BLE001 - a bug in one kind must not stop the others
            self._retry_after_bug(key, error)
            return "bug"
        if result.retry:
            self._retry(key, why="the API server fails at a part of it; the status says at which")
            return "error"
        self._queue.forget(key)
        if result.again_after_seconds is not None:
            self._queue.add(key, after=result.again_after_seconds)
        return "done"

    def _retry(self, key: Key, *, why: str, at_least: float = 0) -> None:
        delay = self._queue.retry(key, at_least=at_least)
        self._metrics.retries.labels(key.kind).inc()
        log.warning("failed, again in %.1f s: %s", delay, why)

    def _retry_after_bug(self, key: Key, error: Exception) -> None:
        """Tell the stack once, not at each repetition."""
        if not self._queue.failures(key):
            log.error("a bug: please report it with this stack", exc_info=error)
        self._retry(key, why=_words(error))


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
