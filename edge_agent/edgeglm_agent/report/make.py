"""From the agent's status to a report: sums instead of series, and nothing beyond the report's bounds."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from edgeglm_agent.config.pins import RefusedGraph as Refused
from edgeglm_agent.config.watch import Applied
from edgeglm_agent.health.status import BooksStatus, BrokerStatus, ConfigStatus, EndpointStatus, SpoolStatus, Status
from edgeglm_api.report import (
    API_VERSION,
    MAX_NOTE,
    MAX_REFUSED_GRAPHS,
    MAX_SENTENCE,
    AnswerTotals,
    AppliedBundle,
    BookTotals,
    BrokerCounts,
    EndpointCounts,
    Engine,
    Outage,
    RefusedGraph,
    Report,
    SpoolUse,
)

_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,62}", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
"""A bundle that no operator made may call an endpoint as it likes."""
_VERDICTS: Final = ("Applied", "Rejected")


def make_report(  # noqa: PLR0913 - what a report is made of, all by name
    config: ConfigStatus,
    status: Status | None,
    *,
    version: str,
    boot_id: str,
    sequence: int,
    now_ns: int,
    outage: Outage | None = None,
    engines: tuple[Engine, ...] = (),
) -> Report:
    """The report. Without a status there is no site yet, and it speaks of the configuration alone."""
    return Report(
        api_version=API_VERSION,
        boot_id=boot_id,
        sequence=sequence,
        sent_at_millis=max(0, now_ns // 1_000_000),
        agent_version=_word(version),
        bundle=_bundle(config.bundle),
        refused_graphs=tuple(_refused(each) for each in config.refused_graphs[:MAX_REFUSED_GRAPHS]),
        outage=outage,
        spool=_spool(status.spool) if status else None,
        books=_books(status.books) if status else None,
        answers=_answers(status.books.answers.values()) if status else None,
        brokers=_brokers(status.brokers) if status else None,
        endpoints=_endpoints(status.endpoints) if status else None,
        engines=tuple(engine for engine in engines if _NAME.fullmatch(engine.name)),
    )


def _bundle(applied: Applied) -> AppliedBundle:
    return AppliedBundle(
        generation=applied.generation,
        sha256=applied.sha256,
        verdict=next((verdict for verdict in _VERDICTS if verdict == applied.verdict), "None"),
        reason=_word(applied.reason),
        message=applied.message[:MAX_SENTENCE],
    )


def _refused(graph: Refused) -> RefusedGraph:
    return RefusedGraph(graph=graph.graph, reason=_word(graph.reason), message=graph.message[:MAX_NOTE])


def _spool(spool: SpoolStatus) -> SpoolUse:
    used = spool.raw_bytes + spool.ledger_bytes
    return SpoolUse(
        used_bytes=used,
        cap_bytes=spool.cap_bytes,
        used_percent=min(1000, 100 * used // spool.cap_bytes) if spool.cap_bytes else 0,
        backlog=spool.backlog,
        waiting=spool.waiting,
        undelivered=spool.undelivered,
        blocked=spool.blocked[:MAX_SENTENCE],
    )


def _books(books: BooksStatus) -> BookTotals:
    sources = books.sources
    return BookTotals(
        received=sum(book.received for book in sources),
        windowed=sum(book.windowed for book in sources),
        duplicate=sum(book.duplicate for book in sources),
        late=sum(book.late for book in sources),
        dead=sum(sum(book.dead.values()) for book in sources),
        dropped=sum(book.dropped + sum(book.dropped_from_spool.values()) for book in sources),
        pending=sum(book.pending for book in sources),
        lost=books.lost,
        balanced=books.balanced,
    )


def _answers(of_graphs: Iterable[Mapping[str, int]]) -> AnswerTotals:
    totals: dict[str, int] = {}
    for counts in of_graphs:
        for word, n in counts.items():
            totals[word.lower()] = totals.get(word.lower(), 0) + n
    return AnswerTotals(**{name: totals.get(name, 0) for name in AnswerTotals.__struct_fields__})


def _brokers(brokers: list[BrokerStatus]) -> BrokerCounts:
    away = [broker for broker in brokers if not broker.connected]
    return BrokerCounts(
        desired=len(brokers),
        connected=len(brokers) - len(away),
        reason=_word(next((broker.reason for broker in away if broker.reason), "")),
    )


def _endpoints(endpoints: list[EndpointStatus]) -> EndpointCounts:
    reasons = [endpoint.reason for endpoint in endpoints if endpoint.reason]
    return EndpointCounts(
        desired=len(endpoints), usable=len(endpoints) - len(reasons), reason=_word(next(iter(reasons), ""))
    )


def _word(text: str) -> str:
    return text if not text or _WORD.fullmatch(text) else "Other"
