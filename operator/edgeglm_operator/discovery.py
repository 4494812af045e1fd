"""Which of the optional kinds the cluster has, asked anew now and then; and what is there of them that is ours.

It is asked, not watched. A watch on CRDs is a right over the whole cluster, which an operator of two namespaces should
not need, and it would not see APIs that no CRD stands behind, such as metrics. Asking needs no right, costs a few small
reads, and has a bound: an API that comes or goes is noticed within one pause.

Our objects of these kinds are listed in the same round, and not watched either: Kopf begins a watch only on what is
there at its start, unless it may watch CRDs. And so are users' ConfigMaps with a topology: Kopf watches ConfigMaps by
one label, and that is the one of our own. And so are KubeEdge's Devices, and nodes where they cannot be watched.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from edgeglm_operator.device_list import DeviceList
from edgeglm_operator.kube.client import KubeClient
from edgeglm_operator.kube.errors import Forbidden, KubeError, NotFound
from edgeglm_operator.kube.kinds import NODES, OPTIONAL_KINDS, Kind
from edgeglm_operator.resync import POLLED, Lister
from edgeglm_operator.store import Store

LOOK_SECONDS: Final = 30.0
"""Where nobody says otherwise."""

log = logging.getLogger(__name__)


class Discovery:
    """Keeps `Store.offered` true, and the store in line with what there is of these kinds."""

    def __init__(
        self,
        client: KubeClient,
        store: Store,
        lister: Lister,
        devices: DeviceList,
        *,
        on_change: Callable[[], None],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._client = client
        self._store = store
        self._lister = lister
        self._devices = devices
        self._on_change = on_change
        self._look_seconds = look_seconds

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(self._look_seconds * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
            try:
                await self.look()
            except KubeError as error:
                log.warning("which optional APIs there are is asked again later: %s", error)

    async def look(self) -> None:
        """One round. Raises KubeError when the API server does not answer; what was known stays."""
        if not self._store.nodes_watched:
            await self._look_at_nodes()
        before = frozenset(self._store.offered)
        try:
            for kind in OPTIONAL_KINDS:
                self._note(kind, offered=await self._is_offered(kind))
        finally:
            if self._store.offered != before:
                self._on_change()
        await self._devices.look()
        await self._lister.list_topologies()

    async def _look_at_nodes(self) -> None:
        before = self._store.nodes_readable
        await self._lister.list(NODES)
        if self._store.nodes_readable != before:
            self._on_change()

    async def _is_offered(self, kind: Kind) -> bool:
        if not await self._client.serves(kind):
            return False
        try:
            if kind in POLLED:
                await self._lister.list(kind)
        except (NotFound, Forbidden) as error:
            # It went between the two requests; or a role that somebody wrote by hand lacks it.
            if kind in self._store.offered:
                log.warning("%s can no longer be read: %s", kind.name, error)
            return False
        return True

    def _note(self, kind: Kind, *, offered: bool) -> None:
        if offered == (kind in self._store.offered):
            return
        if offered:
            self._store.offered.add(kind)
            log.info("the cluster has %s", kind.name)
            return
        self._store.offered.remove(kind)
        log.info("the cluster has %s no longer", kind.name)
        if kind in POLLED:
            self._lister.forget(kind)
