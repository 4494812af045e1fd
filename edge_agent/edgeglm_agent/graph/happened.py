"""Events: happenings of one entity in one pane. Any number is counted, the last ones are kept."""

from typing import Final

import msgspec

from edgeglm_agent.graph.state import Said

MAX_KEPT: Final = 32


class Happened(msgspec.Struct, frozen=True, array_like=True):
    """How often something happened, and the last times of it; merges in any order to the same."""

    n: int
    last: tuple[Said, ...]
    """In order of time."""


def happened(word: str, event_ns: int) -> Happened:
    """Return a single event."""
    return Happened(1, (Said(event_ns, word),))


def merge_happened(one: Happened, other: Happened) -> Happened:
    """Return both; what is kept of both is what would be kept of all."""
    return Happened(one.n + other.n, tuple(sorted((*one.last, *other.last))[-MAX_KEPT:]))
