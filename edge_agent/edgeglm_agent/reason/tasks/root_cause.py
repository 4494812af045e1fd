"""RootCause: which entity's trouble made another's.

Both have evidence, a directed path leads from the cause to the symptom, and the cause's trouble began no later. An
onset that is not known (a z-score speaks of a whole window) refutes nothing and proves nothing: such a claim stands
with Low confidence.
"""

from collections.abc import Iterator
from typing import Final

from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.model import Edge, EntityGraph
from edgeglm_agent.graph.shape import groups_of
from edgeglm_agent.moment import rfc3339
from edgeglm_agent.reason.citation import about, cited, comment_of, onset_of, severity_of, told, without_own_evidence
from edgeglm_agent.reason.path import shortest_path
from edgeglm_agent.reason.said import Claim, Id, Said
from edgeglm_agent.reason.schema import Schema, claim_schema, one_of, some_of
from edgeglm_agent.reason.task import Kept, Task, nothing_overlooked
from edgeglm_agent.untrusted import spelled
from edgeglm_api.answer import Finding
from edgeglm_api.sensor_graph import Question

_MOST_EVIDENCE: Final = 6


class SaidCause(Claim, frozen=True):
    """One node's trouble is the cause of another's."""

    cause: Id
    symptom: Id

    @property
    def named(self) -> tuple[str, ...]:
        """The nodes that it names."""
        return self.cause, self.symptom


def _claim_schema(graph: EntityGraph, _question: Question) -> Schema | None:
    nodes = sorted(graph.anomalous)
    if len(nodes) < 2:
        return None
    evidence = some_of((item.id for item in graph.evidence), least=2, most=_MOST_EVIDENCE)
    return claim_schema(evidence, cause=one_of(nodes), symptom=one_of(nodes))


def _problem(claim: SaidCause, graph: EntityGraph, _question: Question) -> str:
    if claim.cause == claim.symptom:
        return f"{spelled(claim.cause)} cannot be its own cause"
    for node in claim.named:
        if problem := without_own_evidence(node, claim, graph):
            return problem
    if not shortest_path(graph, claim.cause, claim.symptom):
        return f"no relations lead from {spelled(claim.cause)} to {spelled(claim.symptom)}"
    began, followed = _onsets(claim, cited(claim, graph))
    if began is not None and followed is not None and began > followed:
        cause, symptom = spelled(claim.cause), spelled(claim.symptom)
        return f"{cause} began at {rfc3339(began)}, after {symptom} at {rfc3339(followed)}"
    return ""


def _onsets(claim: SaidCause, evidence: tuple[Evidence, ...]) -> tuple[int | None, int | None]:
    return onset_of(about(claim.cause, evidence)), onset_of(about(claim.symptom, evidence))


def _kept(claim: SaidCause, graph: EntityGraph, _question: Question) -> Kept:
    evidence, path = cited(claim, graph), shortest_path(graph, claim.cause, claim.symptom)
    in_order = None not in _onsets(claim, evidence)
    through = [edge.target for edge in path]
    return Kept(
        Finding(
            key=f"RootCause/{claim.cause}/{claim.symptom}",
            kind="RootCause",
            severity=severity_of(evidence),
            statement=_statement(claim, evidence, path),
            node_ids=tuple(dict.fromkeys([claim.cause, *through, *(item.node for item in evidence)])),
            edge_ids=tuple(edge.id for edge in path),
            evidence_ids=tuple(item.id for item in evidence),
            confidence=claim.confidence if in_order else "Low",
            comment=comment_of(claim),
        )
    )


def _facts(graph: EntityGraph, _question: Question) -> Iterator[str]:
    groups = groups_of(graph.anomalous, graph)
    if len(groups) > 1:
        yield f"No relations connect these: {' | '.join(', '.join(map(spelled, group)) for group in groups)}"


def _statement(claim: SaidCause, evidence: tuple[Evidence, ...], path: tuple[Edge, ...]) -> str:
    chain = spelled(claim.cause) + "".join(f" {edge.type} {spelled(edge.target)}" for edge in path)
    cause, symptom = told(about(claim.cause, evidence)), told(about(claim.symptom, evidence))
    return f"{cause}; by way of {chain}: {symptom}"


ROOT_CAUSE: Final[Task[SaidCause]] = Task(
    system=(
        "You look for causes in a plant. You get a graph of entities with their measurements in one time window, and"
        " evidence that code has found. Trouble travels along relations, from the entity on whose line a relation"
        " stands to the one that it names.\n"
        'Answer with JSON only: {"assessment": "found" | "normal" | "unsure", "findings": [{"cause": ..., "symptom":'
        ' ..., "evidence": [...], "confidence": "Low" | "Medium" | "High", "comment": ...}]}.\n'
        "Each finding names the node where the trouble came from, a node that it made ill, and the ids of evidence of"
        " both. The cause began no later than the symptom, and relations lead from it to the symptom. Use only ids that"
        " are given. If there is no such pair, or you cannot tell, leave findings empty."
    ),
    said=Said[SaidCause],
    claim_schema=_claim_schema,
    problem=_problem,
    kept=_kept,
    overlooked=nothing_overlooked,
    facts=_facts,
)
