"""Full lists, against what a watch may miss.

The first ones are the barrier before which nobody acts. Later ones make of every missed event a delay instead of a
fault, and they are all there is for a kind that may be listed but not watched.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from edgeglm_api import labels
from edgeglm_operator.feed import Feed
from edgeglm_operator.kube import kinds
from edgeglm_operator.kube.client import KubeClient, Manifest
from edgeglm_operator.kube.errors import Forbidden
from edgeglm_operator.kube.kinds import Kind
from edgeglm_operator.obs.metrics import Metrics
from edgeglm_operator.settings import Settings
from edgeglm_operator.shard import Shard
from edgeglm_operator.store import Store
from edgeglm_operator.topology_room import TopologyRoom

INTERVAL_SECONDS: Final = 600.0

_OURS: Final = f"{labels.MANAGED_BY}={labels.MANAGER}"
_OUR_PODS: Final = f"{labels.PART_OF}=edgeglm,{labels.COMPONENT} in (engine,agent,verification)"

SELECTORS: Final[Mapping[Kind, str]] = {
    kinds.NODES: labels.EDGE_NODE,
    kinds.INFERENCE_SERVICES: "",
    kinds.SENSOR_GRAPHS: "",
    kinds.EDGE_SITES: "",
    kinds.DEPLOYMENTS: _OURS,
    kinds.SERVICES: _OURS,
    kinds.CONFIG_MAPS: _OURS,
    kinds.JOBS: _OURS,
    kinds.DISRUPTION_BUDGETS: _OURS,
    kinds.NETWORK_POLICIES: _OURS,
    kinds.PODS: _OUR_PODS,
}
"""What is watched, and which of it; the server sends nothing else. Nodes come first: all the rest is read by them."""

POLLED: Final[Mapping[Kind, str]] = {
    **dict.fromkeys(kinds.OPTIONAL_CHILD_KINDS, _OURS),
    kinds.TOPOLOGIES: labels.TOPOLOGY,
}
"""What is listed now and then instead, where the cluster has it: see discovery.py."""

log = logging.getLogger(__name__)


def selectors(shard: Shard) -> Mapping[Kind, str]:
    """What is watched, and which of it, where this operator looks after a part."""
    return {**SELECTORS, **dict.fromkeys(kinds.WISHES, shard.selector)}


class Lister:
    """Lists kinds and brings the store in line."""

    def __init__(self, client: KubeClient, store: Store, feed: Feed, *, settings: Settings, metrics: Metrics) -> None:
        self._client = client
        self._store = store
        self._feed = feed
        self._namespaces = settings.watch_namespaces or ("",)
        self._selectors = {**selectors(settings.shard), **POLLED}
        self._metrics = metrics

    async def list_all(self) -> None:
        """Every kind, once."""
        for kind in SELECTORS:
            await self.list(kind)

    async def list(self, kind: Kind, namespace: str | None = None) -> None:
        """One kind, in one namespace or in all. Without the role to read nodes, all but the edge parts goes on."""
        try:
            await self._list(kind, self._namespaces if namespace is None else (namespace,))
        except Forbidden:
            self._count(kind, "forbidden")
            if kind is not kinds.NODES:
                raise
            if self._store.nodes_readable:
                log.warning("nodes cannot be read: edge targets and sensor graphs wait until the role is granted")
            self._store.nodes_readable = False
        else:
            self._count(kind, "listed")
            if kind is kinds.NODES:
                self._store.nodes_readable = True

    async def list_topologies(self) -> None:
        """Those of users, as many as there is room for."""
        room = TopologyRoom()
        await self._list(kinds.TOPOLOGIES, self._namespaces, takes=room.takes)
        self._metrics.topologies_not_read.set(room.not_read)
        changed, self._store.crowded = self._store.crowded ^ room.crowded, room.crowded
        for namespace in changed:
            self._feed.reconsider(kinds.TOPOLOGIES, namespace)

    def forget(self, kind: Kind, namespace: str = "") -> None:
        """All of a kind is gone, as its API is; or of no more interest in a namespace."""
        for name in self._store.table(kind).versions():
            if namespace in {"", name.namespace}:
                self._feed.remove(kind, name)

    async def _list(
        self, kind: Kind, namespaces: Sequence[str], *, takes: Callable[[Manifest], bool] = lambda _: True
    ) -> None:
        table = self._store.table(kind)
        within = set(namespaces) - {""}
        before = {name: version for name, version in table.versions().items() if not within or name.namespace in within}
        listed: set[tuple[str, str]] = set()
        for namespace in namespaces if kind.namespaced else ("",):
            async for raw in self._client.list(kind, namespace, selector=self._selectors.get(kind, "")):
                if takes(raw):
                    listed.add((raw["metadata"].get("namespace", ""), raw["metadata"]["name"]))
                    self._correct(kind, self._feed.put(kind, raw))
        now = table.versions()
        for name in before.keys() - listed:
            # What changed while the list was under way is newer than the list.
            if now.get(name) == before[name]:
                self._correct(kind, self._feed.remove(kind, name))

    def _count(self, kind: Kind, result: str) -> None:
        if kind not in POLLED:
            self._metrics.resyncs.labels(kind.name, result).inc()

    def _correct(self, kind: Kind, news: bool) -> None:  # noqa: FBT001 - the one fact about it
        if news and kind in SELECTORS:
            self._metrics.corrections.labels(kind.name).inc()
