"""Answers must not become readings: whether what a graph publishes can meet what one of its site listens to."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Source

_CAPTURE: Final = re.compile(r"\{([^{}$@][^{}]*)\}")
"""Not the paths into a payload."""
_ANY_LEVEL: Final = "+"
_ANY_LEVELS: Final = "#"
"""One level or more: a partition's id may have slashes."""

Levels = tuple[str, ...]


def echoes(topic: str, graph: str, source: Source) -> bool:
    """Whether a source can hear the output topic of the graph of that name."""
    output, heard = _output_levels(topic, graph), _source_levels(source)
    # To a broker `a/#` is `a`, too.
    return overlap(output, heard) or (heard[-1] == _ANY_LEVELS and overlap(output, heard[:-1]))


def heard_by(listener: Graph, speaker: Graph) -> Iterator[Source]:
    """The sources of one graph that can hear the answers of another, which may be itself."""
    if listener.broker.url == speaker.broker.url:
        yield from (each for each in listener.sources if echoes(speaker.output.topic, speaker.name, each))


def meetings(topic: str, graph: str, output: str, sources: Iterable[Source]) -> Iterator[tuple[str, str]]:
    """Yield the topics of a graph, by field, that a plain topic can meet."""
    levels = tuple(topic.split("/"))
    if overlap(levels, _output_levels(output, graph)):
        yield "output.topic", output
    for each in sources:
        heard = _source_levels(each)
        if overlap(levels, heard) or (heard[-1] == _ANY_LEVELS and overlap(levels, heard[:-1])):
            yield f"sources[{each.name}].topic", each.topic


def overlap(one: Levels, other: Levels) -> bool:
    """Whether some topic fits both patterns; `+` is any one level, `#` one level or more."""
    # Where both stand after each level of a topic. Places, not paths: patterns of many `#` must not take for ever.
    places = {(0, 0)}
    seen = set(places)
    while places:
        places = {after for at in places for after in _one_level_on(one, other, at)} - seen
        seen |= places
    return (len(one), len(other)) in seen


def _one_level_on(one: Levels, other: Levels, at: tuple[int, int]) -> Iterator[tuple[int, int]]:
    here, there = at
    if here == len(one) or there == len(other):
        return
    levels = {one[here], other[there]}
    if len(levels) == 1 or levels & {_ANY_LEVEL, _ANY_LEVELS}:
        for stays in range(1 + (one[here] == _ANY_LEVELS)):
            for remains in range(1 + (other[there] == _ANY_LEVELS)):
                yield here + 1 - stays, there + 1 - remains


def _output_levels(topic: str, graph: str) -> Levels:
    filled = topic.replace("{graph}", graph)
    return tuple(_ANY_LEVELS if "{partition}" in level else level for level in filled.split("/"))


def _source_levels(source: Source) -> Levels:
    if source.format == "SparkplugB":
        # All that its nodes and their devices say.
        return (*map(_plain_or_any, source.topic.split("/")[:2]), _ANY_LEVELS)
    return tuple(map(_plain_or_any, source.topic.split("/")))


def _plain_or_any(level: str) -> str:
    return _ANY_LEVEL if _CAPTURE.search(level) else level
