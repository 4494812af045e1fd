"""From answers to figures, task by task. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from bench.evaluation.cases import Case
from bench.evaluation.claims import claims_of
from edgeglm_api.answer import Answer

Answered = tuple[Case, Answer | None]


@dataclass(frozen=True, slots=True)
class Score:
    """How the cases of one task were answered. Shares are of the cases, unless something else is said."""

    cases: int
    to_find: int
    """Those in which something is true; in the others nothing is wrong."""
    precision: float
    """Of all claims, those that are true; 1 where nothing was claimed."""
    recall: float
    """Of all that is true, what was claimed."""
    f1: float
    exact: float
    """Just what is true was claimed, which may be nothing."""
    first: float
    """Of those to find, whose first claim is true: the accuracy of a cause, hits@1 of a link."""
    among: float
    """The same of all claims, which are three at most: hits@3."""
    abstained: float
    invalid: float
    """No answer that can be read or that stands, after one repair; or nobody answered."""
    repaired: float
    prompt_tokens: float
    """Of one answer, with its repair, on average."""
    completion_tokens: float
    seconds_p50: float
    seconds_p95: float


def scores(cases: Sequence[Case], answers: Sequence[Answer | None]) -> dict[str, Score]:
    """Return the score of each task."""
    answered = list(zip(cases, answers, strict=True))
    return {task: _score([each for each in answered if each[0].task == task]) for task in _tasks(cases)}


def as_figures(scored: Mapping[str, Score]) -> dict[str, Any]:
    """Return the same for a line of JSON."""
    return {task: {name: round(value, 4) for name, value in asdict(score).items()} for task, score in scored.items()}


def _tasks(cases: Iterable[Case]) -> list[str]:
    return list(dict.fromkeys(case.task for case in cases))


def _score(answered: list[Answered]) -> Score:
    claimed = [(set(_claims(answer)), case.truth) for case, answer in answered]
    right = sum(len(said & truth) for said, truth in claimed)
    said_in_all, true_in_all = sum(len(said) for said, _ in claimed), sum(len(truth) for _, truth in claimed)
    precision = right / said_in_all if said_in_all else 1.0
    recall = right / true_in_all if true_in_all else 1.0
    with_truth = [(case, _claims(answer)) for case, answer in answered if case.truth]
    uses = [answer.model for _, answer in answered if answer is not None and answer.model is not None]
    seconds = sorted(use.latency_ms / 1000 for use in uses) or [0.0]
    return Score(
        cases=len(answered),
        to_find=len(with_truth),
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        exact=_share(
            said == truth and _usable(answer) for (said, truth), (_, answer) in zip(claimed, answered, strict=True)
        ),
        first=_share(bool(said) and said[0] in case.truth for case, said in with_truth),
        among=_share(bool(case.truth.intersection(said)) for case, said in with_truth),
        abstained=_share(answer is not None and answer.status == "Abstained" for _, answer in answered),
        invalid=_share(not _usable(answer) for _, answer in answered),
        repaired=_share(bool(answer and answer.validation and answer.validation.repaired) for _, answer in answered),
        prompt_tokens=mean([use.prompt_tokens for use in uses] or [0]),
        completion_tokens=mean([use.completion_tokens for use in uses] or [0]),
        seconds_p50=seconds[len(seconds) // 2],
        seconds_p95=seconds[min(int(len(seconds) * 0.95), len(seconds) - 1)],
    )


def _claims(answer: Answer | None) -> list[tuple[str, ...]]:
    return claims_of(answer) if answer is not None else []


def _usable(answer: Answer | None) -> bool:
    return answer is not None and answer.status != "Invalid"


def _share(which: Iterable[bool]) -> float:
    each = list(which)
    return sum(each) / len(each) if each else 1.0
