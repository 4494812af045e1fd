"""What of a SensorGraph goes into a bundle: the same for the operator, and for who rehearses a graph without one."""

import msgspec

from edgeglm_api.bundle import Broker, Commands, Graph, Reasoning
from edgeglm_api.sensor_graph import SensorGraph, Topology


def compiled(
    graph: SensorGraph,
    *,
    broker: Broker,
    endpoints: tuple[str, ...],
    topology: Topology | None = None,
    commands: Commands | None = None,
) -> Graph:
    """A graph with the way to its broker, and the names of the endpoints that may be asked, first choice first.

    `topology` is that of a ConfigMap; None where the graph itself says it.
    """
    spec, reasoning = graph.spec, graph.spec.reasoning
    return Graph(
        name=graph.metadata.name,
        uid=graph.metadata.uid,
        broker=broker,
        sources=spec.sources,
        topology=topology or Topology(nodes=spec.topology.nodes, edges=spec.topology.edges),
        derived=spec.derived,
        window=spec.window,
        graph=spec.graph,
        question=spec.question,
        reasoning=Reasoning(
            route=reasoning.route,
            endpoints=endpoints,
            attempt_timeout_seconds=reasoning.attempt_timeout_seconds,
            fresh_for_seconds=reasoning.fresh_for_seconds,
            max_tokens=reasoning.max_tokens,
            priority=reasoning.priority,
            after_fresh=reasoning.after_fresh,
            data_policy=reasoning.data_policy,
            adapter=reasoning.service_ref.adapter if reasoning.service_ref else None,
        ),
        findings=msgspec.structs.replace(spec.findings, commands=None),
        commands=commands,
        output=spec.output,
    )
