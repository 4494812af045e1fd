"""LinkCompletion: which relations are missing. Each is of an allowed type, between allowed types, and not there yet."""

from collections.abc import Iterator
from typing import Final

from edgeglm_agent.graph.model import EntityGraph
from edgeglm_agent.reason.citation import cited, comment_of, severity_of, told
from edgeglm_agent.reason.said import Claim, Id, Said
from edgeglm_agent.reason.schema import Schema, claim_schema, one_of, some_of
from edgeglm_agent.reason.task import Kept, Task, nothing_overlooked
from edgeglm_agent.untrusted import spelled
from edgeglm_api.answer import Finding, InferredEdge
from edgeglm_api.sensor_graph import Question, RelationType

_MOST_EVIDENCE: Final = 3
_MOST_NAMED: Final = 8
"""Of those without a relation: where many are, it is none that one of them lacks."""


class SaidLink(Claim, frozen=True):
    """A relation that should be there."""

    source: Id
    type: Id
    target: Id

    @property
    def named(self) -> tuple[str, ...]:
        """The nodes that it names."""
        return self.source, self.target


def _claim_schema(graph: EntityGraph, question: Question) -> Schema | None:
    nodes = [node.id for node in graph.nodes]
    if len(nodes) < 2 or not question.relation_types:
        return None
    evidence = some_of((item.id for item in graph.evidence), least=0, most=_MOST_EVIDENCE)
    types = one_of(allowed.type for allowed in question.relation_types)
    return claim_schema(evidence, source=one_of(nodes), type=types, target=one_of(nodes))


def _problem(claim: SaidLink, graph: EntityGraph, question: Question) -> str:
    if claim.source == claim.target:
        return f"{spelled(claim.source)} cannot be related to itself"
    types = {node.id: node.type for node in graph.nodes}
    source, target = types[claim.source], types[claim.target]
    if not any(_allows(allowed, claim.type, source, target) for allowed in question.relation_types):
        return f"{spelled(claim.type)} from a {source} to a {target} is none of the relations that may be added"
    if any((edge.source, edge.target, edge.type) == (claim.source, claim.target, claim.type) for edge in graph.edges):
        return f"{_link(claim)} is there already"
    return ""


def _allows(allowed: RelationType, kind: str, source: str, target: str) -> bool:
    return allowed.type == kind and allowed.source in {"", source} and allowed.target in {"", target}


def _facts(graph: EntityGraph, question: Question) -> Iterator[str]:
    """Who lacks a relation that may be added and that most of its type have."""
    types = {node.id: node.type for node in graph.nodes}
    for allowed in question.relation_types:
        having = {
            edge.source for edge in graph.edges if _allows(allowed, edge.type, types[edge.source], types[edge.target])
        }
        for kind in sorted({types[node] for node in having}):
            all_of_it = sorted(node for node in types if types[node] == kind)
            lacking = [node for node in all_of_it if node not in having]
            have = len(all_of_it) - len(lacking)
            if 0 < len(lacking) < have:
                named = ", ".join(map(spelled, lacking[:_MOST_NAMED]))
                yield f"Without {_wanted(allowed)}, which {have} of {len(all_of_it)} {kind} have: {named}"


def _wanted(allowed: RelationType) -> str:
    return f"{allowed.type} to a {allowed.target}" if allowed.target else allowed.type


def _link(claim: SaidLink) -> str:
    return f"{spelled(claim.source)} {claim.type} {spelled(claim.target)}"


def _kept(claim: SaidLink, graph: EntityGraph, _question: Question) -> Kept:
    evidence = cited(claim, graph)
    because = f", as {told(evidence)}" if evidence else ""
    ids = tuple(item.id for item in evidence)
    return Kept(
        Finding(
            key=f"LinkCompletion/{claim.source}/{claim.type}/{claim.target}",
            kind="LinkCompletion",
            severity=severity_of(evidence),
            statement=f"{_link(claim)} may be missing{because}",
            node_ids=tuple(dict.fromkeys([claim.source, claim.target, *(item.node for item in evidence)])),
            evidence_ids=ids,
            confidence=claim.confidence,
            comment=comment_of(claim),
        ),
        edge=InferredEdge(
            source=claim.source,
            target=claim.target,
            type=claim.type,
            evidence_ids=ids,
            confidence=claim.confidence,
        ),
    )


LINK_COMPLETION: Final[Task[SaidLink]] = Task(
    system=(
        "You complete graphs. You get a graph of entities with their relations, and the relations that may be added.\n"
        'Answer with JSON only: {"assessment": "found" | "normal" | "unsure", "findings": [{"source": ..., "type": ...,'
        ' "target": ..., "evidence": [...], "confidence": "Low" | "Medium" | "High", "comment": ...}]}.\n'
        "Each finding is one relation that should be there and is not: from source to target, of one of the given"
        " types. Compare entities of the same type: what most of them have, one may lack. Use only ids that are given."
        " evidence may be empty. If nothing is missing, or you cannot tell, leave findings empty."
    ),
    said=Said[SaidLink],
    claim_schema=_claim_schema,
    problem=_problem,
    kept=_kept,
    overlooked=nothing_overlooked,
    facts=_facts,
)
