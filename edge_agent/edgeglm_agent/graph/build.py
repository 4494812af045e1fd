"""From a closed window and the known topology to the entity graph."""

from collections.abc import Iterator, Mapping
from typing import Final

from edgeglm_agent.graph.baseline import Baseline, z_score
from edgeglm_agent.graph.detect import Baselines, significant
from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.happened import Happened
from edgeglm_agent.graph.membership import Membership
from edgeglm_agent.graph.model import Edge, EntityGraph, Measured, Node, Occurred, Stated
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.relations import Tie
from edgeglm_agent.graph.stat import Stat
from edgeglm_agent.graph.state import Held
from edgeglm_agent.graph.trend import Trends
from edgeglm_agent.graph.window import Window
from edgeglm_api.sensor_graph import Limits, Topology

MAX_CHANGES: Final = 8
"""Of one state that are told; what it was at first and how often it changed stands in the evidence."""


_Found = tuple[str, str, str, int, int]
"""An edge without its id."""


class Surroundings:
    """What is known of a graph before anything is heard: its topology, who belongs where, units, limits, caps."""

    def __init__(
        self,
        topology: Topology,
        membership: Membership,
        *,
        units: Mapping[str, str],
        limits: Mapping[str, Limits],
        events_per_node: Mapping[str, int],
    ) -> None:
        self.units = units
        self.limits = limits
        self._events_per_node = events_per_node
        self._nodes = {node.id: node for node in topology.nodes}
        self._edges = tuple((edge.source, edge.target, edge.type) for edge in topology.edges)
        self._membership = membership

    def entities(self, window: Window) -> dict[str, tuple[str, str]]:
        """Return id to type and label: all that was heard, and all that is known of this partition."""
        entities = {entity: (kind, "") for entity, kind in window.pane.entities.items()}
        entities |= {tie.target: (tie.target_type, "") for tie in window.ties if tie.target not in entities}
        for node in self._nodes.values():
            if node.id in entities or self._membership.of_known(node.id) == window.partition:
                entities[node.id] = (node.type, node.label)
        return entities

    def occurred(self, name: str, event: Happened) -> Occurred:
        """Return as many of the last events as are wanted."""
        return Occurred(name, event.n, event.last[-self._events_per_node[name] :])

    def edges(self, window: Window, entities: Mapping[str, object]) -> list[_Found]:
        """Return the edges, observed and known, whose ends are both here; those that come and go with their times."""
        steady = {(*edge, 0, 0) for edge in (*window.pane.edges, *self._edges)}
        passing = {_passing(tie, window) for tie in window.ties}
        return sorted(edge for edge in steady | passing if edge[0] in entities and edge[1] in entities)


def build(
    window: Window, surroundings: Surroundings, baselines: Baselines, trends: Trends, evidence: tuple[Evidence, ...]
) -> EntityGraph:
    """Return the whole graph of a window, not yet trimmed."""
    entities = surroundings.entities(window)
    return EntityGraph(
        nodes=tuple(
            Node(
                id=entity,
                type=entities[entity][0],
                label=entities[entity][1],
                measured=tuple(_measured(entity, window.pane, surroundings.units, baselines, trends)),
                states=tuple(_stated(name, held) for name, held in window.states.get(entity, {}).items()),
                remarks=tuple(
                    Occurred(name, each.n, each.last)
                    for name, each in sorted(window.pane.remarks.get(entity, {}).items())
                ),
                events=tuple(
                    surroundings.occurred(*each) for each in sorted(window.pane.events.get(entity, {}).items())
                ),
            )
            for entity in sorted(entities)
        ),
        edges=tuple(
            Edge(f"r{number}", *edge) for number, edge in enumerate(surroundings.edges(window, entities), start=1)
        ),
        evidence=evidence,
    )


def _passing(tie: Tie, window: Window) -> _Found:
    since_ns = tie.since_ns if tie.since_ns > window.start_ns else 0
    return tie.source, tie.target, tie.type, since_ns, tie.until_ns if tie.until_ns < window.end_ns else 0


def _measured(
    entity: str, pane: Pane, units: Mapping[str, str], baselines: Baselines, trends: Trends
) -> Iterator[Measured]:
    usual, going = baselines.get(entity, {}), trends.get(entity, {})
    for name, stat in sorted(pane.stats.get(entity, {}).items()):
        yield _summary(name, stat, units.get(name, ""), usual.get(name), going.get(name))


def _summary(name: str, stat: Stat, unit: str, usual: Baseline | None, per_hour: float | None) -> Measured:
    z = z_score(usual, stat.mean) if usual else None
    return Measured(
        property=name,
        unit=unit,
        n=stat.n,
        mean=significant(stat.mean),
        min=significant(stat.min),
        max=significant(stat.max),
        last=significant(stat.last),
        slope=significant(stat.slope_per_second),
        z=None if z is None else significant(z),
        trend=None if per_hour is None else significant(per_hour),
    )


def _stated(name: str, held: Held) -> Stated:
    told, untold = held.changes[-MAX_CHANGES:], held.changes[:-MAX_CHANGES]
    before = untold[-1].word if untold else held.before
    return Stated(name, held.word, held.since_ns, before if told else "", told)
