"""From the Devices of a site to entities and relations, beside what the graph says itself.

What a label names is an entity whether anybody has made a Device of it or not: a line has none, a tank may be at
another site, and a slip is seen as an entity that is never heard. So no label of a relation can spoil a topology.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from edgeglm_api.sensor_graph import Devices, Topology, TopologyEdge, TopologyNode
from edgeglm_operator.device import Device
from edgeglm_operator.topology_map import MAX_EDGES, MAX_NODES

MAX_ID_CHARS: Final = 128
MAX_TYPE_CHARS: Final = 63
WITHOUT_MODEL: Final = "Device"
"""The type of a Device that names no DeviceModel."""


def with_devices(here: Topology, wanted: Devices, there: Sequence[Device]) -> Topology | str:
    """The topology with those of a site's Devices that are wanted, or what is wrong with it.

    What stands in the graph itself counts more than a Device of the same id. It speaks of all sites: an edge there
    counts where both its ends are known.
    """
    chosen = [device for device in there if wanted.selector.items() <= device.labels.items()]
    if problem := next(_problems(chosen, wanted), None):
        return problem
    nodes = {node.id: node for node in here.nodes}
    for device in chosen:
        nodes.setdefault(_id(device, wanted), TopologyNode(id=_id(device, wanted), type=_type(device, wanted)))
    found = []
    for edge, target_type in _relations(chosen, wanted):
        nodes.setdefault(edge.target, TopologyNode(id=edge.target, type=target_type))
        found.append(edge)
    said = [edge for edge in here.edges if edge.source in nodes and edge.target in nodes]
    edges = tuple(dict.fromkeys([*said, *found]))
    return _too_large(len(nodes), len(edges)) or Topology(nodes=tuple(nodes.values()), edges=edges)


def _relations(chosen: Sequence[Device], wanted: Devices) -> Iterator[tuple[TopologyEdge, str]]:
    """Each edge, and the type of the entity that it leads to."""
    for device in chosen:
        for relation in wanted.relations:
            if target := device.labels.get(relation.to.id_from_label):
                edge = TopologyEdge(source=_id(device, wanted), target=target, type=relation.type)
                yield edge, relation.to.type


def _id(device: Device, wanted: Devices) -> str:
    return device.labels.get(wanted.id_from_label or "") or device.name


def _type(device: Device, wanted: Devices) -> str:
    """What is said to be a DeviceModel may be any text, and the name of one is longer than a type may be."""
    if device.model in wanted.types:
        return wanted.types[device.model]
    name = re.sub(r"[^A-Za-z0-9]", "_", device.model) or WITHOUT_MODEL
    return (name if name[0].isalpha() else f"model_{name}")[:MAX_TYPE_CHARS]


def _problems(chosen: Sequence[Device], wanted: Devices) -> Iterator[str]:
    first: dict[str, Device] = {}
    for device in chosen:
        found = _id(device, wanted)
        other = first.setdefault(found, device)
        if other is not device:
            yield (
                f"the Devices {other.name} and {device.name} both have the id {found!r}; correct the label"
                f" {wanted.id_from_label} of one of them"
            )
        if len(found) > MAX_ID_CHARS:
            yield (
                f"the name of the Device {found} has {len(found)} characters, and an id has at most {MAX_ID_CHARS};"
                " name a label with its id in idFromLabel, or leave it out by selector"
            )


def _too_large(nodes: int, edges: int) -> str:
    if nodes <= MAX_NODES and edges <= MAX_EDGES:
        return ""
    return (
        f"with the Devices of this site there are {nodes} entities and {edges} relations, and {MAX_NODES} and"
        f" {MAX_EDGES} are the most; select fewer of them"
    )
