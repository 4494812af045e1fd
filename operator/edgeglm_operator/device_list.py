"""Lists KubeEdge's Devices, in the namespaces where a graph is made of them and nowhere else.

They are not watched: each change of a twin would be an event with the whole Device in it, and nothing follows from it.
"""

import logging

from edgeglm_operator.device import NOT_ALLOWED, NOT_SERVED
from edgeglm_operator.feed import Feed
from edgeglm_operator.kube.errors import Forbidden, KubeError, NotFound
from edgeglm_operator.kube.kinds import DEVICES, TOPOLOGIES
from edgeglm_operator.resync import Lister
from edgeglm_operator.store import Store

log = logging.getLogger(__name__)


class DeviceList:
    """Keeps the Devices in the store, and `Store.device_faults`."""

    def __init__(self, store: Store, feed: Feed, lister: Lister) -> None:
        self._store = store
        self._feed = feed
        self._lister = lister

    async def look(self) -> None:
        """One round. Where the API server does not answer, what was known stays, and the others go on."""
        faults = self._store.device_faults
        asking = {
            graph.metadata.namespace for graph in self._store.graphs.all() if graph.spec.topology.devices is not None
        }
        for namespace in faults.keys() - asking:
            del faults[namespace]
            self._lister.forget(DEVICES, namespace)
        for namespace in sorted(asking):
            try:
                await self._look_at(namespace)
            except KubeError as error:
                log.warning("the Devices of namespace %s are listed again later: %s", namespace, error)

    async def _look_at(self, namespace: str) -> None:
        faults = self._store.device_faults
        before = faults.get(namespace)
        # What is known of them stays, and is brought in line before they count again.
        faults[namespace] = await self._listed(namespace)
        if faults[namespace] != before:
            self._feed.reconsider(TOPOLOGIES, namespace)

    async def _listed(self, namespace: str) -> str:
        """Empty, or why they cannot be read. Raises KubeError when the API server does not answer."""
        if DEVICES not in self._store.offered:
            return NOT_SERVED
        try:
            await self._lister.list(DEVICES, namespace)
        except NotFound:
            return NOT_SERVED
        except Forbidden:
            return NOT_ALLOWED
        return ""
