"""The operator's process: joins the parts, runs them, ends them.

Every part is a named task of one group. When one dies, a lost Lease included, all end and the process exits with 1; the
kubelet starts it again, and it begins as an observer. SIGTERM ends it in order, the Lease released.
"""

import argparse
import asyncio
import contextlib
import gc
import itertools
import logging
import os
import random
import signal
import socket
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from edgeglm_operator.condition_counts import LABELS, condition_counts
from edgeglm_operator.device_list import DeviceList
from edgeglm_operator.discovery import Discovery
from edgeglm_operator.feed import Feed
from edgeglm_operator.flags import parser, settings_of
from edgeglm_operator.kube.connection import Connection, connect
from edgeglm_operator.kube.errors import KubeError
from edgeglm_operator.kube.kinds import DEVICES, NODES, OPTIONAL_CHILD_KINDS
from edgeglm_operator.kube.rest import RestClient
from edgeglm_operator.lease import Elector, LeaseLost
from edgeglm_operator.obs.health import STALLED_SECONDS, Check, HealthServer, Heartbeat
from edgeglm_operator.obs.logs import configure_logs
from edgeglm_operator.obs.metrics import Metrics
from edgeglm_operator.reconcile.by_kind import reconcilers
from edgeglm_operator.reconcile.controller import RECONCILE_TIMEOUT_SECONDS, WORKERS, Controller
from edgeglm_operator.reconcile.triggers import concerns, everything
from edgeglm_operator.reconcile.world import World
from edgeglm_operator.report_files import BadReporting
from edgeglm_operator.resync import SELECTORS, Lister, selectors
from edgeglm_operator.settings import Settings
from edgeglm_operator.store import Store
from edgeglm_operator.watch import Watch
from edgeglm_operator.workqueue import WorkQueue

FIRST_LIST_PAUSES_SECONDS: Final = (0.5, 1, 2, 5)
FIRST_RESYNC_SECONDS: Final = 30.0
RELEASE_TIMEOUT_SECONDS: Final = 1
NEW_OBJECTS_BEFORE_COLLECTION: Final = 50_000
"""Instead of Python's 700. A new service makes tens of thousands of objects, hardly any of them in a cycle, and to look
for cycles was a tenth of the processor time of a fleet on its way."""

log = logging.getLogger("edgeglm_operator")


class Operator:
    """All parts of one process, joined."""

    def __init__(
        self,
        connection: Connection,
        client: RestClient,
        settings: Settings,
        *,
        metrics: Metrics,
        resync_seconds: float,
        look_seconds: float,
    ) -> None:
        clock = asyncio.get_running_loop().time
        self._settings = settings
        self._resync_seconds = resync_seconds
        # A pod's name is nobody else's, and a container restarted in it need not wait for its own Lease to run out.
        self.identity = os.environ.get("POD_NAME") or f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        self.store = Store()
        self.queue = WorkQueue(clock=clock)
        self.feed = Feed(self.store, shard=settings.shard, concerns=concerns, enqueue=self.queue.add)
        self.lister = Lister(client, self.store, self.feed, settings=settings, metrics=metrics)
        devices = DeviceList(self.store, self.feed, self.lister)
        self.discovery = Discovery(
            client, self.store, self.lister, devices, on_change=self._look_at_all, look_seconds=look_seconds
        )
        self.elector = Elector(
            client, namespace=settings.namespace, name=settings.lease_name, identity=self.identity, clock=clock
        )
        self.watch = Watch(connection, self.feed, metrics, identity=self.identity)
        self.heartbeat = Heartbeat(clock)
        self.listed = asyncio.Event()
        world = World(
            client=client,
            store=self.store,
            feed=self.feed,
            lister=self.lister,
            enqueue=self.queue.add,
            settings=settings,
            metrics=metrics,
            now=_now,
            instance=self.identity,
        )
        self.controller = Controller(
            self.queue, reconcilers(world), may_act=self._may_act, clock=clock, metrics=metrics
        )
        self.health = HealthServer(metrics, alive=self._alive(), ready=[Check("listed", self.listed.is_set)])
        self._measure(metrics)
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, host: str, port: int) -> None:
        """Until SIGTERM; raises when a part dies."""
        try:
            async with asyncio.TaskGroup() as group:
                await self.health.start(host, port)
                self._start(group)
                await self._list_first()
                await self._observe()
        except* LeaseLost as lost:
            raise lost.exceptions[0] from None
        finally:
            await self._stop()

    def _start(self, group: asyncio.TaskGroup) -> None:
        parts = {
            "heartbeat": self.heartbeat.run,
            "lease": self.elector.run,
            "resync": self._resync,
            "discovery": self._discover,
        }
        parts |= {f"worker {number}": self.controller.work for number in range(WORKERS)}
        self._tasks = [group.create_task(part(), name=name) for name, part in parts.items()]

    async def _list_first(self) -> None:
        """The barrier: nobody acts before everything has been listed once."""
        for pause in itertools.chain(FIRST_LIST_PAUSES_SECONDS, itertools.repeat(FIRST_LIST_PAUSES_SECONDS[-1])):
            try:
                await self.lister.list_all()
                await self.discovery.look()
            except KubeError as error:
                log.warning("not everything can be listed yet: %s: %s", type(error).__name__, error)
                await asyncio.sleep(pause)
            else:
                break
        self.listed.set()
        log.info("everything is listed; observing as %s", self.identity)

    async def _observe(self) -> None:
        watched = dict(selectors(self._settings.shard))
        self.store.nodes_watched = self.store.nodes_readable
        if not self.store.nodes_watched:
            del watched[NODES]
        await self.watch.run(watched, namespaces=self._settings.watch_namespaces, on_stop=self._stop)

    async def _may_act(self) -> None:
        await self.listed.wait()
        await self.elector.leading.wait()

    async def _discover(self) -> None:
        await self.listed.wait()
        await self.discovery.run()

    def _look_at_all(self) -> None:
        for key in everything(self.store):
            self.queue.add(key)

    async def _resync(self) -> None:
        await self.listed.wait()
        # Kopf lists once more by itself; what went between our list and its own nobody would tell us.
        pause = min(FIRST_RESYNC_SECONDS, self._resync_seconds)
        while True:
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
            pause = self._resync_seconds
            try:
                await self.lister.list_all()
            except KubeError as error:
                log.warning("the full lists failed and are repeated later: %s", error)
                continue
            for key in everything(self.store):
                # Everything is looked at again, but not at once.
                self.queue.add(key, after=random.uniform(0, self._resync_seconds / 10))  # noqa: S311

    async def _stop(self) -> None:
        """End all that runs, more than once if need be."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.health.stop()
        with contextlib.suppress(KubeError, TimeoutError):
            async with asyncio.timeout(RELEASE_TIMEOUT_SECONDS):
                await self.elector.release()

    def _alive(self) -> list[Check]:
        return [
            Check("event loop", lambda: self.heartbeat.age_seconds < STALLED_SECONDS),
            Check("workers", lambda: self.controller.longest_seconds < 2 * RECONCILE_TIMEOUT_SECONDS),
        ]

    def _measure(self, metrics: Metrics) -> None:
        measure = metrics.measure
        measure("edgeglm_workqueue_depth", "Keys that wait for a worker.", lambda: self.queue.due)
        measure("edgeglm_workqueue_waiting", "Keys that wait, retries and later looks included.", self.queue.__len__)
        measure("edgeglm_workqueue_dropped", "Keys dropped because the queue was full.", lambda: self.queue.dropped)
        measure("edgeglm_workers_busy", "Workers on a key.", lambda: self.queue.working)
        measure(
            "edgeglm_worker_longest_seconds", "How long the slowest has been.", lambda: self.controller.longest_seconds
        )
        measure("edgeglm_leader", "1 when this replica acts.", self.elector.leading.is_set)
        measure("edgeglm_event_loop_lag_seconds", "How late the loop was.", lambda: self.heartbeat.lag_seconds)
        measure("edgeglm_nodes_readable", "0 without the role to read nodes.", lambda: self.store.nodes_readable)
        metrics.measure_each(
            "edgeglm_conditions", "Objects by their conditions.", LABELS, partial(condition_counts, self.store)
        )
        for kind in OPTIONAL_CHILD_KINDS:
            offered = partial(self.store.offered.__contains__, kind)
            measure(f"edgeglm_offers_{kind.plural}", "1 where the cluster has the kind.", offered)
        for kind in (*SELECTORS, DEVICES):
            table = self.store.table(kind)
            measure(f"edgeglm_observed_{kind.plural}", "How many are observed.", table.__len__)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def run(options: argparse.Namespace, settings: Settings) -> None:
    """Connect and run."""
    # Until Kopf runs and takes the signals over.
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, partial(this.cancel) if this else lambda: None)
    metrics = Metrics()
    connection = await connect(options.kubeconfig)
    async with RestClient(connection, observe=metrics.observe_request) as client:
        host, _, port = options.listen.rpartition(":")
        operator = Operator(
            connection,
            client,
            settings,
            metrics=metrics,
            resync_seconds=options.resync_seconds,
            look_seconds=options.discovery_seconds,
        )
        await operator.run(host, int(port))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `edgeglm-operator`."""
    options = parser().parse_args(arguments)
    configure_logs(options.log_level)
    gc.set_threshold(NEW_OBJECTS_BEFORE_COLLECTION)
    try:
        asyncio.run(run(options, settings_of(options)))
    except asyncio.CancelledError:
        log.info("stopped before it observed anything")
    except BadReporting as error:
        log.error("the operator cannot begin: %s", error)  # noqa: TRY400 - the sentence says it all
        return 2
    except LeaseLost as lost:
        log.error("the operator ends: %s", lost)  # noqa: TRY400 - no stack: it happens
        return 1
    except Exception:
        log.exception("the operator ends")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
