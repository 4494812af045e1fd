"""Custom: what the graph's instructions ask.

Each claim names nodes, cites evidence about one of them at least, and has one of the labels where there are any.
"""

from typing import Annotated, Final

import msgspec

from edgeglm_agent.graph.model import EntityGraph
from edgeglm_agent.reason.citation import about, cited, comment_of, severity_of, told
from edgeglm_agent.reason.said import Claim, Id, Said
from edgeglm_agent.reason.schema import Schema, claim_schema, one_of, some_of
from edgeglm_agent.reason.task import Kept, Task, nothing_overlooked
from edgeglm_agent.untrusted import spelled
from edgeglm_api.answer import Finding
from edgeglm_api.sensor_graph import Question

_MOST_NODES: Final = 4
_MOST_EVIDENCE: Final = 6


class SaidCustom(Claim, frozen=True):
    """Something about some nodes."""

    nodes: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=_MOST_NODES)]
    label: Id = ""

    @property
    def named(self) -> tuple[str, ...]:
        """The nodes that it names."""
        return self.nodes


def _claim_schema(graph: EntityGraph, question: Question) -> Schema | None:
    if not graph.evidence:
        return None
    nodes = some_of((node.id for node in graph.nodes), least=1, most=_MOST_NODES)
    evidence = some_of((item.id for item in graph.evidence), least=1, most=_MOST_EVIDENCE)
    label = {"label": one_of(question.labels)} if question.labels else {}
    return claim_schema(evidence, nodes=nodes, **label)


def _problem(claim: SaidCustom, graph: EntityGraph, question: Question) -> str:
    if claim.label not in (question.labels or {""}):
        return f"{spelled(claim.label)} is none of the labels {', '.join(question.labels) or '(there are none)'}"
    evidence = cited(claim, graph)
    if not any(about(node, evidence) for node in claim.nodes):
        return f"none of {', '.join(claim.evidence) or 'no evidence'} is about {', '.join(map(spelled, claim.nodes))}"
    return ""


def _kept(claim: SaidCustom, graph: EntityGraph, _question: Question) -> Kept:
    evidence, nodes = cited(claim, graph), tuple(dict.fromkeys(claim.nodes))
    name = f"{claim.label}: " if claim.label else ""
    return Kept(
        Finding(
            key="/".join(["Custom", *([claim.label] if claim.label else []), "+".join(sorted(nodes))]),
            kind="Custom",
            severity=severity_of(evidence),
            statement=f"{name}{', '.join(map(spelled, nodes))}: {told(evidence)}",
            node_ids=tuple(dict.fromkeys([*nodes, *(item.node for item in evidence)])),
            evidence_ids=tuple(item.id for item in evidence),
            confidence=claim.confidence,
            comment=comment_of(claim),
        ),
        label=claim.label,
    )


CUSTOM: Final[Task[SaidCustom]] = Task(
    system=(
        "You get a question, a graph of entities with their measurements in one time window, and evidence that code has"
        " found.\n"
        'Answer with JSON only: {"assessment": "found" | "normal" | "unsure", "findings": [{"nodes": [...], "label":'
        ' ..., "evidence": [...], "confidence": "Low" | "Medium" | "High", "comment": ...}]}.\n'
        "Each finding answers the question for some nodes: their ids, one of the labels if labels are given (else"
        " leave label out), the ids of evidence about them, and a short comment. Use only ids that are given. If the"
        " question has no such answer, or you cannot tell, leave findings empty."
    ),
    said=Said[SaidCustom],
    claim_schema=_claim_schema,
    problem=_problem,
    kept=_kept,
    overlooked=nothing_overlooked,
)
