"""Who of several operators acts: the holder of a Lease.

All replicas observe, one acts. A Lease is no fence: for a moment two may believe that they hold it, so whatever they do
must be harmless twice (server-side apply of the same intent is).

Expiry is judged by what this process saw change and when, by its own monotonic clock. Clocks of two machines differ.
Losing the Lease raises `LeaseLost`: the process stops at once and starts again as an observer.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from edgeglm_operator.kube import kinds
from edgeglm_operator.kube.client import KubeClient, Manifest
from edgeglm_operator.kube.errors import Conflict, Forbidden, KubeError, NotFound

DURATION_SECONDS: Final = 15
RENEW_DEADLINE_SECONDS: Final = 10
"""The holder gives up this long after its last success: before anybody else may take over."""
RETRY_SECONDS: Final = 2.0

log = logging.getLogger(__name__)


class LeaseLost(RuntimeError):  # noqa: N818 - what happened, not a fault
    """Somebody else acts now, or may."""


class Elector:
    """One candidate."""

    def __init__(
        self, client: KubeClient, *, namespace: str, name: str, identity: str, clock: Callable[[], float]
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self.identity = identity
        self._clock = clock
        self._seen: tuple[Any, ...] = ()
        self._seen_at = clock()
        self._renewed_at = 0.0
        self._held: Manifest | None = None
        self.leading = asyncio.Event()

    async def run(self) -> None:
        """Strive for the Lease, then keep it. Ends only by `LeaseLost` or by being cancelled."""
        while not self.leading.is_set():
            await self._strive()
            await asyncio.sleep(_with_jitter(RETRY_SECONDS))
        while True:
            await self._keep()
            await asyncio.sleep(_with_jitter(RETRY_SECONDS))

    async def release(self) -> None:
        """Let the next one in without waiting for the expiry; for a clean end."""
        if not self.leading.is_set():
            return
        self.leading.clear()
        lease = await self._client.get(kinds.LEASES, self._namespace, self._name)
        if lease["spec"].get("holderIdentity") == self.identity:
            lease["spec"] |= {"holderIdentity": "", "renewTime": _now(), "leaseDurationSeconds": 1}
            await self._client.update(lease)

    async def _strive(self) -> None:
        """Try once to get hold of it."""
        try:
            if await self._try():
                self._lead()
        except Conflict:
            log.debug("another candidate was faster")
        except Forbidden as error:
            log.error("the lease cannot be read or written: %s", error)  # noqa: TRY400 - no stack: RBAC, not a bug
        except KubeError as error:
            log.warning("the lease could not be checked: %s", error)

    async def _keep(self) -> None:
        """Renew; raise when that has failed for too long or somebody else holds it."""
        left = self._renewed_at + RENEW_DEADLINE_SECONDS - self._clock()
        try:
            async with asyncio.timeout(max(0.0, left)):
                kept = await self._try()
        except (KubeError, TimeoutError) as error:
            if self._clock() - self._renewed_at >= RENEW_DEADLINE_SECONDS:
                self._lose(f"it could not be renewed for {RENEW_DEADLINE_SECONDS} s: {error}")
            log.warning("the lease could not be renewed: %s", error)
            return
        if not kept:
            self._lose("another candidate holds it")

    async def _try(self) -> bool:
        """Take or renew it, if that may be; True when it is ours."""
        started = self._clock()
        lease, self._held = self._held or await self._read(), None
        if lease is None:
            self._held = await self._client.create(self._new())
        elif self._may_take(lease):
            self._held = await self._client.update(self._taken(lease))
        else:
            return False
        # As of before the request: how long it was under way nobody knows.
        self._renewed_at = started
        return True

    async def _read(self) -> Manifest | None:
        try:
            return await self._client.get(kinds.LEASES, self._namespace, self._name)
        except NotFound:
            return None

    def _may_take(self, lease: Manifest) -> bool:
        spec = lease["spec"]
        seen = (spec.get("holderIdentity"), spec.get("renewTime"), lease["metadata"]["resourceVersion"])
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
        if spec.get("holderIdentity") in {self.identity, "", None}:
            return True
        duration = spec.get("leaseDurationSeconds") or DURATION_SECONDS
        return not self.leading.is_set() and self._clock() - self._seen_at > duration

    def _taken(self, lease: Manifest) -> Manifest:
        spec = lease["spec"]
        if spec.get("holderIdentity") != self.identity:
            spec |= {"acquireTime": _now(), "leaseTransitions": (spec.get("leaseTransitions") or 0) + 1}
        spec |= {"holderIdentity": self.identity, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": _now()}
        return lease

    def _new(self) -> Manifest:
        return {
            "apiVersion": kinds.LEASES.api_version,
            "kind": kinds.LEASES.name,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": DURATION_SECONDS,
                "acquireTime": _now(),
                "renewTime": _now(),
                "leaseTransitions": 0,
            },
        }

    def _lead(self) -> None:
        log.info("this operator leads: it holds the lease %s/%s", self._namespace, self._name)
        self.leading.set()

    def _lose(self, why: str) -> None:
        self.leading.clear()
        raise LeaseLost(f"the lease {self._namespace}/{self._name} is lost: {why}")


def _with_jitter(seconds: float) -> float:
    return seconds * (1 + 0.2 * random.random())  # noqa: S311 - no secret


def _now() -> str:
    """MicroTime, as Lease wants it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
