"""Windows of a partition take their turns in the order of time, however long an engine takes for one of them.

A window that nobody is asked about is put aside while an older one waits for its answer. Else a finding could be told
as cleared first and as open after that. Runs on the ledger's thread, in the caller's transaction.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from edgeglm_agent.findings.book import Page, open_page
from edgeglm_agent.findings.life import Look, Named, rests_on, series_of
from edgeglm_agent.graph.model import EntityGraph
from edgeglm_agent.reason.outcome import Span, answer_to, to_store
from edgeglm_agent.reason.request import Request
from edgeglm_agent.spool.answers import has_answer, insert_answer
from edgeglm_agent.spool.checkpoints import add_to_book
from edgeglm_agent.spool.quiet_windows import QuietWindow, put_aside, take_before
from edgeglm_agent.spool.requests import mark_answered, newest_waiting, oldest_waiting
from edgeglm_api.answer import Answer

HELD: Final = "findings.held"
"""Answers that were not sent, since nothing in them was new."""
_NOTHING: Final = EntityGraph(nodes=(), edges=(), evidence=())


def closed(db: sqlite3.Connection, quiet: QuietWindow) -> int:
    """Let a window take its turn that nobody is asked about, or put it aside; return how many answers that makes."""
    request = quiet.request
    bare = msgspec.structs.replace(quiet, request=msgspec.structs.replace(request, subject=_NOTHING))
    behind_ns = newest_waiting(db, request.graph_uid, request.partition, before_ns=request.start_ns)
    if behind_ns is None:
        return _pass(db, bare)
    put_aside(db, bare, behind_ns=behind_ns)
    return 0


def answered(db: sqlite3.Connection, request: Request, answer: Answer, spans: Sequence[Span]) -> None:
    """Store the answer to a request and close it; then those take their turns that waited for it."""
    uid, partition = request.graph_uid, request.partition
    _pass_all(db, take_before(db, uid, partition, request.start_ns))
    _tell(db, open_page(db, request, _look(request, answer, spans)), answer)
    mark_answered(db, request.id)
    _pass_all(db, take_before(db, uid, partition, oldest_waiting(db, uid, partition)))


def passed_over(db: sqlite3.Connection, graph: str, partition: str) -> None:
    """Let those take their turns that waited for a request which waits on out of its turn."""
    _pass_all(db, take_before(db, graph, partition, oldest_waiting(db, graph, partition)))


def _pass_all(db: sqlite3.Connection, windows: Sequence[QuietWindow]) -> None:
    for each in windows:
        _pass(db, each)


def _pass(db: sqlite3.Connection, quiet: QuietWindow) -> int:
    """Look at a quiet window, and have code answer for it if there is something to tell."""
    request = quiet.request
    look = Look(
        start_ns=quiet.since_ns,
        end_ns=request.end_ns,
        windows=quiet.windows,
        evidence=quiet.evidence,
        belated=request.belated,
    )
    page = open_page(db, request, look)
    if quiet.tell or page.has_news:
        return _tell(db, page, answer_to(request, "Normal", [(quiet.since_ns, request.end_ns)]))
    if page.before:
        page.write(db, told=False)
    return 0


def _tell(db: sqlite3.Connection, page: Page, answer: Answer) -> int:
    """Store an answer and what it tells of; the first answer to a request stands."""
    request = page.request
    if has_answer(db, request.id):
        return 0
    news = answer.status != "Ok" or page.has_news or (bool(request.supersedes) and not page.muted)
    told = msgspec.structs.replace(answer, findings=page.findings)
    insert_answer(db, to_store(request, told, news=news))
    add_to_book(db, (request.graph_uid, "", f"answers.{answer.status}"))
    if not news:
        add_to_book(db, (request.graph_uid, "", HELD))
    page.write(db, told=news)
    return int(news)


def _look(request: Request, answer: Answer, spans: Sequence[Span]) -> Look:
    evidence = request.subject.evidence
    return Look(
        start_ns=spans[0][0],
        end_ns=request.end_ns,
        windows=len(spans),
        evidence=series_of(evidence),
        named=tuple(Named(finding, rests_on(finding, evidence)) for finding in answer.findings),
        conclusive=answer.model is not None and answer.status in {"Ok", "Normal"},
        partial=answer.truncated,
        belated=request.belated,
    )
