"""EdgeSite: the ConfigMap with the site's bundle, and the agent's Deployment."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from edgeglm_api import labels
from edgeglm_api.bundle import BUNDLE_FILE, DIGEST_FILE, Bundle, decode, digest
from edgeglm_api.edge_site import BundleStatus, EdgeSite
from edgeglm_api.model import InvalidObject
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.kube.client import Manifest
from edgeglm_operator.kube.errors import NotFound
from edgeglm_operator.kube.kinds import CONFIG_MAPS, DEPLOYMENTS, EDGE_SITES, INFERENCE_SERVICES, SENSOR_GRAPHS
from edgeglm_operator.observed import Node, deployment_from
from edgeglm_operator.reconcile.agent_turns import AgentWish, agent_wish, is_unready
from edgeglm_operator.reconcile.children import Children, Parent
from edgeglm_operator.reconcile.compile import Compiled, compile_bundle, renumbered
from edgeglm_operator.reconcile.of_others import is_of_others
from edgeglm_operator.reconcile.outcome import Result, result_of
from edgeglm_operator.reconcile.placement import sites_of
from edgeglm_operator.reconcile.refused import Reason, Refused
from edgeglm_operator.reconcile.status.edge_site import SiteView, edge_site_status, unseen_site_status
from edgeglm_operator.reconcile.status.reported import silent_in
from edgeglm_operator.reconcile.status.verdict import Workload
from edgeglm_operator.reconcile.status_writer import write_status
from edgeglm_operator.reconcile.topology import Topologies, topology_of
from edgeglm_operator.reconcile.waves import settles_after_seconds
from edgeglm_operator.reconcile.workloads import workload
from edgeglm_operator.reconcile.world import AtSite, World
from edgeglm_operator.resources.agent_deployment import make_agent_deployment
from edgeglm_operator.resources.agent_secrets import agent_secrets_of
from edgeglm_operator.resources.bundle_config_map import make_bundle_config_map
from edgeglm_operator.resources.names import agent_name, bundle_name
from edgeglm_operator.resources.report_secret import make_report_secret, mounts_report_secret
from edgeglm_operator.resources.selectors import agent_selector
from edgeglm_operator.store import Name
from edgeglm_operator.workqueue import Key


@dataclass(slots=True)
class Scope:
    """One reconcile of one EdgeSite."""

    world: World
    site: EdgeSite
    node: Node | None
    """None when there is no such node, or nodes cannot be read: then all stays as it is."""
    children: Children
    graphs: Sequence[SensorGraph] = ()
    """Those for this site, suspended ones included."""
    compiled: Compiled | None = None
    bundle: Bundle | None = None
    """With its generation, as the site should hold it."""
    waits: bool = False
    """Whether its agent is to have another pod, and its turn has not come."""

    @property
    def needs_agent(self) -> bool:
        """Whether there is a graph to run, or one that is suspended and has work to finish."""
        if self.bundle is None:
            return False
        drains = bool(self.bundle.generation) and any(graph.spec.suspend for graph in self.graphs)
        return bool(self.bundle.graphs) or drains


class EdgeSiteReconciler:
    """Brings one EdgeSite to what the graphs ask of it."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def reconcile(self, namespace: str, name: str) -> Result:
        """Bundle, agent, status."""
        key = Name(namespace, name)
        try:
            return await self._reconcile(key)
        finally:
            if self._world.store.nodes_readable:
                call_next(self._world)

    async def _reconcile(self, key: Name) -> Result:
        site = self._world.store.sites.get(*key)
        if site is None or site.metadata.deletion_timestamp:
            self._world.at_sites.pop(key, None)
            self._world.agent_turns.saw(key, unready=False)
            return Result()
        scope = Scope(
            self._world, site, node_of(self._world, site), Children(self._world, Parent(EDGE_SITES, site.metadata))
        )
        now = self._world.now()
        if not self._world.store.nodes_readable:
            await write_status(self._world, EDGE_SITES, without_report(site), unseen_site_status(site, now))
            return Result()
        look_at_agent(self._world, site)
        if scope.node is not None:
            await want_bundle(scope, scope.node)
            await want_agent(scope, scope.node)
            self._tell_graphs(key, scope)
        status = edge_site_status(site, view_of(scope), now)
        await write_status(self._world, EDGE_SITES, without_report(site), status)
        return result_of(status.conditions, scope.children.blocked, at_latest=_again_after_seconds(scope, now))

    def _tell_graphs(self, key: Name, scope: Scope) -> None:
        """Note what was found, and let the graphs tell it if it is news."""
        found = AtSite(refusals=scope.compiled.refusals if scope.compiled else {}, blocked=scope.children.blocked)
        if self._world.at_sites.get(key) == found:
            return
        self._world.at_sites[key] = found
        for graph in self._world.store.graphs.in_namespace(key.namespace):
            self._world.enqueue(Key(SENSOR_GRAPHS.name, key.namespace, graph.metadata.name))


async def want_bundle(scope: Scope, node: Node) -> None:
    """The configuration, in its ConfigMap. Once made it stays and is patched in place (rule O11), even when empty."""
    scope.graphs = graphs_at(scope.world, scope.site, node)
    scope.compiled = compiled_at(scope.world, scope.site, node, scope.graphs)
    if kept := kept_for_unreadable(scope.world, scope.site, scope.graphs) or await kept_for_others(scope):
        scope.children.blocked = kept
        return
    scope.bundle = await _numbered(scope, scope.compiled.bundle)
    if scope.bundle.generation:
        await scope.children.ensure(make_bundle_config_map(scope.site, scope.bundle))


def kept_for_unreadable(world: World, site: EdgeSite, graphs: Iterable[SensorGraph]) -> Refused | None:
    """Why the site keeps the bundle that it has: a graph in it, or what that asks, can no longer be read."""
    store, metadata = world.store, site.metadata
    services = store.services.unreadable(metadata.namespace)
    topologies = topologies_at(world, metadata.namespace, site.spec.node_name)
    lost = {name: f"SensorGraph {name}" for name in store.graphs.unreadable(metadata.namespace)}
    for graph in graphs:
        asked = graph.spec.reasoning.service_ref
        if asked is not None and asked.name in services:
            lost[graph.metadata.name] = f"InferenceService {asked.name}"
        if not graph.spec.suspend and isinstance(topology_of(graph, topologies), Refused):
            lost[graph.metadata.name] = f"the topology of SensorGraph {graph.metadata.name}"
    config_map = store.config_maps.get(metadata.namespace, bundle_name(metadata.name))
    if not lost or config_map is None:
        return None
    there = _graphs_in(config_map.unpack(), if_unreadable=lost).intersection(lost)
    if not there:
        return None
    return Refused(
        Reason.INVALID_SPEC,
        f"{lost[min(there)]} cannot be read; its status says why. The site goes on with the bundle that it has, and"
        " gets no other until that is mended",
    )


async def kept_for_others(scope: Scope) -> Refused | None:
    """Why the site keeps the bundle that it has: a graph in it, or what that asks, is another operator's by now."""
    metadata = scope.site.metadata
    if not scope.world.settings.shard.selector or scope.compiled is None:
        return None
    config_map = scope.world.store.config_maps.get(metadata.namespace, bundle_name(metadata.name))
    there = _graphs_in(config_map.unpack()) if config_map else set()
    asked = {graph.metadata.name: graph.spec.reasoning.service_ref for graph in scope.graphs}
    for name in sorted(there - {graph.name for graph in scope.compiled.bundle.graphs}):
        service = asked.get(name)
        kind, gone = (INFERENCE_SERVICES, service.name) if service else (SENSOR_GRAPHS, name)
        if await is_of_others(scope.world, kind, metadata.namespace, gone):
            return Refused(
                Reason.OTHER_SHARD,
                f"{kind.name} {gone} is another operator's by its labels, and this site is not; the site goes on with"
                " the bundle that it has: label the site, its graphs and what they ask alike",
            )
    return None


async def want_agent(scope: Scope, node: Node) -> None:
    """The agent, as long as there is a graph for it."""
    metadata = scope.site.metadata
    live = scope.world.store.deployments.get(metadata.namespace, agent_name(metadata.name))
    if scope.children.blocked:
        return  # without its bundle an agent cannot even start
    if scope.bundle is not None and scope.needs_agent:
        settings, found = scope.world.settings, live.unpack() if live else None
        made = make_agent_deployment(scope.site, settings, agent_secrets_of(scope.bundle))
        agent = deployment_from(found) if found else None
        wish = agent_wish(made, agent, node, follows=settings.agents_follow_release)
        scope.waits = waits_for_turn(scope, wish)
        if scope.waits or not await want_report_secret(scope, found):
            await scope.children.ensure(wish.intent(waits=scope.waits))
        if wish.changes and not scope.waits:
            look_at_agent(scope.world, scope.site)
    elif live is not None:
        await scope.children.prune((DEPLOYMENTS,), {labels.SITE: metadata.name}, keep=lambda _: False)


def waits_for_turn(scope: Scope, wish: AgentWish) -> bool:
    """Whether the agent keeps its pod for now. One that does not run has nothing to lose."""
    if not wish.changes:
        return False
    if wish.is_dark(scope.world.now()):
        return True
    turns = scope.world.agent_turns
    if not turns.is_filled:
        turns.fill(_unready_agents(scope.world))
    return wish.runs and not turns.take(_name_of(scope.site), _at_once(scope.world))


def look_at_agent(world: World, site: EdgeSite) -> None:
    """Note whether the agent is ready, by what was observed of it."""
    world.agent_turns.saw(_name_of(site), unready=_is_unready(world, site))


def call_next(world: World) -> None:
    """Let those be looked at whose turn may have come."""
    for site in world.agent_turns.next_ones(_at_once(world)):
        world.enqueue(Key(EDGE_SITES.name, *site))


async def want_report_secret(scope: Scope, agent: Manifest | None) -> Refused | None:
    """What the agent reports with, made before the pod that mounts it. Returns why not.

    Where an agent has it mounted it is there, unless somebody has deleted it: so it is made once more, by each process
    of the operator, for an agent that should report and does not.
    """
    world, site = scope.world, scope.site
    reporting = world.settings.reporting
    if reporting is None:
        return None
    silent = scope.node is not None and scope.node.ready and silent_in(site.status.report, world.now()) is None
    there = agent is not None and mounts_report_secret(agent, site, reporting)
    secret = make_report_secret(site, reporting)
    name = Name(site.metadata.namespace, secret["metadata"]["name"])
    if there and (not silent or name in world.tokens_made):
        return None
    refused = await scope.children.make_unseen(secret)
    if refused is None:
        world.tokens_made.add(name)
    return refused


def view_of(scope: Scope) -> SiteView:
    """What was observed of it."""
    blocked = scope.children.blocked
    return SiteView(
        node=scope.node,
        agent=agent_of(scope.world, scope.site, blocked) if scope.needs_agent or blocked else None,
        bundle=None if blocked else scope.bundle,
        refusals=scope.compiled.refusals if scope.compiled else {},
        reports=scope.world.settings.reporting is not None,
        waits=str(scope.world.settings.agent_max_unavailable) if scope.waits else "",
    )


def without_report(site: EdgeSite) -> EdgeSite:
    """The site with the operator's part of its status alone; the report is the receiver's."""
    return msgspec.structs.replace(site, status=msgspec.structs.replace(site.status, report=None))


def found_at(world: World, site: EdgeSite, node: Node) -> AtSite:
    """What the last reconcile of a site found; before the first one what it will find, unless the server objects."""
    found = world.at_sites.get(Name(site.metadata.namespace, site.metadata.name))
    if found is not None:
        return found
    graphs = graphs_at(world, site, node)
    compiled = compiled_at(world, site, node, graphs)
    return AtSite(refusals=compiled.refusals, blocked=kept_for_unreadable(world, site, graphs))


def compiled_at(world: World, site: EdgeSite, node: Node, graphs: Iterable[SensorGraph]) -> Compiled:
    """What a site would be given, by what was observed."""
    namespace = site.metadata.namespace
    return compile_bundle(
        site, node, graphs, world.store.services.in_namespace(namespace), topologies_at(world, namespace, node.name)
    )


def topologies_at(world: World, namespace: str, node: str) -> Topologies:
    """What graphs of a namespace may take their topology from, at the site of a node."""
    store = world.store
    return Topologies(
        store.topologies.named_in(namespace),
        store.devices_at(namespace, node),
        crowded=namespace in store.crowded,
    )


def agent_of(world: World, site: EdgeSite, blocked: Refused | None) -> Workload:
    """What was observed of a site's agent."""
    namespace, name = site.metadata.namespace, site.metadata.name
    return workload(
        world.store,
        namespace,
        agent_name(name),
        world.store.pods.owned_by(namespace, labels.SITE, name),
        selector=agent_selector(site),
        refused=blocked,
    )


def node_of(world: World, site: EdgeSite) -> Node | None:
    """The site's node as observed."""
    return world.store.nodes.get("", site.spec.node_name) if world.store.nodes_readable else None


def graphs_at(world: World, site: EdgeSite, node: Node) -> list[SensorGraph]:
    """The graphs for a site. Of several sites for one node, the oldest has them: two agents would share its data."""
    namespace = site.metadata.namespace
    if site_at(world, namespace, node.name) != site:
        return []
    graphs = world.store.graphs.in_namespace(namespace)
    return [graph for graph in graphs if not graph.metadata.deletion_timestamp and sites_of(graph.spec.sites, [node])]


def site_at(world: World, namespace: str, node: str) -> EdgeSite | None:
    """The EdgeSite that stands for a node, the oldest if there are several."""
    sites = (site for site in world.store.sites.in_namespace(namespace) if site.spec.node_name == node)
    return min(sites, key=_age, default=None)


def last_generation(config_map: Manifest | None, site: EdgeSite) -> BundleStatus | None:
    """The last generation that a site was given, by its ConfigMap or by its status, whichever counts further.

    An agent refuses a generation below the one it has, so a ConfigMap deleted by hand must not begin anew.
    """
    known = [status for status in (_of_config_map(config_map), site.status.bundle) if status is not None]
    return max(known, key=lambda status: status.generation, default=None)


def _again_after_seconds(scope: Scope, now: str) -> float | None:
    """When the first of the waits is over that no event tells of."""
    silent = silent_in(scope.site.status.report, now) if scope.world.settings.reporting else None
    settled = settles_after_seconds(scope.node, now) if scope.waits and scope.node else 0
    return min((seconds for seconds in (silent, settled) if seconds), default=None)


def _unready_agents(world: World) -> Iterator[Name]:
    return (_name_of(site) for site in world.store.sites.all() if _is_unready(world, site))


def _is_unready(world: World, site: EdgeSite) -> bool:
    live = world.store.deployments.get(site.metadata.namespace, agent_name(site.metadata.name))
    return is_unready(deployment_from(live.unpack()) if live else None, node_of(world, site))


def _at_once(world: World) -> int:
    return world.settings.agent_max_unavailable.of(len(world.store.sites))


def _name_of(site: EdgeSite) -> Name:
    return Name(site.metadata.namespace, site.metadata.name)


async def _numbered(scope: Scope, bundle: Bundle) -> Bundle:
    """The bundle with its generation. A new one is counted from what the API server has: the store may be late."""
    metadata = scope.site.metadata
    name = bundle_name(metadata.name)
    observed = scope.world.store.config_maps.get(metadata.namespace, name)
    known = last_generation(observed.unpack() if observed else None, scope.site)
    if known is None and not bundle.graphs:
        return bundle
    if known is None or known.sha256 != digest(bundle):
        await scope.children.confirm_parent()
        site = scope.world.store.sites.get(metadata.namespace, metadata.name) or scope.site
        known = last_generation(await _live(scope.world, metadata.namespace, name), site)
    return renumbered(bundle, known)


async def _live(world: World, namespace: str, name: str) -> Manifest | None:
    try:
        return await world.client.get(CONFIG_MAPS, namespace, name)
    except NotFound:
        return None


def _graphs_in(config_map: Manifest, if_unreadable: Iterable[str] = ()) -> set[str]:
    """The graphs of a bundle. Another release may have written it so that it cannot be read."""
    try:
        bundle = decode(((config_map.get("data") or {}).get(BUNDLE_FILE) or "").encode())
    except InvalidObject:
        return set(if_unreadable)
    return {graph.name for graph in bundle.graphs}


def _of_config_map(config_map: Manifest | None) -> BundleStatus | None:
    if config_map is None:
        return None
    number = (config_map["metadata"].get("annotations") or {}).get(labels.BUNDLE_GENERATION, "")
    sha256 = (config_map.get("data") or {}).get(DIGEST_FILE, "")
    return BundleStatus(generation=int(number), sha256=sha256) if number.isdecimal() else None


def _age(site: EdgeSite) -> tuple[str, str]:
    return site.metadata.creation_timestamp, site.metadata.uid
