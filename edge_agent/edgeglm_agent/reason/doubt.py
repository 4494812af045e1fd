"""Whether the answer of the site's engine will do, and which of two answers is kept. Pure."""

from collections.abc import Mapping
from typing import Final

from edgeglm_agent.reason.request import Request
from edgeglm_api.answer import Answer, AnswerStatus, Doubt

_WORTH: Final[Mapping[AnswerStatus, int]] = {"Ok": 2, "Normal": 2, "Abstained": 1, "Invalid": 0, "Expired": 0}


def doubt(answer: Answer, request: Request) -> Doubt | None:
    """Return why an answer will not do; None when it will.

    The detectors see less than a model and do not err: a model that finds nothing where they do, or that passes over an
    entity of which a limit was passed, disagrees with them.
    """
    if answer.status == "Invalid":
        return "Invalid"
    if answer.status == "Abstained":
        return "Unsure"
    evidence = request.subject.evidence
    named = {node for finding in answer.findings for node in finding.node_ids}
    broken = {item.node for item in evidence if item.kind == "Limit"} if request.question.task == "Anomaly" else set()
    if (answer.status == "Normal" and evidence) or broken - named:
        return "Disagrees"
    return None


def better(first: Answer, second: Answer) -> Answer:
    """Return the second answer unless it is worth less than the first."""
    return second if _WORTH[second.status] >= _WORTH[first.status] else first
