"""The one way into the store: what is new there asks for the reconciles that depend on it.

The watch, the full lists and the answers to our own requests all come this way.
"""

from collections.abc import Callable, Iterable

from edgeglm_operator.kube.client import Manifest
from edgeglm_operator.kube.kinds import WISHES, Kind
from edgeglm_operator.shard import Shard
from edgeglm_operator.store import Change, Name, Store
from edgeglm_operator.workqueue import Key

Concerns = Callable[[Store, Change], Iterable[Key]]


class Feed:
    """Takes objects in and passes on whom they concern."""

    def __init__(self, store: Store, *, shard: Shard, concerns: Concerns, enqueue: Callable[[Key], None]) -> None:
        self._store = store
        self._shard = shard
        self._concerns = concerns
        self._enqueue = enqueue

    def put(self, kind: Kind, raw: Manifest) -> bool:
        """An object as it is now; True when that was news. One that has come to be another operator's is let go."""
        metadata = raw["metadata"]
        if kind in WISHES and not self._shard.meets(metadata.get("labels") or {}):
            return self.remove(kind, Name(metadata["namespace"], metadata["name"]))
        change = self._store.put(kind, raw)
        self._pass_on(change)
        return change is not None

    def remove(self, kind: Kind, name: Name, *, uid: str = "") -> bool:
        """An object is gone; True when that was news."""
        change = self._store.remove(kind, name, uid=uid)
        self._pass_on(change)
        return change is not None

    def reconsider(self, kind: Kind, namespace: str) -> None:
        """Something about all objects of a kind in a namespace is other than it was."""
        self._pass_on(Change(kind, Name(namespace, ""), None, wish=True, before=None, after=None))

    def _pass_on(self, change: Change | None) -> None:
        if change is not None:
            for key in self._concerns(self._store, change):
                self._enqueue(key)
