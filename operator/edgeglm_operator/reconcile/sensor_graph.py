"""SensorGraph: it has no children of its own. Sites are the fleet's, bundles the sites'; here the outcome is told."""

from collections.abc import Iterator, Mapping

from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.kube.kinds import SENSOR_GRAPHS
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.compile import compile_bundle
from edgeglm_operator.reconcile.edge_site import agent_of, graphs_at, site_at
from edgeglm_operator.reconcile.outcome import Result, result_of
from edgeglm_operator.reconcile.placement import sites_of
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.status.sensor_graph import GraphSite, GraphView, sensor_graph_status
from edgeglm_operator.reconcile.status_writer import write_status
from edgeglm_operator.reconcile.world import World
from edgeglm_operator.store import Name


class SensorGraphReconciler:
    """Tells how far one SensorGraph has come."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def reconcile(self, namespace: str, name: str) -> Result:
        """Status."""
        graph = self._world.store.graphs.get(namespace, name)
        if graph is None or graph.metadata.deletion_timestamp:
            return Result()
        view = GraphView(sites=tuple(self._sites(graph)), nodes_readable=self._world.store.nodes_readable)
        status = sensor_graph_status(graph, view, self._world.now())
        await write_status(self._world, SENSOR_GRAPHS, graph, status)
        return result_of(status.conditions)

    def _sites(self, graph: SensorGraph) -> Iterator[GraphSite]:
        store = self._world.store
        for node in sites_of(graph.spec.sites, store.nodes.all() if store.nodes_readable else ()):
            site = site_at(self._world, graph.metadata.namespace, node.name)
            if site is None:
                yield GraphSite(node=node)
            else:
                refused = self._refusals(site, node).get(graph.metadata.name)
                yield GraphSite(node=node, site=site, refused=refused, agent=agent_of(self._world, site))

    def _refusals(self, site: EdgeSite, node: Node) -> Mapping[str, Refused]:
        """The graphs that the site's bundle has not, as its own reconcile found; before the first one, as it will."""
        key = Name(site.metadata.namespace, site.metadata.name)
        found = self._world.at_sites.get(key)
        if found is not None:
            return found.refusals
        services = self._world.store.services.in_namespace(key.namespace)
        return compile_bundle(site, node, graphs_at(self._world, site, node), services).refusals
