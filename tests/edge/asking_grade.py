"""What an asker is worth: its engine's log, held against what it was brought and what it has told. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from edgeglm_api.sensor_graph import Priority
from tests.edge.slot_engine import Asked


class Waits(msgspec.Struct, frozen=True, rename="camel"):
    """From the end of a window to its answer, in seconds."""

    answered: int
    p50: float
    p99: float
    longest: float


class Grade(msgspec.Struct, frozen=True, rename="camel"):
    """Of one run."""

    requests: int
    answered: int
    """That the engine has answered."""
    success: float
    """Their share."""
    expired: int
    """That were told as expired, and never answered by the engine."""
    lost: int
    """Of which nothing was told."""
    untrue: int
    """That were told otherwise than the engine knows it."""
    told_twice: int
    asked_again: int
    """Answers of the engine beyond the first to a request."""
    attempts: dict[str, int]
    """By what came of them."""
    wasted: float
    """The share of the engine's tokens that no answer was made of."""
    wasted_by_faults: float
    """What of it went to resets, stalls, errors and garbage: no asker can save that."""
    waits: dict[str, Waits]
    """By priority."""


def grade(brought: Mapping[str, Priority], asked: Sequence[Asked], told: Iterable[tuple[str, str]]) -> Grade:
    """Grade a run by its requests, the engine's log, and the statuses that were told of each."""
    first = _first_answers(asked)
    words = defaultdict(list)
    for name, status in told:
        words[name].append(status)
    tokens = Counter[str]()
    for each in asked:
        tokens["useful" if first.get(each.id) is each else each.outcome] += each.tokens
    made = max(tokens.total(), 1)
    answers = [each for each in asked if each.outcome == "answered"]
    return Grade(
        requests=len(brought),
        answered=len(first),
        success=round(len(first) / len(brought), 4),
        expired=sum(words[name] == ["Expired"] and name not in first for name in brought),
        lost=sum(not words[name] for name in brought),
        untrue=sum(("Expired" in statuses) == (name in first) for name, statuses in words.items() if statuses),
        told_twice=sum(len(statuses) > 1 for statuses in words.values()),
        asked_again=len(answers) - len(first),
        attempts=dict(Counter(each.outcome for each in asked).most_common()),
        wasted=round(1 - tokens["useful"] / made, 4),
        wasted_by_faults=round(sum(tokens[each] for each in ("reset", "stall", "error", "garbage")) / made, 4),
        waits={name: _waits(brought, first, name) for name in sorted(set(brought.values()))},
    )


def _first_answers(asked: Iterable[Asked]) -> dict[str, Asked]:
    first: dict[str, Asked] = {}
    for each in asked:
        if each.outcome == "answered":
            first.setdefault(each.id, each)
    return first


def _waits(brought: Mapping[str, Priority], first: Mapping[str, Asked], priority: Priority) -> Waits:
    seconds = sorted(each.ended - each.window_end for name, each in first.items() if brought[name] == priority)
    return Waits(
        answered=len(seconds), p50=_quantile(seconds, 0.5), p99=_quantile(seconds, 0.99), longest=_quantile(seconds, 1)
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 2) if ordered else 0.0
