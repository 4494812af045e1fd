"""Objects that cannot be read: an API server with the CRDs of another release let them in.

Each is told so in its status, and nothing of it is changed: neither its children, nor the sites that it may have
selected, nor the bundles that it is in. The rest goes on. Whether an object can be read is seen at once where a type is
wrong; where only a rule of the CRD is broken, when the reconcile fails on it.
"""

import asyncio
from typing import Final

from edgeglm_api.conditions import Condition, carry_over
from edgeglm_api.model import InvalidObject, read, write
from edgeglm_operator.kube.client import Manifest
from edgeglm_operator.kube.errors import KubeError, NotFound
from edgeglm_operator.kube.kinds import Kind
from edgeglm_operator.reconcile.controller import Reconciler
from edgeglm_operator.reconcile.outcome import Blocked, Gone, NotYet, Result
from edgeglm_operator.reconcile.refused import Reason
from edgeglm_operator.reconcile.world import World

ACCEPTED: Final = "Accepted"

_LONGEST_FAULT: Final = 2000
"""It may quote what is wrong, of any length."""

_EXPECTED: Final = (Blocked, Gone, NotYet, KubeError, TimeoutError)


class Readable:
    """Passes on the objects of a kind that can be read."""

    def __init__(self, world: World, kind: Kind, then: Reconciler) -> None:
        self._world = world
        self._kind = kind
        self._then = then

    async def reconcile(self, namespace: str, name: str) -> Result:
        """What the next one does; raises Blocked for what cannot be read."""
        fault = self._world.store.table(self._kind).fault(namespace, name)
        if fault is not None:
            raise await self._refused(await self._live(namespace, name), fault)
        try:
            return await self._then.reconcile(namespace, name)
        except _EXPECTED:
            raise
        except Exception as error:
            live = await self._live(namespace, name)
            # It takes a good part of a second, the first time: the CRDs are read.
            fault = await asyncio.to_thread(_first_fault, self._kind, live)
            if fault is None:
                raise
            raise await self._refused(live, fault) from error

    async def _live(self, namespace: str, name: str) -> Manifest:
        try:
            return await self._world.client.get(self._kind, namespace, name)
        except NotFound:
            raise Gone from None

    async def _refused(self, live: Manifest, fault: str) -> Blocked:
        """Tell it in the status, unless it stands there; what else is there stays."""
        message = (
            f"{fault[:_LONGEST_FAULT]}; the CRD of another release let it in, and nothing of it is changed:"
            " correct it, or run the operator of that release"
        )
        before = await asyncio.to_thread(_usable_status, self._kind, live)
        after = _with_refusal(before, message, live["metadata"].get("generation", 0), self._world.now())
        if after != before:
            await self._write(live, after)
        return Blocked(Reason.INVALID_SPEC, message)

    async def _write(self, live: Manifest, status: Manifest) -> None:
        metadata = {key: live["metadata"][key] for key in ("name", "namespace")}
        envelope = {"apiVersion": self._kind.api_version, "kind": self._kind.name, "metadata": metadata}
        try:
            after = await self._world.client.apply_status({**envelope, "status": status})
        except NotFound:
            raise Gone from None
        self._world.feed.put(self._kind, after)


def _first_fault(kind: Kind, live: Manifest) -> str | None:
    from edgeglm_operator.offline.stored import first_fault  # noqa: PLC0415 - 15 MiB that a healthy operator goes without

    return first_fault(kind.name, live)


def _usable_status(kind: Kind, live: Manifest) -> Manifest:
    from edgeglm_operator.offline.stored import usable_status  # noqa: PLC0415 - the same

    return usable_status(kind.name, live)


def _with_refusal(status: Manifest, message: str, generation: int, now: str) -> Manifest:
    """The status with the one condition, where it stood or at the end."""
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    wanted = Condition(
        type=ACCEPTED, status="False", reason=Reason.INVALID_SPEC, message=message, observed_generation=generation
    )
    (refusal,) = carry_over([wanted], _said_before(conditions.get(ACCEPTED)), now=now)
    return {**status, "conditions": [*(conditions | {ACCEPTED: write(refusal)}).values()]}


def _said_before(raw: Manifest | None) -> list[Condition]:
    """What stands there, if it can be read: whatever wrote the object may have written that."""
    try:
        return [] if raw is None else [read(raw, Condition)]
    except InvalidObject:
        return []
