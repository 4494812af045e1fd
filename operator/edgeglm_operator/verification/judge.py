"""What the answers to parallel requests mean: pure, for the program that asked and for the status alike."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median
from typing import Final

from edgeglm_api.verification import ReplicaReport, Report
from edgeglm_operator.reconcile.status.verdict import State, Verdict

VERIFIED: Final = "Verified"
SAID_LIMIT: Final = 120
"""Characters kept of what an engine said; a report must stay small."""


class Ending(Enum):
    """How a request can end; the values are the fields that count them."""

    ANSWERED = "answered"
    EMPTY = "empty"
    FAILED = "failed"
    LATE = "late"
    BUSY = "busy"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request's end."""

    ending: Ending
    milliseconds: int = 0
    said: str = ""


def tally(url: str, outcomes: Sequence[Outcome]) -> ReplicaReport:
    """One replica's requests, counted."""
    counts = Counter(outcome.ending.value for outcome in outcomes)
    took = [outcome.milliseconds for outcome in outcomes if outcome.ending is Ending.ANSWERED]
    return ReplicaReport(
        url=url,
        median_milliseconds=round(median(took)) if took else 0,
        slowest_milliseconds=max(took, default=0),
        **counts,
    )


def first_words(outcomes: Sequence[Outcome]) -> str:
    """What the first of those said that went wrong, in one line."""
    said = next((outcome.said for outcome in outcomes if outcome.said), "")
    return "".join(letter for letter in " ".join(said.split()) if letter.isprintable())[:SAID_LIMIT]


def judge(report: Report) -> Verdict:
    """What a person must look at comes before what may pass."""
    for told in _TOLD:
        hit = [replica for replica in report.replicas if getattr(replica, told.ending.value)]
        if hit:
            return Verdict(told.state, told.reason, _sentence(report, told, hit))
    return Verdict(State.SERVING, VERIFIED, _well(report))


@dataclass(frozen=True, slots=True)
class _Told:
    """How one way to end is told."""

    ending: Ending
    state: State
    reason: str
    what: Callable[[Report], str]
    cure: str


_TOLD: Final = (
    _Told(
        Ending.EMPTY,
        State.FAILED,
        "EmptyAnswers",
        lambda _: "came back empty, with status 200 and no text",
        "try another engine.image, engine.chatTemplate or engine.reasoningParser, or engine.maxNumSeqs: 1 until then",
    ),
    _Told(
        Ending.FAILED,
        State.FAILED,
        "FailedAnswers",
        lambda report: f"failed ({report.said})",
        "see the engine's log, and correct its settings",
    ),
    _Told(
        Ending.LATE,
        State.FAILED,
        "LateAnswers",
        lambda report: f"had no answer of a few words within {report.timeout_seconds} s",
        "see the engine's log, or verify with fewer at once (spec.verification.concurrency)",
    ),
    _Told(
        Ending.BUSY,
        State.PROGRESSING,
        "EngineBusy",
        lambda report: f"were turned away for now ({report.said})",
        "other clients keep it busy; raise engine.scheduling.maxQueuedRequests, or wait",
    ),
    _Told(
        Ending.UNREACHABLE,
        State.PROGRESSING,
        "EngineUnreachable",
        lambda report: f"got no connection, or lost it ({report.said})",
        "see whether a NetworkPolicy keeps pods of its own namespace from the engine",
    ),
)


def _sentence(report: Report, told: _Told, hit: Sequence[ReplicaReport]) -> str:
    worst = max(hit, key=lambda replica: int(getattr(replica, told.ending.value)))
    count = getattr(worst, told.ending.value)
    where = f"at {worst.url}"
    if len(report.replicas) > 1:
        where = f"at {len(hit)} of {len(report.replicas)} replicas, {worst.url} the worst"
    return f"{count} of {report.concurrency} parallel requests {told.what(report)}, {where}; {told.cure}"


def _well(report: Report) -> str:
    slowest = max(replica.slowest_milliseconds for replica in report.replicas)
    middle = median(replica.median_milliseconds for replica in report.replicas)
    each = "each of the " if len(report.replicas) > 1 else "the "
    count = f"{len(report.replicas)} replicas" if len(report.replicas) > 1 else "replica"
    return (
        f"{each}{count} answered {report.concurrency} parallel requests;"
        f" half of them within {middle / 1000:.1f} s, all within {slowest / 1000:.1f} s"
    )
