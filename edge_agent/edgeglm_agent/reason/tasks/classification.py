"""Classification: which of the given labels fits the window as a whole. One label; the first one said counts."""

from typing import Final

from edgeglm_agent.graph.model import EntityGraph
from edgeglm_agent.reason.citation import cited, comment_of, severity_of, told
from edgeglm_agent.reason.said import Claim, Id, Said
from edgeglm_agent.reason.schema import Schema, claim_schema, one_of, some_of
from edgeglm_agent.reason.task import Kept, Task, nothing_overlooked
from edgeglm_agent.untrusted import spelled
from edgeglm_api.answer import Finding
from edgeglm_api.sensor_graph import Question

_MOST_EVIDENCE: Final = 3


class SaidLabel(Claim, frozen=True):
    """A label for the window."""

    label: Id

    @property
    def named(self) -> tuple[str, ...]:
        """The nodes that it names."""
        return ()


def _claim_schema(graph: EntityGraph, question: Question) -> Schema | None:
    least = 1 if graph.evidence else 0
    evidence = some_of((item.id for item in graph.evidence), least=least, most=_MOST_EVIDENCE)
    return claim_schema(evidence, label=one_of(question.labels))


def _problem(claim: SaidLabel, graph: EntityGraph, question: Question) -> str:
    if claim.label not in question.labels:
        return f"{spelled(claim.label)} is none of the labels {', '.join(question.labels)}"
    if graph.evidence and not claim.evidence:
        return f"{claim.label} cites no evidence, though there is some"
    return ""


def _kept(claim: SaidLabel, graph: EntityGraph, _question: Question) -> Kept:
    evidence = cited(claim, graph)
    because = f": {told(evidence)}" if evidence else ""
    return Kept(
        Finding(
            key=f"Classification/{claim.label}",
            kind="Classification",
            severity=severity_of(evidence),
            statement=f"{claim.label}{because}",
            node_ids=tuple(dict.fromkeys(item.node for item in evidence)),
            evidence_ids=tuple(item.id for item in evidence),
            confidence=claim.confidence,
            comment=comment_of(claim),
        ),
        label=claim.label,
    )


CLASSIFICATION: Final[Task[SaidLabel]] = Task(
    system=(
        "You classify situations. You get a graph of entities with their measurements in one time window, evidence that"
        " code has found, and labels.\n"
        'Answer with JSON only: {"assessment": "found" | "normal" | "unsure", "findings": [{"label": ..., "evidence":'
        ' [...], "confidence": "Low" | "Medium" | "High", "comment": ...}]}.\n'
        "Give one finding: the label that fits the whole window best, and the ids of the evidence that speaks for it."
        " Use only labels and ids that are given. If you cannot tell, say unsure and leave findings empty."
    ),
    said=Said[SaidLabel],
    claim_schema=_claim_schema,
    problem=_problem,
    kept=_kept,
    overlooked=nothing_overlooked,
)
