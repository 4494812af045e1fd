"""What of a graph's data may leave the site for an engine in the cloud: the same for who compiles and for who asks."""

from collections.abc import Iterable
from typing import Final

from edgeglm_api.sensor_graph import DataPolicy, Kind, Source, ToCloud

IN_WORDS: Final[frozenset[Kind]] = frozenset({"State", "Event"})
"""Kinds of sources whose values are words, which may say anything."""


def to_cloud(policy: DataPolicy | None, sources: Iterable[Source]) -> ToCloud:
    """Return what may go there. Where the user says nothing: nothing of a graph with words, all of one without."""
    if policy is not None:
        return policy.cloud
    return "Never" if of_words(sources) else "Allowed"


def of_words(sources: Iterable[Source]) -> tuple[str, ...]:
    """Return the names of the sources whose values are words, or that have free text beside them."""
    return tuple(source.name for source in sources if source.kind in IN_WORDS or source.text)
