"""What a claim rests on: the cited evidence, its severity, its order in time, and the words for it."""

from collections.abc import Iterable

from edgeglm_agent.graph.evidence import Evidence, is_alarming
from edgeglm_agent.graph.model import EntityGraph
from edgeglm_agent.graph.sentence import sentence
from edgeglm_agent.reason.said import MAX_COMMENT_CHARS, Claim
from edgeglm_agent.untrusted import cleaned, spelled
from edgeglm_api.answer import Severity


def cited(claim: Claim, graph: EntityGraph) -> tuple[Evidence, ...]:
    """Return the evidence of a claim, in the order of the graph, each once."""
    return tuple(item for item in graph.evidence if item.id in claim.evidence)


def about(node: str, evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return what of the evidence is about a node."""
    return tuple(item for item in evidence if item.node == node)


def without_own_evidence(node: str, claim: Claim, graph: EntityGraph) -> str:
    """Say that nothing that a claim cites is about the node; empty when something is."""
    if about(node, cited(claim, graph)):
        return ""
    return f"none of {', '.join(claim.evidence) or 'no evidence'} is about {spelled(node)}"


def onset_of(evidence: Iterable[Evidence]) -> int | None:
    """Return when the first of it began; None when none of it knows (a z-score speaks of a whole window)."""
    return min((item.onset_ns for item in evidence if item.onset_ns), default=None)


def severity_of(evidence: Iterable[Evidence]) -> Severity:
    """Return how bad it is, by the limits that were passed, what runs away, and who is silent."""
    known = tuple(evidence)
    if any(is_alarming(item) for item in known):
        return "Critical"
    return "Warning" if any(item.kind in {"Limit", "Rate", "Silence"} for item in known) else "Info"


def told(evidence: Iterable[Evidence]) -> str:
    """Return the evidence in words."""
    return "; ".join(sentence(item) for item in evidence)


def comment_of(claim: Claim) -> str:
    """Return the model's words, as far as they are published."""
    return cleaned(claim.comment, most=MAX_COMMENT_CHARS)
