"""Which EdgeSites a namespace has: one for each edge node that a target or a graph selects.

A site that a user made for a node stands for that node, whatever its name; then none is made. What the operator made it
deletes when nothing selects the node any more. The garbage collector deletes it too when all that selected it are gone.
So one that the operator made and a user has given settings since is let go: it is the user's from then on.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from edgeglm_api import labels
from edgeglm_api.edge_site import Spec as EdgeSiteSpec
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.selection import Sites, selects
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.kube.client import Manifest
from edgeglm_operator.kube.errors import Conflict, Forbidden, Invalid, NotFound
from edgeglm_operator.kube.kinds import EDGE_SITES, INFERENCE_SERVICES, NODES, SENSOR_GRAPHS
from edgeglm_operator.reconcile.intent import is_settled, remember_settled, stamped
from edgeglm_operator.reconcile.of_others import is_of_others
from edgeglm_operator.reconcile.outcome import LOOK_AGAIN_SECONDS, Result
from edgeglm_operator.reconcile.world import World
from edgeglm_operator.resources.edge_site import make_edge_site
from edgeglm_operator.resources.manifest import OwnerRef, owned_by
from edgeglm_operator.store import Name

_SELECTING: Final = {kind.name: kind for kind in (INFERENCE_SERVICES, SENSOR_GRAPHS)}
"""Who owns a site."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    missing: list[Manifest]
    surplus: list[Manifest]
    taken_over: list[Manifest]
    """By users: they have our label and owners, and settings that we did not make."""


_NOTHING: Final = Plan([], [], [])


class FleetReconciler:
    """The EdgeSites of one namespace."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def reconcile(self, namespace: str, _name: str) -> Result:
        """Make what is missing and remove what nothing needs, after a look at the API server: the store may be late."""
        if not self._world.store.nodes_readable or self._plan(namespace) == _NOTHING:
            return Result()
        await self._look(namespace)
        plan = self._plan(namespace)
        done = [await self._let_go(site) for site in plan.taken_over]
        for site in plan.surplus:
            if not await self._is_of_others(site):
                await self._delete(site)
        done += [await self._make(intent) for intent in plan.missing]
        return Result(None if all(done) else LOOK_AGAIN_SECONDS)

    async def _look(self, namespace: str) -> None:
        await self._world.lister.list(NODES)
        for kind in (INFERENCE_SERVICES, SENSOR_GRAPHS, EDGE_SITES):
            await self._world.lister.list(kind, namespace)

    def _plan(self, namespace: str) -> Plan:
        if not self._world.store.nodes_readable:
            return _NOTHING
        present = [snapshot.unpack() for snapshot in self._world.store.site_objects.in_namespace(namespace)]
        with_settings = [(site, self._has_settings(site)) for site in present]
        ours = {site["metadata"]["name"]: site for site, has_settings in with_settings if has_settings is False}
        others = [site for site in present if site["metadata"]["name"] not in ours]
        taken_over = [site for site, has_settings in with_settings if has_settings and not _is_going(site)]
        wanted = self._wanted(namespace, taken={_node_of(site) for site in others})
        named = {site["metadata"]["name"] for site in others}
        for name in wanted.keys() & named:
            log.warning("the EdgeSite %s stands for another node; the node called so gets no site", name)
        if self._is_blind(namespace):
            # Which nodes those select nobody knows: what is there for them, and belongs to them, stays.
            return Plan([intent for name, intent in wanted.items() if name not in named | ours.keys()], [], taken_over)
        missing = [
            intent
            for name, intent in wanted.items()
            if name not in named and not (name in ours and is_settled(self._world, ours[name], intent))
        ]
        surplus = [site for name, site in ours.items() if name not in wanted and not _is_going(site)]
        return Plan(missing, surplus, taken_over)

    def _has_settings(self, site: Manifest) -> bool | None:
        """Whether a user has given settings to a site of our making; None when it is not, or cannot be read."""
        read = self._world.store.sites.get(site["metadata"]["namespace"], site["metadata"]["name"])
        if read is None or (site["metadata"].get("labels") or {}).get(labels.MANAGED_BY) != labels.MANAGER:
            return None
        return read.spec != EdgeSiteSpec(node_name=read.spec.node_name)

    def _is_blind(self, namespace: str) -> bool:
        """Whether something that may select nodes cannot be read."""
        store = self._world.store
        return bool(store.services.unreadable(namespace) or store.graphs.unreadable(namespace))

    def _wanted(self, namespace: str, *, taken: set[str | None]) -> dict[str, Manifest]:
        """The sites that should be, by name."""
        sites, shard = {}, self._world.settings.shard
        for node in self._world.store.nodes.all():
            # In a dictionary: a service may select a node by two of its targets, and owns its site once.
            owners = {
                owner: None
                for owner, chosen in self._selectors(namespace)
                if selects(chosen, node=node.name, node_labels=node.labels)
            }
            if owners and node.name not in taken:
                site = stamped(make_edge_site(namespace, node.name, list(owners), labels=shard.labels))
                sites[site["metadata"]["name"]] = site
        return sites

    def _selectors(self, namespace: str) -> Iterator[tuple[OwnerRef, Sites]]:
        """Who selects nodes in this namespace, and which."""
        for service in self._world.store.services.in_namespace(namespace):
            yield from ((_owner(service), target.sites) for target in service.spec.edge if not _is_ending(service))
        for graph in self._world.store.graphs.in_namespace(namespace):
            if not _is_ending(graph):
                yield _owner(graph), graph.spec.sites

    async def _make(self, intent: Manifest) -> bool:
        """Make one site; False if it may not be made."""
        live = await self._sent(intent["metadata"], partial(self._world.client.apply, intent))
        if live is None:
            return False
        remember_settled(self._world, live, intent)
        self._world.metrics.applies.labels(EDGE_SITES.name, "applied").inc()
        log.info("applied EdgeSite %s", intent["metadata"]["name"])
        return True

    async def _let_go(self, site: Manifest) -> bool:
        """Leave one site to its user; False if it may not be written.

        By a patch: what somebody else applied too, as from an export, an apply of ours would not take away.
        """
        metadata = site["metadata"]
        others = [owner for owner in metadata.get("ownerReferences", ()) if owner["kind"] not in _SELECTING]
        ours = {"labels": {labels.MANAGED_BY: None}, "annotations": {labels.INTENT_HASH: None}}
        patch = {"metadata": {**ours, "ownerReferences": others or None}}
        send = partial(self._world.client.patch, EDGE_SITES, metadata["namespace"], metadata["name"], patch)
        if await self._sent(metadata, send) is None:
            return False
        log.info("EdgeSite %s has settings of a user's, and is theirs from now on", metadata["name"])
        return True

    async def _sent(self, metadata: Manifest, send: Callable[[], Awaitable[Manifest]]) -> Manifest | None:
        """Write one site; None when it is refused, which must not keep the others waiting."""
        name: str = metadata["name"]
        if await is_of_others(self._world, EDGE_SITES, metadata["namespace"], name):
            log.warning("EdgeSite %s is another operator's, by its labels; change those, or those of its graphs", name)
            return None
        try:
            live = await send()
        except (Invalid, Forbidden) as error:
            log.warning("EdgeSite %s is refused: %s", name, error)
            return None
        self._world.feed.put(EDGE_SITES, live)
        return live

    async def _is_of_others(self, site: Manifest) -> bool:
        """Whether somebody still selects it whom another operator looks after by now: its agent has data to keep."""
        metadata = site["metadata"]
        for owner in metadata.get("ownerReferences", ()):
            kind = _SELECTING.get(owner["kind"])
            if kind and await is_of_others(self._world, kind, metadata["namespace"], owner["name"]):
                log.warning("EdgeSite %s stays: its %s is another operator's by now", metadata["name"], owner["kind"])
                return True
        return False

    async def _delete(self, site: Manifest) -> None:
        metadata = site["metadata"]
        name = Name(metadata["namespace"], metadata["name"])
        try:
            await self._world.client.delete(EDGE_SITES, *name, uid=metadata["uid"])
        except (NotFound, Conflict):
            log.debug("EdgeSite %s is gone already", name.name)
        self._world.metrics.applies.labels(EDGE_SITES.name, "deleted").inc()
        log.info("deleted EdgeSite %s: nothing selects its node any more", name.name)


def _owner(selector: InferenceService | SensorGraph) -> OwnerRef:
    return owned_by(selector, controller=False)


def _is_ending(selector: InferenceService | SensorGraph) -> bool:
    return selector.metadata.deletion_timestamp is not None


def _node_of(site: Manifest) -> str | None:
    """The node that a site stands for, as far as it can be read."""
    spec = site.get("spec")
    node = spec.get("nodeName") if isinstance(spec, dict) else None
    return node if isinstance(node, str) else None


def _is_going(site: Manifest) -> bool:
    return "deletionTimestamp" in site["metadata"]
