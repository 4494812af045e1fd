"""All that could be claimed of a request: each pair of nodes, each relation, in the words of the answer's schema.

The players choose from these; what of them stands the production check decides.
"""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from bench.evaluation.cases import Case, Claim
from edgeglm_agent.reason.check import Checked, check
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.said import read_said
from edgeglm_agent.reason.tasks import TASKS
from edgeglm_api.answer import Answer, Finding

MOST_CITED: Final = 3
"""Of an anomaly, by its schema."""


def possible(request: Request) -> list[Claim]:
    """Return all claims that a request's schema allows, evidence aside."""
    graph, question = request.subject, request.question
    nodes = [node.id for node in graph.nodes]
    troubled = list(dict.fromkeys(item.node for item in graph.evidence))
    if question.task == "LinkCompletion":
        types = [allowed.type for allowed in question.relation_types]
        return [(source, kind, target) for source, kind, target in product(nodes, types, nodes)]
    if question.task == "RootCause":
        return list(product(troubled, troubled)) if len(troubled) > 1 else []
    return [(node,) for node in troubled]


def standing(request: Request) -> list[Claim]:
    """Return those that pass the check."""
    return [claim for claim in possible(request) if checked(request, [claim]).findings]


def checked(request: Request, claims: list[Claim]) -> Checked:
    """Return what the check of production leaves of some claims."""
    task = TASKS[request.question.task]
    return check(task, read_said(text_of(request, claims), task.said), request.subject, request.question)


def text_of(request: Request, claims: list[Claim]) -> str:
    """Return an answer that claims these, as a model would write it; without any, that all is normal."""
    findings = [_finding(request, claim) for claim in claims]
    assessment = TASKS[request.question.task].found if findings else "normal"
    return json.dumps({"assessment": assessment, "findings": findings})


def claims_of(answer: Answer) -> list[Claim]:
    """Return what an answer claims, in its order."""
    if answer.inferred_edges:
        return [(edge.source, edge.type, edge.target) for edge in answer.inferred_edges]
    return [_claim(finding) for finding in answer.findings]


def truths(case: Case) -> list[Claim]:
    """Return what is true, in the order in which it could be claimed."""
    return [claim for claim in possible(case.request) if claim in case.truth]


def _claim(finding: Finding) -> Claim:
    """A cause's nodes begin with the path to its symptom (reason/tasks/root_cause.py)."""
    if finding.kind == "RootCause":
        return finding.node_ids[0], finding.node_ids[len(finding.edge_ids)]
    return (finding.node_ids[0],)


def _finding(request: Request, claim: Claim) -> dict[str, Any]:
    named = dict(zip(_FIELDS[request.question.task], claim, strict=True))
    return {**named, "evidence": list(_cited(request, claim)), "confidence": "High", "comment": ""}


_FIELDS: Final = {
    "Anomaly": ("node",),
    "RootCause": ("cause", "symptom"),
    "LinkCompletion": ("source", "type", "target"),
}


def _cited(request: Request, claim: Claim) -> Iterator[str]:
    """Cite what is about the node; of a cause what came first, and of its symptom what came last."""
    by_onset = sorted(request.subject.evidence, key=lambda item: item.onset_ns)
    if request.question.task == "RootCause":
        cause, symptom = claim
        yield next(item.id for item in by_onset if item.node == cause)
        yield next(item.id for item in reversed(by_onset) if item.node == symptom)
    elif request.question.task == "Anomaly":
        yield from [item.id for item in request.subject.evidence if item.node in claim][:MOST_CITED]
