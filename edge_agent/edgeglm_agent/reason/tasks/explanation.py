"""Explanation: what happened, as a chain of evidence. The chain does not run against time."""

from itertools import pairwise
from typing import Final

from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.model import EntityGraph
from edgeglm_agent.graph.sentence import sentence
from edgeglm_agent.reason.citation import comment_of, severity_of
from edgeglm_agent.reason.said import MAX_EVIDENCE, Claim, Said
from edgeglm_agent.reason.schema import Schema, claim_schema, some_of
from edgeglm_agent.reason.task import Kept, Task, nothing_overlooked
from edgeglm_api.answer import Finding
from edgeglm_api.sensor_graph import Question


class SaidExplanation(Claim, frozen=True):
    """Evidence in the order in which it explains itself."""

    @property
    def named(self) -> tuple[str, ...]:
        """The nodes that it names."""
        return ()


def _claim_schema(graph: EntityGraph, _question: Question) -> Schema | None:
    if not graph.evidence:
        return None
    return claim_schema(some_of((item.id for item in graph.evidence), least=1, most=MAX_EVIDENCE))


def _problem(claim: SaidExplanation, graph: EntityGraph, _question: Question) -> str:
    if not claim.evidence:
        return "an explanation cites no evidence"
    known = [item for item in _chain(claim, graph) if item.onset_ns]
    for earlier, later in pairwise(known):
        if earlier.onset_ns > later.onset_ns:
            return f"{earlier.id} began after {later.id}, which it is said to lead to"
    return ""


def _chain(claim: SaidExplanation, graph: EntityGraph) -> tuple[Evidence, ...]:
    by_id = {item.id: item for item in graph.evidence}
    return tuple(by_id[each] for each in dict.fromkeys(claim.evidence))


def _kept(claim: SaidExplanation, graph: EntityGraph, _question: Question) -> Kept:
    chain = _chain(claim, graph)
    nodes = tuple(dict.fromkeys(item.node for item in chain))
    return Kept(
        Finding(
            key=f"Explanation/{'+'.join(sorted(nodes))}",
            kind="Explanation",
            severity=severity_of(chain),
            statement="; then ".join(sentence(item) for item in chain),
            node_ids=nodes,
            evidence_ids=tuple(item.id for item in chain),
            confidence=claim.confidence,
            comment=comment_of(claim),
        )
    )


EXPLANATION: Final[Task[SaidExplanation]] = Task(
    system=(
        "You explain what happened. You get a graph of entities with their measurements in one time window, and"
        " evidence that code has found.\n"
        'Answer with JSON only: {"assessment": "found" | "normal" | "unsure", "findings": [{"evidence": [...],'
        ' "confidence": "Low" | "Medium" | "High", "comment": ...}]}.\n'
        "Each finding is one chain of events: the ids of its evidence in the order in which one led to the other, and"
        " a short comment on what ties them together. What began later stands later. Use only ids that are given. If"
        " nothing happened, or you cannot tell, leave findings empty."
    ),
    said=Said[SaidExplanation],
    claim_schema=_claim_schema,
    problem=_problem,
    kept=_kept,
    overlooked=nothing_overlooked,
)
