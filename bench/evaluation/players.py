"""Who may answer in a model's place: one who knows, one who guesses, one who lies, and one who has only the detectors.

They are asked as an engine is, with the body of a request, and find the case by its prompt.
"""

import random
from collections.abc import Callable, Iterable
from typing import Any, Final

from bench.evaluation.cases import Case, Claim
from bench.evaluation.claims import possible, standing, text_of, truths
from edgeglm_agent.graph.encode import Detail
from edgeglm_agent.reason.client import Reply
from edgeglm_agent.reason.prompt import question
from edgeglm_agent.reason.said import MAX_FINDINGS
from edgeglm_api.bundle import Endpoint

Play = Callable[[Case], list[Claim]]
"""From a case to what is claimed of it."""


class Player:
    """Answers in place of an engine's client."""

    def __init__(self, cases: Iterable[Case], play: Play) -> None:
        self._cases = {question(case.request, Detail.FULL)[1]["content"]: case for case in cases}
        self._play = play

    async def complete(self, _endpoint: Endpoint, body: dict[str, Any], _timeout_seconds: float) -> Reply:
        """Answer a question; the second attempt as well as the first."""
        case = self._cases[body["messages"][1]["content"]]
        return Reply(text=text_of(case.request, self._play(case)[:MAX_FINDINGS]), cut_off=False)


def oracle(case: Case) -> list[Claim]:
    """Claim what is true."""
    return truths(case)


def liar(case: Case) -> list[Claim]:
    """Claim what stands in the check and is not true; deny all where nothing else is left."""
    return [claim for claim in standing(case.request) if claim not in case.truth]


def guesser(seed: int) -> Play:
    """Claim one thing of all that the schema allows, each as likely."""
    dice = random.Random(seed)  # noqa: S311 - no secrets

    def guess(case: Case) -> list[Claim]:
        claims = possible(case.request)
        return [dice.choice(claims)] if claims else []

    return guess


def detectors(case: Case) -> list[Claim]:
    """Claim what code knows without a model: all that has evidence, the first cause that stands, the commonest link."""
    return _WITHOUT_A_MODEL[case.task](case)


def _everything(case: Case) -> list[Claim]:
    return possible(case.request)


def _first_that_stands(case: Case) -> list[Claim]:
    return standing(case.request)[:1]


def _likeliest_link(case: Case) -> list[Claim]:
    """Claim, for who lacks the relation, the one that is related to most of what is two steps away."""
    edges, kind = case.request.subject.edges, case.request.question.relation_types[0].type
    near: dict[str, set[str]] = {node.id: set() for node in case.request.subject.nodes}
    for edge in edges:
        near[edge.source].add(edge.target)
        near[edge.target].add(edge.source)
    linked = {edge.source for edge in edges if edge.type == kind}
    lacking = [claim for claim in standing(case.request) if claim[0] not in linked]

    def shared(claim: Claim) -> int:
        source, _kind, target = claim
        return len(near[target] & set[str]().union(*(near[each] for each in near[source])))

    return [max(lacking, key=shared)] if lacking else []


_WITHOUT_A_MODEL: Final[dict[str, Play]] = {
    "Anomaly": _everything,
    "RootCause": _first_that_stands,
    "LinkCompletion": _likeliest_link,
}
