"""What the topics of a graph must agree on, beyond what a pattern can say."""

import re
from collections.abc import Iterator
from typing import Final

from edgeglm_api.echo import echoes, meetings
from edgeglm_api.sensor_graph import SensorGraph, Source
from edgeglm_operator.reconcile.refused import Reason, Refused

_CAPTURE: Final = re.compile(r"\{([^{}$@][^{}]*)\}")
"""Not the paths into a payload."""


def check_topics(graph: SensorGraph) -> Refused | None:
    """The first fault in the topics of a graph."""
    return next(_faults(graph), None)


def _faults(graph: SensorGraph) -> Iterator[Refused]:
    yield from _command_faults(graph)
    for source in graph.spec.sources:
        where = f"spec.sources[{source.name}]"
        yield from _capture_faults(source, where)
        if echoes(graph.spec.output.topic, graph.metadata.name, source):
            yield Refused(
                Reason.TOPIC_OVERLAP,
                f"spec.output.topic {graph.spec.output.topic} can meet {where}.topic {source.topic}, and the graph"
                f" would read its own answers; choose an output topic of its own",
            )


def _command_faults(graph: SensorGraph) -> Iterator[Refused]:
    commands = graph.spec.findings.commands
    if commands is None:
        return
    name = graph.metadata.name
    topic = commands.topic.replace("{graph}", name)
    for where, other in meetings(topic, name, graph.spec.output.topic, graph.spec.sources):
        yield Refused(
            Reason.TOPIC_OVERLAP,
            f"spec.findings.commands.topic {commands.topic} can meet spec.{where} {other}; choose a topic that is for"
            f" commands only",
        )


def _capture_faults(source: Source, where: str) -> Iterator[Refused]:
    captures = _CAPTURE.findall(source.topic)
    for name in captures:
        if captures.count(name) > 1:
            yield Refused(Reason.INVALID_TOPIC, f"{where}.topic captures {{{name}}} twice; give each level a name")
    ids = [("entity.id", source.entity.id)]
    ids += [(f"relations[{index}].to.id", relation.to.id) for index, relation in enumerate(source.relations)]
    for field, template in ids:
        for name in _CAPTURE.findall(template):
            if name not in captures:
                known = ", ".join(f"{{{capture}}}" for capture in captures) or "nothing"
                yield Refused(
                    Reason.INVALID_TOPIC,
                    f"{where}.{field} asks for {{{name}}}, but the topic captures {known}; capture it or leave it out",
                )
