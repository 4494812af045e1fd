"""Remarks: what people or devices wrote freely about an entity, where its source opts in. Data, and never evidence."""

from typing import Final

from edgeglm_agent.graph.happened import Happened
from edgeglm_agent.graph.state import Said

MAX_KEPT: Final = 3
"""Of one entity and property in a window: the last ones."""


def remark(text: str, event_ns: int) -> Happened:
    """Return a single remark."""
    return Happened(1, (Said(event_ns, text),))


def merge_remarks(one: Happened, other: Happened) -> Happened:
    """Return both; what is kept of both is what would be kept of all."""
    return Happened(one.n + other.n, tuple(sorted((*one.last, *other.last))[-MAX_KEPT:]))
