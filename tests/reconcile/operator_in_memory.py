"""The operator without its process: the real queue, store, feed and reconcilers on a cluster in memory."""

import logging

from edgeglm_operator.device_list import DeviceList
from edgeglm_operator.discovery import Discovery
from edgeglm_operator.feed import Feed
from edgeglm_operator.kube.client import Manifest
from edgeglm_operator.kube.errors import KubeError
from edgeglm_operator.kube.kinds import NODES, Kind
from edgeglm_operator.obs.metrics import Metrics
from edgeglm_operator.reconcile.by_kind import reconcilers
from edgeglm_operator.reconcile.controller import Controller
from edgeglm_operator.reconcile.triggers import concerns, everything
from edgeglm_operator.reconcile.world import World
from edgeglm_operator.resync import Lister, selectors
from edgeglm_operator.settings import Settings
from edgeglm_operator.store import Name, Store
from edgeglm_operator.workqueue import WorkQueue
from tests.reconcile.in_memory import InMemoryCluster, matches

ROUNDS = 200
"""More than any scene needs; a reconcile that never comes to rest fails here."""

IDLE_SECONDS = 10
"""Longer than a retry takes, shorter than the next look at something that is on its way."""

log = logging.getLogger(__name__)


class Clock:
    """Time passes only when nothing else is left to do."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class OperatorInMemory:
    """One process of the operator: starts empty, lists, then works until nothing is left."""

    def __init__(self, cluster: InMemoryCluster, settings: Settings | None = None) -> None:
        self.cluster = cluster
        self.clock = Clock()
        self.now = "2026-01-01T00:00:00Z"
        """By the machine's clock, which may jump; `clock` never does."""
        self.store = Store()
        self.queue = WorkQueue(clock=self.clock, jitter=lambda: 0.0)
        self.settings = settings or Settings()
        self.feed = Feed(self.store, shard=self.settings.shard, concerns=concerns, enqueue=self.queue.add)
        metrics = Metrics()
        self.lister = Lister(cluster, self.store, self.feed, settings=self.settings, metrics=metrics)
        devices = DeviceList(self.store, self.feed, self.lister)
        self.discovery = Discovery(cluster, self.store, self.lister, devices, on_change=self._look_at_all)
        self.world = World(
            client=cluster,
            store=self.store,
            feed=self.feed,
            lister=self.lister,
            enqueue=self.queue.add,
            settings=self.settings,
            metrics=metrics,
            now=lambda: self.now,
            instance="test",
        )
        self.controller = Controller(
            self.queue, reconcilers(self.world), may_act=self._always, clock=self.clock, metrics=metrics
        )

        self._told: dict[tuple[Kind, Name], str] = {}

    async def start(self) -> None:
        """The first lists; repeated until they succeed, as the process does."""
        for _ in range(ROUNDS):
            try:
                await self.lister.list_all()
                await self.discovery.look()
            except KubeError:
                continue
            return
        raise AssertionError("the first lists never succeeded")

    async def settle(self) -> None:
        """Work until nothing is to be done for a while, each reconcile followed by the events that it caused."""
        idle_since = self.clock.seconds
        for _ in range(ROUNDS):
            self.deliver()
            if self.queue.due:
                await self._work()
                idle_since = self.clock.seconds
            elif self.clock.seconds - idle_since > IDLE_SECONDS:
                return
            else:
                self.clock.seconds += 1
        raise AssertionError("the operator does not come to rest")

    async def look(self) -> None:
        """The next round of discovery, and what follows from it."""
        await self.discovery.look()
        await self.settle()

    def _look_at_all(self) -> None:
        for key in everything(self.store):
            self.queue.add(key)

    async def _work(self) -> None:
        key, _ = await self.queue.get()
        try:
            await self.controller._process(key)
        finally:
            self.queue.done(key)

    def deliver(self) -> None:
        """What a watch would have told by now."""
        shown = self._shown()
        for kind, name in self._told.keys() - shown.keys():
            self.feed.remove(kind, name)
        for (kind, name), found in shown.items():
            if self._told.get((kind, name)) != found["metadata"]["resourceVersion"]:
                self.feed.put(kind, found)
        self._told = {key: found["metadata"]["resourceVersion"] for key, found in shown.items()}

    def _shown(self) -> dict[tuple[Kind, Name], Manifest]:
        """What the watch may see."""
        watched = dict(selectors(self.settings.shard))
        if not self.store.nodes_readable:
            del watched[NODES]
        return {
            (kind, name): found
            for (kind, name), found in self.cluster.objects.items()
            if kind in watched and matches(found, watched[kind])
        }

    async def _always(self) -> None:
        return


async def reconciled(cluster: InMemoryCluster, settings: Settings | None = None) -> OperatorInMemory:
    """Start an operator on the cluster and let it come to rest."""
    operator = OperatorInMemory(cluster, settings)
    await operator.start()
    await operator.settle()
    return operator
