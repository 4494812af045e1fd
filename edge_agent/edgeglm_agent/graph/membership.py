"""Which partition an entity belongs to: the entity of the partition's type that it is, or is nearest to.

What a message says itself comes first. What the topology places stays there. All else follows the relations that come
and go, as they were at the time in question: a patient is where the bed is.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

from edgeglm_agent.decode.observation import Observation
from edgeglm_agent.graph.relations import Relations, Tie
from edgeglm_api.sensor_graph import PartitionBy, Topology

WHOLE: Final = "all"
"""The one partition of a graph that is not partitioned."""
UNASSIGNED: Final = "unassigned"
"""The partition of entities that are related to none."""
MAX_HOPS: Final = 4
"""From an entity to what decides where it belongs: parcel, box, truck."""


class Membership:
    """Answers for one set of rules; the known topology is searched once."""

    def __init__(self, topology: Topology, partition_by: PartitionBy | None) -> None:
        self._type = partition_by.entity_type if partition_by else None
        self._known = _nearest(topology, self._type) if self._type else {}

    def of_observation(self, observation: Observation, relations: Relations) -> str:
        """Return the partition that an observation belongs to."""
        if self._type is None:
            return WHOLE
        if observation.entity.type == self._type:
            return observation.entity.id
        said = [each.to.id for each in observation.relations if each.to.type == self._type and not each.op]
        return min(said) if said else self.of_entity(observation.entity.id, observation.event_ns, relations)

    def fixed(self, observation: Observation) -> str | None:
        """Return the partition of an observation where no relation that comes or goes can change it."""
        entity = observation.entity
        settled = self._type is None or entity.type == self._type or entity.id in self._known
        if settled or any(each.to.type == self._type and not each.op for each in observation.relations):
            return self.of_observation(observation, Relations())
        return None

    def of_entity(self, entity: str, at_ns: int, relations: Relations) -> str:
        """Return the partition of an entity at a moment, as far as topology and relations tell."""
        if self._type is None or entity in self._known or not relations.related:
            return self.of_known(entity)
        level, seen = [entity], {entity}
        for _hop in range(MAX_HOPS):
            ties = [tie for each in level for tie in relations.of(each, at_ns) if tie.target not in seen]
            if owners := [owner for tie in ties if (owner := self._owner(tie))]:
                return min(owners)
            level = list(dict.fromkeys(tie.target for tie in ties))
            seen.update(level)
        return UNASSIGNED

    def of_known(self, entity: str) -> str:
        """Return the partition of an entity of the topology."""
        return WHOLE if self._type is None else self._known.get(entity, UNASSIGNED)

    def _owner(self, tie: Tie) -> str | None:
        return tie.target if tie.target_type == self._type else self._known.get(tie.target)


def _nearest(topology: Topology, kind: str) -> Mapping[str, str]:
    """Search outwards from all partition entities at once; the first to reach an entity owns it."""
    neighbours: dict[str, list[str]] = {node.id: [] for node in topology.nodes}
    for edge in topology.edges:
        neighbours.setdefault(edge.source, []).append(edge.target)
        neighbours.setdefault(edge.target, []).append(edge.source)
    owner = {node.id: node.id for node in topology.nodes if node.type == kind}
    queue = deque(sorted(owner))
    while queue:
        at = queue.popleft()
        for neighbour in sorted(neighbours[at]):
            if neighbour not in owner:
                owner[neighbour] = owner[at]
                queue.append(neighbour)
    return owner
