"""What of a SensorGraph goes into a bundle: the same for the operator, and for who rehearses a graph without one."""

from typing import Final

import msgspec

from edgeglm_api.bundle import Broker, Commands, Graph, Reasoning
from edgeglm_api.sensor_graph import Output, SensorGraph, Topology

SHADOW: Final = "shadow/"
"""What stands before the topic of a graph that is only tried."""


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
    spec, reasoning, shadow = graph.spec, graph.spec.reasoning, graph.spec.mode == "Shadow"
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
            priority="Low" if shadow else reasoning.priority,
            after_fresh=reasoning.after_fresh,
            data_policy=reasoning.data_policy,
            adapter=reasoning.service_ref.adapter if reasoning.service_ref else None,
        ),
        findings=msgspec.structs.replace(spec.findings, commands=None),
        commands=None if shadow else commands,
        output=_aside(spec.output) if shadow else spec.output,
    )


def _aside(output: Output) -> Output:
    """Where who is only tried says what it has to say: whoever waits for answers does not take these for any."""
    return msgspec.structs.replace(output, topic=f"{SHADOW}{output.topic}", retain=False)
