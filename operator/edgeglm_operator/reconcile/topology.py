"""Where a graph's topology is: in the graph itself, or in a ConfigMap of its namespace."""

from collections.abc import Mapping

from edgeglm_api import labels
from edgeglm_api.sensor_graph import SensorGraph, Topology
from edgeglm_operator.reconcile.refused import Reason, Refused
from edgeglm_operator.topology_map import TopologyMap

Topologies = Mapping[str, TopologyMap]
"""By the ConfigMap's name: those of a namespace that bear the label."""


def topology_of(graph: SensorGraph, topologies: Topologies) -> Topology | Refused:
    """The topology of a graph, or why there is none."""
    given = graph.spec.topology
    ref = given.config_map_ref
    if ref is None:
        return Topology(nodes=given.nodes, edges=given.edges)
    where, wanted = "spec.topology.configMapRef", f"{graph.metadata.namespace}/{ref.name}"
    known = topologies.get(ref.name)
    if known is None:
        return Refused(
            Reason.TOPOLOGY_NOT_FOUND,
            f"{where}: there is no ConfigMap {wanted} with the label {labels.TOPOLOGY}; make it, or label it",
        )
    found = known.keys.get(ref.key)
    if found is None:
        return Refused(
            Reason.TOPOLOGY_NOT_FOUND,
            f"{where}: ConfigMap {wanted} has no key {ref.key} in its data; add it, or name another",
        )
    if isinstance(found, str):
        return Refused(Reason.INVALID_TOPOLOGY, f"{where}: ConfigMap {wanted}: data[{ref.key}]: {found}")
    return found
