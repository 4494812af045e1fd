"""Anomaly: which entities behave abnormally. Each claim cites evidence that is about the node that it names."""

from typing import Final

from edgeglm_agent.graph.model import EntityGraph
from edgeglm_agent.reason.citation import about, cited, comment_of, severity_of, told, without_own_evidence
from edgeglm_agent.reason.said import Claim, Id, Said
from edgeglm_agent.reason.schema import Schema, claim_schema, one_of, some_of
from edgeglm_agent.reason.task import Kept, Task
from edgeglm_api.answer import Finding
from edgeglm_api.sensor_graph import Question

_MOST_EVIDENCE: Final = 3


class SaidAnomaly(Claim, frozen=True):
    """One node is not as it should be."""

    node: Id

    @property
    def named(self) -> tuple[str, ...]:
        """The nodes that it names."""
        return (self.node,)


def _claim_schema(graph: EntityGraph, _question: Question) -> Schema | None:
    if not graph.evidence:
        return None
    evidence = some_of((item.id for item in graph.evidence), least=1, most=_MOST_EVIDENCE)
    return claim_schema(evidence, node=one_of(sorted(graph.anomalous)))


def _problem(claim: SaidAnomaly, graph: EntityGraph, _question: Question) -> str:
    return without_own_evidence(claim.node, claim, graph)


def _kept(claim: SaidAnomaly, graph: EntityGraph, _question: Question) -> Kept:
    evidence = cited(claim, graph)
    properties = sorted({item.property for item in about(claim.node, evidence)})
    return Kept(
        Finding(
            key=f"Anomaly/{claim.node}/{'+'.join(properties)}",
            kind="Anomaly",
            severity=severity_of(evidence),
            statement=told(evidence),
            node_ids=tuple(dict.fromkeys([claim.node, *(item.node for item in evidence)])),
            evidence_ids=tuple(item.id for item in evidence),
            confidence=claim.confidence,
            comment=comment_of(claim),
        )
    )


def _overlooked(graph: EntityGraph) -> str:
    limits = [item.id for item in graph.evidence if item.kind == "Limit"]
    return f"limits are passed: {', '.join(limits)}" if limits else ""


ANOMALY: Final[Task[SaidAnomaly]] = Task(
    system=(
        "You watch machines. You get a graph of entities with their measurements in one time window, and evidence"
        " that code has found.\n"
        'Answer with JSON only: {"assessment": "anomaly" | "normal" | "unsure", "findings":'
        ' [{"node": ..., "evidence": [...], "confidence": "Low" | "Medium" | "High", "comment": ...}]}.\n'
        "Each finding names the node that is wrong, the ids of the evidence it rests on, your confidence, and a short"
        " comment on the likely cause. Use only ids that are given. Report every node that has evidence, once. If"
        " nothing is wrong, or you cannot tell, leave findings empty."
    ),
    said=Said[SaidAnomaly],
    found="anomaly",
    claim_schema=_claim_schema,
    problem=_problem,
    kept=_kept,
    overlooked=_overlooked,
)
