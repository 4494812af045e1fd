"""Whom a site remembers though nobody hears them now: one bound over all partitions, since strangers can invent names.

While fewer than the bound are known at all, which is nearly everywhere, that is a sum over the partitions; beyond it
all who are known are gone through whenever windows close.

Those that are heard have bounds of their own (`limits.entities` of each source). Of the others, who was not heard for
longest is forgotten first, by event time, so that a replay forgets the same.
"""

from collections.abc import Callable, Mapping
from typing import Final

from edgeglm_agent.graph.partition import Partition

MAX_ABSENT: Final = 16_384
"""Entities, in all partitions of all graphs; some 2 KiB each, by what is known of them."""
_SPARE_SHARE: Final = 8
"""An eighth of the room is made at once, or there would be something to forget with each window."""

Key = tuple[str, str]
"""The uid of a graph, and a partition."""


def absent_beyond(partitions: Mapping[Key, Partition], named: Callable[[str], frozenset[str]]) -> dict[Key, set[str]]:
    """Return whom to forget; of each graph those that its topology names are kept."""
    if sum(len(partition.known) for partition in partitions.values()) <= MAX_ABSENT:
        return {}
    kept = {uid: named(uid) for uid, _ in partitions}
    absent = [
        (last_ns, key, entity)
        for key, partition in partitions.items()
        for staying in (partition.heard | kept[key[0]],)
        for entity, last_ns in partition.known.items()
        if entity not in staying
    ]
    if len(absent) <= MAX_ABSENT:
        return {}
    beyond: dict[Key, set[str]] = {}
    for _, key, entity in sorted(absent)[: len(absent) - MAX_ABSENT + MAX_ABSENT // _SPARE_SHARE]:
        beyond.setdefault(key, set()).add(entity)
    return beyond
