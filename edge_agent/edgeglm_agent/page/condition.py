"""How an entity, a series or a partition is doing, in one word for its colour: what the evidence shows. Pure."""

from collections.abc import Iterable
from typing import Final, Literal

from edgeglm_agent.graph.evidence import Evidence, EvidenceKind, is_alarming
from edgeglm_agent.graph.model import Node

Condition = Literal["Alarm", "Warning", "Silent", "Changed", "Unusual", "Well", "Unheard"]
"""Alarm: an alarm limit is passed. Warning: a warning limit is, or it moves too fast. Silent: it is missed. Changed: a
state is another. Unusual: its mean is far from the usual, or on its
way to a limit. Well: none of these. Unheard: it says nothing, and nobody
expects it to."""

_WORST_FIRST: Final[tuple[Condition, ...]] = ("Alarm", "Warning", "Silent", "Changed", "Unusual", "Well", "Unheard")
_SHOWN_BY: Final[dict[EvidenceKind, Condition]] = {
    "Limit": "Warning",
    "Rate": "Warning",
    "Silence": "Silent",
    "StateChange": "Changed",
    "ZScore": "Unusual",
    "Trend": "Unusual",
}


def shown_by(item: Evidence) -> Condition:
    """Return what one piece of evidence shows."""
    return "Alarm" if is_alarming(item) else _SHOWN_BY[item.kind]


def worst_of(conditions: Iterable[Condition]) -> Condition:
    """Return the worst; of none, that all is well."""
    return min(conditions, key=_WORST_FIRST.index, default="Well")


def condition_of(node: Node, evidence: Iterable[Evidence]) -> Condition:
    """Return how an entity is doing."""
    heard = bool(node.measured or node.states or node.events)
    shown = [shown_by(item) for item in evidence if item.node == node.id]
    return worst_of(shown or (["Well"] if heard else ["Unheard"]))
