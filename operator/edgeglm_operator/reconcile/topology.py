"""Where a graph's topology is: in the graph itself, in a ConfigMap of its namespace, or in KubeEdge's Devices."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeglm_api import labels
from edgeglm_api.sensor_graph import ConfigMapKeyRef, Devices, SensorGraph, Topology
from edgeglm_operator.device import NOT_LISTED, Device
from edgeglm_operator.reconcile.device_topology import with_devices
from edgeglm_operator.reconcile.refused import Reason, Refused
from edgeglm_operator.topology_map import TopologyMap
from edgeglm_operator.topology_room import MAX_MAPS, MAX_NAMESPACE_BYTES


@dataclass(frozen=True, slots=True)
class Topologies:
    """What the graphs of a namespace may take their topology from, at one site."""

    config_maps: Mapping[str, TopologyMap] = field(default_factory=dict)
    """By name: those that bear the label."""
    devices: tuple[Device, ...] | str = NOT_LISTED
    """Those of the site's node; or why they are not known."""
    crowded: bool = False
    """Whether the namespace has more ConfigMaps of topologies than are read."""


def topology_of(graph: SensorGraph, topologies: Topologies) -> Topology | Refused:
    """The topology of a graph, or why there is none."""
    given = graph.spec.topology
    if given.config_map_ref is not None:
        return _of_config_map(graph.metadata.namespace, given.config_map_ref, topologies)
    here = Topology(nodes=given.nodes, edges=given.edges)
    return here if given.devices is None else _of_devices(here, given.devices, topologies.devices)


def _of_config_map(namespace: str, ref: ConfigMapKeyRef, topologies: Topologies) -> Topology | Refused:
    where, wanted = "spec.topology.configMapRef", f"{namespace}/{ref.name}"
    known = topologies.config_maps.get(ref.name)
    if known is None and topologies.crowded:
        return Refused(
            Reason.TOO_MANY_TOPOLOGIES,
            f"{where}: ConfigMap {wanted} is not among those that are read: the first {MAX_MAPS} of the namespace with"
            f" the label {labels.TOPOLOGY}, in the order of their names, up to {MAX_NAMESPACE_BYTES} bytes; take it off"
            " those that no graph needs",
        )
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


def _of_devices(here: Topology, wanted: Devices, there: tuple[Device, ...] | str) -> Topology | Refused:
    where = "spec.topology.devices"
    if isinstance(there, str):
        return Refused(Reason.DEVICES_NOT_READABLE, f"{where}: KubeEdge's Devices cannot be read: {there}")
    made = with_devices(here, wanted, there)
    return Refused(Reason.INVALID_TOPOLOGY, f"{where}: {made}") if isinstance(made, str) else made
