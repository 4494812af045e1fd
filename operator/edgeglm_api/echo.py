"""Answers must not become readings: whether what a graph publishes can meet what one of its site listens to."""

import re
from collections.abc import Iterator
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
    output = tuple(
        _ANY_LEVELS if "{partition}" in level else level for level in topic.replace("{graph}", graph).split("/")
    )
    heard = tuple(_ANY_LEVEL if _CAPTURE.search(level) else level for level in source.topic.split("/"))
    # To a broker `a/#` is `a`, too.
    return overlap(output, heard) or (heard[-1] == _ANY_LEVELS and overlap(output, heard[:-1]))


def heard_by(listener: Graph, speaker: Graph) -> Iterator[Source]:
    """The sources of one graph that can hear the answers of another, which may be itself."""
    if listener.broker.url == speaker.broker.url:
        yield from (each for each in listener.sources if echoes(speaker.output.topic, speaker.name, each))


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
