"""The status as Prometheus metrics. Nothing is counted twice: what stands in the ledger is read from there."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from edgeglm_agent.health.status import ConfigStatus, ReportingStatus, Status


def exposition(config: ConfigStatus, status: Status | None) -> bytes:
    """Return the text that Prometheus scrapes; of the configuration alone while there is no site yet."""
    registry = CollectorRegistry()
    registry.register(_Collector(config, status))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, config: ConfigStatus, status: Status | None) -> None:
        self._config = config
        self._status = status

    def collect(self) -> Iterator[Metric]:
        yield from _bundle(self._config, self._status.site if self._status else "")
        if self._status is not None:
            yield _counter("faults", "Errors that nobody expected.", self._status.faults)
            yield _gauge(
                "clock_jump_seconds",
                "How far the machine's clock has jumped from the time that is kept.",
                self._status.clock_jump_seconds,
            )
            yield from _books(self._status)
            yield from _graphs(self._status)
            yield from _spool(self._status)
            yield from _peers(self._status)


def _bundle(config: ConfigStatus, site: str) -> Iterator[Metric]:
    applied = config.bundle
    info = InfoMetricFamily("edgeglm_agent_bundle", "The bundle that is applied.")
    info.add_metric([], {"sha256": applied.sha256, "verdict": applied.verdict, "site": site, "signer": applied.signer})
    yield info
    yield _gauge("bundle_generation", "Generation of the applied bundle.", applied.generation)
    rejected = CounterMetricFamily("edgeglm_agent_bundle_rejections", "Bundles that were refused.", labels=["reason"])
    for reason, n in config.rejections.items():
        rejected.add_metric([reason], n)
    yield rejected
    refused = GaugeMetricFamily(
        "edgeglm_agent_graphs_refused",
        "1 for a graph that does not run here.",
        labels=["graph", "reason"],
    )
    for each in config.refused_graphs:
        refused.add_metric([each.graph, each.reason], 1)
    yield refused
    source = config.source
    yield _gauge(
        "bundle_stale_seconds",
        "Since what is applied was last seen at its source.",
        source.stale_seconds,
    )
    yield _counter("bundle_source_failures", "Looks at the source at which nothing could be read.", source.failures)
    if config.reports is not None:
        yield from _reports(config.reports)


def _reports(reports: ReportingStatus) -> Iterator[Metric]:
    yield _counter("reports_delivered", "Reports that the cloud has taken.", reports.delivered)
    failed = CounterMetricFamily("edgeglm_agent_reports_failed", "Reports that it has not.", labels=["reason"])
    for reason, n in reports.failed.items():
        failed.add_metric([reason], n)
    yield failed


def _books(status: Status) -> Iterator[Metric]:
    messages = CounterMetricFamily(
        "edgeglm_agent_messages", "Messages by what became of them.", labels=["graph", "source", "outcome", "reason"]
    )
    pending = GaugeMetricFamily(
        "edgeglm_agent_messages_pending", "Messages in open windows.", labels=["graph", "source"]
    )
    backfilled = CounterMetricFamily(
        "edgeglm_agent_backfilled", "Late observations that count in what is usual.", labels=["graph", "source"]
    )
    missing = CounterMetricFamily(
        "edgeglm_agent_messages_missing", "Messages that never came, by sequence numbers.", labels=["graph", "source"]
    )
    for book in status.books.sources:
        for outcome in ("received", "windowed", "duplicate", "late", "passed_over", "dropped"):
            messages.add_metric([book.graph, book.source, outcome, ""], getattr(book, outcome))
        for outcome, reasons in (("dead", book.dead), ("dropped", book.dropped_from_spool)):
            for reason, n in reasons.items():
                messages.add_metric([book.graph, book.source, outcome, reason], n)
        pending.add_metric([book.graph, book.source], book.pending)
        backfilled.add_metric([book.graph, book.source], book.backfilled)
        missing.add_metric([book.graph, book.source], book.missing)
    yield messages
    yield pending
    yield backfilled
    yield missing
    yield _counter("messages_lost", "Acknowledged messages that are accounted for nowhere.", status.books.lost)
    yield _gauge("books_balanced", "1 when every message is accounted for.", int(status.books.balanced))


def _graphs(status: Status) -> Iterator[Metric]:
    windows = CounterMetricFamily("edgeglm_agent_windows", "Windows by verdict.", labels=["graph", "verdict"])
    answers = CounterMetricFamily("edgeglm_agent_answers", "Answers by status.", labels=["graph", "status"])
    escalated = CounterMetricFamily(
        "edgeglm_agent_escalated", "Answers for which the cloud was asked, too.", labels=["graph", "because"]
    )
    findings = CounterMetricFamily("edgeglm_agent_findings", "What became of findings.", labels=["graph", "event"])
    forgotten = CounterMetricFamily(
        "edgeglm_agent_forgotten", "What was silent for longest, where there was too much.", labels=["graph", "what"]
    )
    books = status.books
    for family, found in (
        (windows, books.windows),
        (answers, books.answers),
        (escalated, books.escalated),
        (findings, books.findings),
        (forgotten, books.forgotten),
    ):
        for graph, counts in found.items():
            for label, n in counts.items():
                family.add_metric([graph, label], n)
        yield family
    dropped = CounterMetricFamily(
        "edgeglm_agent_waiting_dropped", "What waited and was dropped by policy.", labels=["graph", "what", "reason"]
    )
    for graph, counts in books.waiting_dropped.items():
        for label, n in counts.items():
            dropped.add_metric([graph, *label.split(".")], n)
    yield dropped
    live = GaugeMetricFamily(
        "edgeglm_agent_findings_live", "Findings that are not over.", labels=["graph", "state", "severity"]
    )
    for count in status.findings:
        live.add_metric([count.graph, count.state, count.severity], count.n)
    yield live


def _spool(status: Status) -> Iterator[Metric]:
    spool = status.spool
    yield _gauge("spool_raw_bytes", "Bytes of the raw log.", spool.raw_bytes)
    yield _gauge("spool_ledger_bytes", "Bytes of the ledger.", spool.ledger_bytes)
    yield _gauge("spool_cap_bytes", "The most that the spool may hold.", spool.cap_bytes)
    yield _gauge("spool_backlog", "Entries that are not folded yet.", spool.backlog)
    yield _gauge("spool_blocked", "1 while nothing is acknowledged.", int(bool(spool.blocked)))
    yield _counter("spool_write_failures", "Failed writes of the raw log.", spool.write_failures)
    yield _gauge("spool_files_set_aside", "Damaged files of the spool that are kept.", spool.set_aside)
    yield _gauge("spool_ledger_revision", "How often the ledger was damaged and begun anew.", spool.revision)
    yield _gauge("spool_cut_bytes", "Bytes cut off the end of the raw log at the start.", spool.cut_bytes)
    yield _gauge("dead_letters", "Unusable messages that are kept.", spool.dead_letters.kept)
    yield _counter("dead_letters_forgotten", "Unusable messages not kept any more.", spool.dead_letters.forgotten)
    yield _gauge("requests_waiting", "Requests without an answer.", spool.waiting)
    yield _gauge("requests_late", "Of these, the ones whose windows are no longer fresh.", spool.late)
    yield _gauge("requests_asking", "Requests that are being asked.", spool.asking)
    yield _gauge("answers_undelivered", "Answers that the broker does not have.", spool.undelivered)


def _peers(status: Status) -> Iterator[Metric]:
    brokers = GaugeMetricFamily("edgeglm_agent_broker_connected", "1 while connected.", labels=["broker"])
    lost = CounterMetricFamily(
        "edgeglm_agent_broker_sessions_lost", "Reconnects to a broker that forgot us.", labels=["broker"]
    )
    dropped = CounterMetricFamily(
        "edgeglm_agent_broker_dropped", "Messages that the broker says it dropped, for anybody.", labels=["broker"]
    )
    failures = CounterMetricFamily(
        "edgeglm_agent_broker_failures", "Connections that did not come about, by reason.", labels=["broker", "reason"]
    )
    for broker in status.brokers:
        brokers.add_metric([broker.url], int(broker.connected))
        lost.add_metric([broker.url], broker.sessions_lost)
        if broker.dropped is not None:
            dropped.add_metric([broker.url], broker.dropped)
        for reason, n in broker.failures.items():
            failures.add_metric([broker.url, reason], n)
    yield brokers
    yield lost
    yield dropped
    yield failures
    endpoints = GaugeMetricFamily("edgeglm_agent_endpoint_usable", "1 while not shut off.", labels=["endpoint"])
    for endpoint in status.endpoints:
        endpoints.add_metric([endpoint.name], int(endpoint.state == "Closed"))
    yield endpoints
    yield from _loads(status)


def _loads(status: Status) -> Iterator[Metric]:
    labels = ["endpoint"]
    width = GaugeMetricFamily("edgeglm_agent_endpoint_width", "Requests that it may have at once.", labels=labels)
    asked = GaugeMetricFamily("edgeglm_agent_endpoint_in_flight", "Requests that it has.", labels=labels)
    busy = CounterMetricFamily("edgeglm_agent_endpoint_busy", "Times that it said that it is full.", labels=labels)
    cuts = CounterMetricFamily("edgeglm_agent_endpoint_cuts", "Times that its width was made smaller.", labels=labels)
    withheld = CounterMetricFamily(
        "edgeglm_agent_endpoint_withheld", "Times that nothing might leave the site for it.", labels=labels
    )
    disguised = CounterMetricFamily(
        "edgeglm_agent_endpoint_disguised", "Requests that it got under pseudonyms.", labels=labels
    )
    paced = CounterMetricFamily(
        "edgeglm_agent_endpoint_paced", "Times that a request waited for the next of its minute.", labels=labels
    )
    spent = CounterMetricFamily(
        "edgeglm_agent_endpoint_spent", "Times that it had had a request as often as it may.", labels=labels
    )
    for endpoint in status.endpoints:
        load = endpoint.load
        for gauge, value in ((width, load.width), (asked, load.in_flight)):
            gauge.add_metric([endpoint.name], value)
        for counter, n in (
            (busy, load.busy),
            (cuts, load.cuts),
            (withheld, load.withheld),
            (disguised, load.disguised),
            (paced, load.paced),
            (spent, load.spent),
        ):
            counter.add_metric([endpoint.name], n)
    yield from (width, asked, busy, cuts, withheld, disguised, paced, spent)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"edgeglm_agent_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"edgeglm_agent_{name}", text, value=value)
