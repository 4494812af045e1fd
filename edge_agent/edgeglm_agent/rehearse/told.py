"""What a replay came to: its figures, and what it would have asked about."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from edgeglm_agent.findings.book import FINDINGS
from edgeglm_agent.graph.evidence import signature
from edgeglm_agent.graph.sentence import sentence
from edgeglm_agent.moment import rfc3339
from edgeglm_agent.pipeline import books as entries
from edgeglm_agent.pipeline.books import imbalance, total
from edgeglm_agent.reason.request import Request
from edgeglm_agent.rehearse.replay import Replay
from edgeglm_agent.spool.checkpoints import Book, load_books

Window = tuple[str, int, int]
"""Partition, start, end."""


class Told(msgspec.Struct, frozen=True):
    """The outcome of one replay."""

    hours: float
    """Of the recording."""
    received: int
    fates: dict[str, int]
    """What became of the messages, by what the books call it."""
    pending: int
    balanced: bool
    windows: dict[str, int]
    """Closed windows by verdict: ask, quiet, tell."""
    asked: dict[Window, dict[str, str]]
    """The windows that asked, each with its evidence: what it is about, and in words."""
    requests: int
    """Of one window there may be several, one for each revision."""
    merged: int
    rebuffed: int
    answers: dict[str, int]
    """By status."""
    findings: dict[str, int]
    """What became of them: opened, cleared; held are the answers in which none was new."""
    prompt_tokens: int
    completion_tokens: int
    request_ids: str
    """A digest over all request ids in order: equal on each run of the same rules."""


def told(replay: Replay, hours: float) -> Told:
    """Sum a replay up."""
    fold = replay.pipeline.fold
    fold.settle()
    counts, pending = fold.books.all(), fold.pending()
    db, uses = replay.ledger.db, replay.uses
    return Told(
        hours=hours,
        received=total(counts, [entries.RECEIVED]),
        fates=_fates(counts),
        pending=sum(pending.values()),
        balanced=not imbalance(counts, pending),
        windows=_by_prefix(counts, "windows."),
        asked={_window(each): _evidence(each) for each in replay.requests},
        requests=len(replay.requests),
        merged=replay.merged,
        rebuffed=replay.rebuffed,
        answers=_by_prefix(load_books(db, "answers."), "answers."),
        findings=_by_prefix(load_books(db, FINDINGS), FINDINGS),
        prompt_tokens=sum(use.prompt_tokens for use in uses),
        completion_tokens=sum(use.completion_tokens for use in uses),
        request_ids=hashlib.sha256("\n".join(each.id for each in replay.requests).encode()).hexdigest(),
    )


def figures(told: Told, *, estimated: bool) -> Iterator[tuple[str, str]]:
    """Yield what people want to know, line by line."""
    hours = max(told.hours, 1e-9)
    about = "about " if estimated else ""
    yield "recording", f"{told.hours:.2f} h, {told.received} messages"
    yield "messages", _list(told.fates | ({"pending": told.pending} if told.pending else {}))
    yield "books", "balanced" if told.balanced else "DO NOT BALANCE; please report this"
    yield "windows", _list(told.windows)
    yield "requests", f"{told.requests}, {told.requests / hours:.1f} an hour"
    yield "merged", f"{told.merged} windows were told with a later one"
    if told.rebuffed:
        yield "rebuffed", f"{told.rebuffed} times nobody could be asked"
    yield "answers", _list(told.answers)
    yield "findings", _list({name: n for name, n in told.findings.items() if name != "held"})
    yield (
        "published",
        f"{sum(told.answers.values()) - told.findings.get('held', 0)} answers; in the others nothing was new",
    )
    yield (
        "tokens",
        (
            f"{about}{told.prompt_tokens} in, {told.completion_tokens} out;"
            f" {about}{(told.prompt_tokens + told.completion_tokens) / hours:.0f} an hour"
        ),
    )
    yield "request ids", told.request_ids


def difference(old: Told, new: Told) -> Iterator[str]:
    """Yield what other rules would have asked about, window by window."""
    for window in sorted(old.asked.keys() | new.asked.keys(), key=lambda each: (each[1], each)):
        before, after = old.asked.get(window), new.asked.get(window)
        if before is None or after is None:
            yield _marked("+" if before is None else "-", window, (after or before or {}).values())
            continue
        for mark, these, those in (("-", before, after), ("+", after, before)):
            if only := [these[what] for what in these if what not in those]:
                yield _marked(mark, window, only)


def _marked(mark: str, window: Window, evidence: Iterable[str]) -> str:
    partition, start, end = window
    return f"{mark} {rfc3339(start)} to {rfc3339(end)} {partition}: {'; '.join(evidence) or 'every window asks'}"


def _window(request: Request) -> Window:
    return request.partition, request.start_ns, request.end_ns


def _evidence(request: Request) -> dict[str, str]:
    """Numbers may differ between two sets of rules; what is wrong with whom is what counts."""
    return {signature((item,)): sentence(item) for item in request.subject.evidence}


def _fates(counts: Mapping[Book, int]) -> dict[str, int]:
    fates: Counter[str] = Counter()
    for (_graph, source, entry), n in sorted(counts.items()):
        if entry not in {entries.RECEIVED, entries.LOST} and not entry.startswith(("windows.", "dead_letters.")):
            fates[entry if source else f"{entry} (no source)"] += n
    return dict(fates)


def _by_prefix(counts: Mapping[Book, int], prefix: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for (_graph, _source, entry), n in sorted(counts.items()):
        if entry.startswith(prefix):
            found[entry.removeprefix(prefix)] += n
    return dict(found)


def _list(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in numbers.items()) or "none"
