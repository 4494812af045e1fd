"""The status: one consistent picture of the agent, for people, for the demo, and as the source of all metrics."""

from collections.abc import Mapping
from typing import Any

import msgspec

from edgeglm_agent.config.freshness import SourceState
from edgeglm_agent.config.pins import RefusedGraph
from edgeglm_agent.config.watch import Applied
from edgeglm_agent.pipeline import books as entries
from edgeglm_agent.pipeline.books import imbalance
from edgeglm_agent.reason.known import Load
from edgeglm_agent.spool.checkpoints import Book


class SourceBook(msgspec.Struct, frozen=True, rename="camel"):
    """What became of the messages of one source."""

    graph: str
    source: str
    received: int
    windowed: int
    duplicate: int
    late: int
    passed_over: int
    """Of a format that says more than is asked for: those that hold nothing of it."""
    dropped: int
    """Beyond what the source may bring in a second, and what was retained and is old news."""
    dropped_from_spool: dict[str, int]
    """By reason: acknowledged, and dropped before it was looked at, since the site's policy says so."""
    dead: dict[str, int]
    pending: int
    redriven: int
    """Of those received, dead letters that were driven again."""
    refused_readings: dict[str, int]
    backfilled: int
    """Of what was late, the observations that count all the same in what is usual."""
    missing: int
    """By their sequence numbers, messages that never came; of Sparkplug alone."""


class BooksStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The books, and whether they balance."""

    sources: list[SourceBook]
    lost: int
    """Messages that were acknowledged and are accounted for nowhere. Always 0 on a sound disk."""
    balanced: bool
    windows: dict[str, dict[str, int]]
    """Graph to what became of its windows."""
    answers: dict[str, dict[str, int]]
    """Graph to answers by status."""
    escalated: dict[str, dict[str, int]]
    """Graph to answers for which the cloud was asked after the site's engine, by reason."""
    findings: dict[str, dict[str, int]]
    """Graph to what became of findings; `held` counts answers that were not sent, since nothing in them was new."""
    waiting_dropped: dict[str, dict[str, int]]
    """Graph to requests and answers that the site's policy has dropped, as `requests.SpoolFull` and the like."""
    forgotten: dict[str, dict[str, int]] = {}
    """Graph to what was not heard for longest where too much was to be remembered, as `entities`."""


class DeadLetterStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The messages of which nothing could be used, as far as they are kept."""

    kept: int
    payload_bytes: int
    forgotten: int
    """Dead messages whose letters are gone, or were never kept: too many."""


class SpoolStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What is on the disk."""

    raw_bytes: int
    ledger_bytes: int
    cap_bytes: int
    backlog: int
    """Entries of the raw log that are not folded yet."""
    waiting: int
    late: int
    """Of those that wait, the requests whose windows are no longer fresh."""
    undelivered: int
    asking: int
    blocked: str
    write_failures: int
    revision: int
    """How often the ledger was damaged, and begun anew with what could be read."""
    set_aside: int
    """Damaged files that are kept for whoever wants to look."""
    cut_bytes: int
    """What was cut off the raw log at the start: the end of a write that a power cut broke off, or damage."""
    dead_letters: DeadLetterStatus


class EndpointStatus(msgspec.Struct, frozen=True, rename="camel"):
    """An engine as we see it."""

    name: str
    state: str
    last_error: str
    load: Load
    reason: str = ""
    """Why it cannot be asked, however it is, as a stable word: what it is asked with cannot be read."""


class BrokerStatus(msgspec.Struct, frozen=True, rename="camel"):
    """A broker as we see it."""

    url: str
    connected: bool
    protocol: str
    """The version of MQTT: 5, or 3.1.1 where the broker knows no better."""
    connects: int
    sessions_lost: int
    dropped: int | None
    """Messages that it says it has dropped since its start, for us or for others; null when it does not say."""
    reason: str
    """Why there is no connection, or would be no new one, as a stable word; empty when all is well."""
    failure: str
    """The same as a sentence."""
    failures: dict[str, int]
    """How often each reason came since the start."""
    sent: int
    handed_over: int


class ReportingStatus(msgspec.Struct, frozen=True, rename="camel"):
    """How it stands with reports to the cloud."""

    delivered: int
    failed: dict[str, int]
    """Since the start, by reason."""
    last_delivered_at: str
    """Empty when none was since the start."""
    failure: str
    """Why the last one was not taken; empty when it was."""


class FindingCount(msgspec.Struct, frozen=True, rename="camel"):
    """How many findings of a graph are in a state, and how bad they are."""

    graph: str
    state: str
    severity: str
    n: int


class ConfigStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The configuration; there before there is a site."""

    bundle: Applied
    source: SourceState
    rejections: dict[str, int]
    refused_graphs: list[RefusedGraph]
    reports: ReportingStatus | None
    """None when the site does not report."""


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """All of it."""

    version: str
    namespace: str
    site: str
    site_uid: str = msgspec.field(name="siteUID")
    ready: bool
    bundle: Applied
    source: SourceState
    rejections: dict[str, int]
    refused_graphs: list[RefusedGraph]
    books: BooksStatus
    findings: list[FindingCount]
    """Those that are not over."""
    spool: SpoolStatus
    endpoints: list[EndpointStatus]
    brokers: list[BrokerStatus]
    reports: ReportingStatus | None
    faults: int
    clock_jump_seconds: int = 0
    """How far the machine's clock has jumped from the time that the agent keeps, since the readings say so."""


def books_status(
    counts: Mapping[Book, int], pending: Mapping[tuple[str, str], int], names: Mapping[str, str]
) -> BooksStatus:
    """Put the books into the form that is shown; graphs by name where it is known."""
    off = imbalance(counts, pending)
    sources = sorted({(graph, source) for graph, source, entry in counts if entry == entries.RECEIVED})
    return BooksStatus(
        sources=[_source_book(counts, key, pending.get(key, 0), names) for key in sources],
        lost=counts.get(("", "", entries.LOST), 0) + sum(max(n, 0) for n in off.values()),
        balanced=not off,
        windows=_by_graph(counts, "windows.", names),
        answers=_by_graph(counts, "answers.", names),
        escalated=_by_graph(counts, entries.ESCALATED, names),
        findings=_by_graph(counts, "findings.", names),
        waiting_dropped=_by_graph(counts, entries.WAITING_DROPPED, names),
        forgotten=_by_graph(counts, entries.FORGOTTEN, names),
    )


def _source_book(
    counts: Mapping[Book, int], key: tuple[str, str], pending: int, names: Mapping[str, str]
) -> SourceBook:
    return SourceBook(
        graph=names.get(key[0], key[0]),
        source=key[1],
        received=counts.get((*key, entries.RECEIVED), 0),
        windowed=counts.get((*key, entries.WINDOWED), 0),
        duplicate=counts.get((*key, entries.DUPLICATE), 0),
        late=counts.get((*key, entries.LATE), 0),
        passed_over=counts.get((*key, entries.PASSED_OVER), 0),
        dropped=counts.get((*key, entries.DROPPED), 0),
        dropped_from_spool=_by_suffix(counts, key, entries.DROPPED_FROM_SPOOL),
        dead=_by_suffix(counts, key, entries.DEAD),
        pending=pending,
        redriven=counts.get((*key, entries.REDRIVEN), 0),
        refused_readings=_by_suffix(counts, key, entries.REFUSED_READING),
        backfilled=counts.get((*key, entries.BACKFILLED), 0),
        missing=counts.get((*key, entries.MISSING), 0),
    )


def _by_suffix(counts: Mapping[Book, int], key: tuple[str, str], prefix: str) -> dict[str, int]:
    return {
        entry.removeprefix(prefix): n
        for (graph, source, entry), n in sorted(counts.items())
        if (graph, source) == key and entry.startswith(prefix)
    }


def _by_graph(counts: Mapping[Book, int], prefix: str, names: Mapping[str, str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (graph, _source, entry), n in sorted(counts.items()):
        if entry.startswith(prefix):
            found.setdefault(names.get(graph, graph), {})[entry.removeprefix(prefix)] = n
    return found


def to_json(status: Status) -> bytes:
    """Return the status as JSON."""
    return msgspec.json.encode(status, order="deterministic")


def to_builtins(status: Status) -> Any:  # noqa: ANN401 - the shape of JSON
    """Return the status as plain data."""
    return msgspec.to_builtins(status)
