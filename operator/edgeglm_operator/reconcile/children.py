"""The children of one parent: made, kept as they should be, and removed.

In a steady state nothing is sent. Before the first change of a reconcile the parent is read from the API server, for
the store may be late: nothing is made for an object that is gone, and nothing on the ground of an outdated wish.

The first children of a new parent are made without asking first, each by one request that the server refuses if there
is anything of that name. Should the parent be gone already, the garbage collector removes them, as their owner is not
there; the status that is written next finds out.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from edgeglm_api import labels
from edgeglm_api.meta import Metadata
from edgeglm_operator.kube.client import HAND_OVER_MANAGER, Manifest, labels_selector
from edgeglm_operator.kube.errors import Conflict, Forbidden, InternalError, Invalid, NotFound
from edgeglm_operator.kube.kinds import OPTIONAL_CHILD_KINDS, Kind
from edgeglm_operator.observed import controller_of
from edgeglm_operator.reconcile.drift import list_in_the_way
from edgeglm_operator.reconcile.intent import identity_of, is_settled, remember_settled, stamped
from edgeglm_operator.reconcile.outcome import (
    NOT_ALLOWED,
    NOT_OWNED,
    NOT_SERVED,
    REFUSED_BY_SERVER,
    SERVER_FAILS,
    Blocked,
    Gone,
    NotYet,
)
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.world import World
from edgeglm_operator.store import Name

COLLECTOR_PATIENCE_SECONDS: Final = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parent:
    """Whose children they are."""

    kind: Kind
    metadata: Metadata
    is_new: bool = False
    """Nobody has written its status yet, and somebody is about to."""


class Children:
    """One parent's children during one reconcile."""

    def __init__(self, world: World, parent: Parent) -> None:
        self._world = world
        self._parent = parent
        self._confirmed = False
        self.blocked: Refused | None = None
        """The last refusal. No event tells when it ends, so that somebody must look again."""

    async def ensure(self, intent: Manifest) -> Refused | None:
        """Bring one child to what the intent says; returns why not: it is somebody else's, or the server refuses it."""
        return await self._unless_blocked(self._ensure(intent))

    async def hand_over(self, fields: Manifest) -> Refused | None:
        """Let a manager of their own hold fields of a child that its intent is to leave to somebody else.

        So they keep their value until somebody writes them: a field that nobody holds falls back to its default.
        """
        return await self._unless_blocked(self._hand_over(fields))

    async def _unless_blocked(self, change: Coroutine[None, None, None]) -> Refused | None:
        try:
            await change
        except Blocked as blocked:
            self.blocked = blocked.refused
            return blocked.refused
        return None

    async def make_once(self, intent: Manifest) -> Refused | None:
        """Make a child that the server never lets change; one that is there stays as it is. Returns why not."""
        return await self._unless_blocked(self._make_once(intent))

    async def make_unseen(self, intent: Manifest) -> Refused | None:
        """Make a child that we may not read; one that is there stays as it is. Returns why not."""
        return await self._unless_blocked(self._make_unseen(intent))

    async def _make_unseen(self, intent: Manifest) -> None:
        kind, name = identity_of(intent)
        await self.confirm_parent()
        try:
            await self._allowed(kind, name, lambda: self._world.client.create(intent))
        except Conflict:
            return
        self._count(kind, "created")
        log.info("made %s %s", kind.name, name.name)

    async def _make_once(self, intent: Manifest) -> None:
        kind, name = identity_of(intent)
        live = await self._live(kind, name)
        if live is not None:
            self._refuse_strangers(live)
            self._world.feed.put(kind, live)
            return
        await self.confirm_parent()
        # One that another process has just made is found at the next look.
        live = await self._allowed(kind, name, lambda: self._world.client.create(stamped(intent)))
        self._world.feed.put(kind, live)
        self._count(kind, "created")
        log.info("made %s %s", kind.name, name.name)

    async def _hand_over(self, fields: Manifest) -> None:
        kind, name = identity_of(fields)
        live = await self._live(kind, name)
        if live is None:
            return
        self._refuse_strangers(live)
        await self.confirm_parent()
        after = await self._allowed(kind, name, lambda: self._world.client.apply(fields, manager=HAND_OVER_MANAGER))
        self._world.feed.put(kind, after)
        log.info("handed over fields of %s %s", kind.name, name.name)

    async def _ensure(self, intent: Manifest) -> None:
        kind, name = identity_of(intent)
        intent = stamped(intent)
        if self._parent.is_new and self._observed(kind, name) is None and await self._made(kind, name, intent):
            return
        live = await self._live(kind, name)
        if live is not None:
            self._refuse_strangers(live)
            if kind in OPTIONAL_CHILD_KINDS:
                # It may be there without our having heard of it, and no watch will tell.
                self._world.feed.put(kind, live)
            if is_settled(self._world, live, intent):
                self._count(kind, "unchanged")
                return
        await self.confirm_parent()
        await self._apply(kind, name, intent, live)

    async def prune(self, kinds: Iterable[Kind], owned: Mapping[str, str], *, keep: Callable[[Manifest], bool]) -> None:
        """Delete those with the owner's labels that are not to be kept, as the API server has them now."""
        await self.confirm_parent()
        selector = labels_selector({labels.MANAGED_BY: labels.MANAGER, **owned})
        for kind in kinds:
            for live in await self._listed(kind, selector):
                if self._is_ours(live) and not keep(live):
                    await self._delete(kind, identity_of(live)[1], live["metadata"]["uid"])

    async def confirm_parent(self) -> None:
        """Read the parent once; raise when it is not what this reconcile started from."""
        if self._confirmed:
            return
        kind, known = self._parent.kind, self._parent.metadata
        try:
            live = await self._world.client.get(kind, known.namespace, known.name)
        except NotFound:
            self._world.feed.remove(kind, Name(known.namespace, known.name), uid=known.uid)
            raise Gone from None
        metadata = live["metadata"]
        self._world.feed.put(kind, live)
        if metadata["uid"] != known.uid or metadata.get("deletionTimestamp"):
            raise Gone
        if not self._world.settings.shard.meets(metadata.get("labels") or {}):
            raise Gone  # it is another operator's by now
        if metadata.get("generation", 0) != known.generation:
            raise NotYet("the object has changed meanwhile", after_seconds=0)
        self._confirmed = True

    async def _listed(self, kind: Kind, selector: str) -> list[Manifest]:
        try:
            namespace = self._parent.metadata.namespace
            return [live async for live in self._world.client.list(kind, namespace, selector=selector)]
        except NotFound:
            return []  # its API is gone, and all objects with it

    async def _live(self, kind: Kind, name: Name) -> Manifest | None:
        """The child as observed; where none was, as the server has it: one without our label is not observed."""
        observed = self._observed(kind, name)
        if observed is not None:
            return observed
        try:
            return await self._world.client.get(kind, *name)
        except NotFound:
            return None

    def _observed(self, kind: Kind, name: Name) -> Manifest | None:
        snapshot = self._world.store.snapshots(kind).get(*name)
        return snapshot.unpack() if snapshot else None

    async def _made(self, kind: Kind, name: Name, intent: Manifest) -> bool:
        """Make it unseen; False when there is something of that name, of which the store does not know."""
        try:
            await self._apply(kind, name, intent, None)
        except Conflict:
            return False
        return True

    async def _apply(self, kind: Kind, name: Name, intent: Manifest, before: Manifest | None) -> None:
        live = await self._allowed(kind, name, lambda: self._forced(kind, name, intent, before))
        self._world.feed.put(kind, live)
        self._count(kind, "applied")
        other = remember_settled(self._world, live, intent)
        if other:
            log.warning("the server keeps %s of %s %s in another form than it was given", other, kind.name, name.name)
        log.info("applied %s %s", kind.name, name.name)

    async def _delete(self, kind: Kind, name: Name, uid: str) -> None:
        try:
            await self._world.client.delete(kind, *name, uid=uid)
        except (NotFound, Conflict):
            log.debug("%s %s is gone already", kind.name, name.name)
        self._world.feed.remove(kind, name, uid=uid)
        self._count(kind, "deleted")
        log.info("deleted %s %s, which is no longer wanted", kind.name, name.name)

    async def _forced(self, kind: Kind, name: Name, intent: Manifest, before: Manifest | None) -> Manifest:
        if before is None:
            return await self._world.client.apply_new(intent)
        try:
            return await self._world.client.apply(intent)
        except Invalid:
            patch = list_in_the_way(before, intent)
            if patch is None:
                raise
            await self._world.client.patch(kind, *name, patch)
            return await self._world.client.apply(intent)

    async def _allowed(self, kind: Kind, name: Name, send: Callable[[], Awaitable[Manifest]]) -> Manifest:
        try:
            return await send()
        except Invalid as error:
            raise Blocked(REFUSED_BY_SERVER, f"the server refuses {kind.name} {name.name}: {error}") from error
        except Forbidden as error:
            raise Blocked(NOT_ALLOWED, f"the operator may not make {kind.name} {name.name}: {error}") from error
        except InternalError as error:
            raise Blocked(SERVER_FAILS, f"the API server fails at {kind.name} {name.name}: {error}") from error
        except NotFound as error:
            if kind not in OPTIONAL_CHILD_KINDS:
                raise
            raise Blocked(NOT_SERVED, f"the cluster has no {kind.name} any more; install its CRD again") from error

    def _refuse_strangers(self, live: Manifest) -> None:
        if self._is_ours(live):
            return
        kind, name, owner = live["kind"], live["metadata"]["name"], controller_of(live)
        ours = self._parent
        if owner is None:
            whose = f"is not labelled {labels.MANAGED_BY}={labels.MANAGER}"
        elif (owner.kind, owner.name) == (ours.kind.name, ours.metadata.name):
            raise NotYet(f"{kind} {name} of an earlier {owner.kind} is being removed", COLLECTOR_PATIENCE_SECONDS)
        else:
            whose = f"belongs to {owner.kind} {owner.name}"
        raise Blocked(NOT_OWNED, f"{kind} {name} exists and {whose}; rename or delete it, or rename this object")

    def _is_ours(self, live: Manifest) -> bool:
        owner = controller_of(live)
        if owner is not None:
            return owner.uid == self._parent.metadata.uid
        return bool((live["metadata"].get("labels") or {}).get(labels.MANAGED_BY) == labels.MANAGER)

    def _count(self, kind: Kind, result: str) -> None:
        self._world.metrics.applies.labels(kind.name, result).inc()
