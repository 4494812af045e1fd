"""The check of what the model said, against the graph that it was asked about. Pure; the last word is the code's.

A claim names only what stands in the graph, and holds by the rules of its task. Severity and statement come from the
evidence; of the model's words only the comment stays, bounded and marked as such by where it stands.
"""

from typing import Literal

import msgspec

from edgeglm_agent.graph.model import EntityGraph
from edgeglm_agent.reason.said import C, Said
from edgeglm_agent.reason.task import Kept, Task
from edgeglm_agent.untrusted import spelled
from edgeglm_api.answer import Finding, InferredEdge
from edgeglm_api.sensor_graph import Question

Verdict = Literal["Ok", "Normal", "Abstained"]


class Checked(msgspec.Struct, frozen=True):
    """What is left after the check."""

    verdict: Verdict = "Abstained"
    findings: tuple[Finding, ...] = ()
    inferred_edges: tuple[InferredEdge, ...] = ()
    labels: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    """Why something was struck out, one sentence each."""
    unknown_ids: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether it can be published as it is: something stands, or nothing was wrong."""
        return bool(self.findings) or not self.refused


def check(task: Task[C], said: Said[C], graph: EntityGraph, question: Question) -> Checked:
    """Keep the claims that hold, and say why others do not."""
    kept: dict[str, Kept] = {}
    refused: list[str] = []
    unknown: list[str] = []
    for claim in said.findings:
        strangers = _strangers(claim, graph)
        unknown += strangers
        if problem := _names(strangers) or task.problem(claim, graph, question):
            refused.append(problem)
            continue
        each = task.kept(claim, graph, question)
        kept.setdefault(each.finding.key, each)
    if not kept:
        refused += _missing(task, said, graph)
    return Checked(
        verdict=_verdict(said, bool(kept)),
        findings=tuple(each.finding for each in kept.values()),
        inferred_edges=tuple(each.edge for each in kept.values() if each.edge),
        labels=tuple(each.label for each in kept.values() if each.label),
        refused=tuple(refused),
        unknown_ids=tuple(dict.fromkeys(unknown)),
    )


def _strangers(claim: C, graph: EntityGraph) -> list[str]:
    nodes = {node.id for node in graph.nodes}
    evidence = {item.id for item in graph.evidence}
    return [
        *(each for each in claim.named if each not in nodes),
        *(each for each in claim.evidence if each not in evidence),
    ]


def _names(strangers: list[str]) -> str:
    return f"{', '.join(map(spelled, strangers))} is not in the graph that was asked about" if strangers else ""


def _missing(task: Task[C], said: Said[C], graph: EntityGraph) -> list[str]:
    if said.assessment == "normal":
        overlooked = task.overlooked(graph)
        return [f"says normal, though {overlooked}"] if overlooked else []
    if said.assessment != "unsure" and not said.findings:
        return [f"says {said.assessment}, but has no finding"]
    return []


def _verdict(said: Said[C], kept: bool) -> Verdict:  # noqa: FBT001 - the one thing that it hangs on
    if kept:
        return "Ok"
    return "Normal" if said.assessment == "normal" else "Abstained"
