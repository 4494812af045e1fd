"""SensorGraph: it has no children of its own. Sites are the fleet's, bundles the sites'; here the outcome is told."""

from collections.abc import Iterator

from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.kube.kinds import SENSOR_GRAPHS
from edgeglm_operator.reconcile.edge_site import agent_of, found_at, site_at
from edgeglm_operator.reconcile.outcome import Result, result_of
from edgeglm_operator.reconcile.placement import sites_of
from edgeglm_operator.reconcile.status.sensor_graph import GraphSite, GraphView, sensor_graph_status
from edgeglm_operator.reconcile.status_writer import write_status
from edgeglm_operator.reconcile.world import World


class SensorGraphReconciler:
    """Tells how far one SensorGraph has come."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def reconcile(self, namespace: str, name: str) -> Result:
        """Status."""
        graph = self._world.store.graphs.get(namespace, name)
        if graph is None or graph.metadata.deletion_timestamp:
            return Result()
        view = GraphView(
            sites=tuple(self._sites(graph)),
            nodes_readable=self._world.store.nodes_readable,
            reports=self._world.settings.reporting is not None,
        )
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
                found = found_at(self._world, site, node)
                refused = found.refusals.get(graph.metadata.name)
                yield GraphSite(node=node, site=site, refused=refused, agent=agent_of(self._world, site, found.blocked))
