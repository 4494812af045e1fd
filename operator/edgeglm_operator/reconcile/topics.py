"""What the topics of a graph must agree on, beyond what a pattern can say."""

import re
from collections.abc import Iterator
from typing import Final

from edgeglm_api.sensor_graph import SensorGraph, Source
from edgeglm_operator.reconcile.refused import Reason, Refused

_CAPTURE: Final = re.compile(r"\{([^{}$@][^{}]*)\}")
"""Not the paths into a payload."""
_ANY_LEVEL: Final = "+"
_ANY_LEVELS: Final = "#"
"""One level or more: a partition's id may have slashes."""


def check_topics(graph: SensorGraph) -> Refused | None:
    """The first fault in the topics of a graph."""
    return next(_faults(graph), None)


def _faults(graph: SensorGraph) -> Iterator[Refused]:
    output = _output_levels(graph)
    for source in graph.spec.sources:
        where = f"spec.sources[{source.name}]"
        yield from _capture_faults(source, where)
        if overlap(output, _source_levels(source)):
            yield Refused(
                Reason.TOPIC_OVERLAP,
                f"spec.output.topic {graph.spec.output.topic} can meet {where}.topic {source.topic}, and the graph"
                f" would read its own answers; choose an output topic of its own",
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


def overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether some topic fits both patterns; `+` is any one level, `#` one level or more."""
    if not one or not other:
        return not one and not other
    if _ANY_LEVELS in {one[0], other[0]}:
        many, rest = (one, other) if one[0] == _ANY_LEVELS else (other, one)
        return any(overlap(many[1:], rest[taken:]) for taken in range(1, len(rest) + 1))
    return (one[0] == other[0] or _ANY_LEVEL in {one[0], other[0]}) and overlap(one[1:], other[1:])


def _source_levels(source: Source) -> tuple[str, ...]:
    return tuple(_ANY_LEVEL if _CAPTURE.search(level) else level for level in source.topic.split("/"))


def _output_levels(graph: SensorGraph) -> tuple[str, ...]:
    topic = graph.spec.output.topic.replace("{graph}", graph.metadata.name)
    return tuple(_ANY_LEVELS if "{partition}" in level else level for level in topic.split("/"))
