"""Counters and gauges, named after controller-runtime's where it has one, so that known dashboards and alerts fit.

Labels are bounded: kinds, verbs, results; never the name of an object.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All metrics of one operator, on a registry of their own so that tests can make several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (GCCollector, PlatformCollector, ProcessCollector):
            collector(registry=self.registry)
        self.reconciles = self._counter("edgeglm_reconcile_total", "Reconciles by kind and result.", "kind", "result")
        self.reconcile_seconds = self._histogram("edgeglm_reconcile_seconds", "Time of one reconcile.", "kind")
        self.queue_seconds = self._histogram("edgeglm_workqueue_queue_duration_seconds", "Time a due key waited.")
        self.retries = self._counter("edgeglm_workqueue_retries_total", "Keys added again after a failure.", "kind")
        self.applies = self._counter(
            "edgeglm_apply_total", "Children by kind and what was done to them.", "kind", "result"
        )
        self.request_seconds = self._histogram(
            "edgeglm_api_request_seconds", "Requests to the API server; code 0 is no answer.", "verb", "code"
        )
        self.events_seen = self._counter("edgeglm_watch_events_total", "Events of the watch.", "kind")
        self.last_event = Gauge(
            "edgeglm_watch_last_event_timestamp_seconds", "When the last one came.", ["kind"], registry=self.registry
        )
        self.topologies_not_read = Gauge(
            "edgeglm_topologies_not_read", "ConfigMaps with topologies beyond the bounds.", registry=self.registry
        )
        self.resyncs = self._counter("edgeglm_resync_total", "Full lists by kind and result.", "kind", "result")
        self.corrections = self._counter(
            "edgeglm_resync_corrections_total", "Objects that a full list showed other than the watch had.", "kind"
        )

    def measure(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that asks for its value when it is read."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def measure_each(
        self, name: str, text: str, labels: Sequence[str], values: Callable[[], Mapping[tuple[str, ...], float]]
    ) -> None:
        """A gauge for each set of labels that there is when it is read."""
        self.registry.register(_Each(name, text, labels, values))

    def observe_request(self, verb: str, status: int, seconds: float) -> None:
        """Note a request to the API server."""
        self.request_seconds.labels(verb, str(status)).observe(seconds)

    def render(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=_SECONDS, registry=self.registry)


class _Each(Collector):
    def __init__(
        self, name: str, text: str, labels: Sequence[str], values: Callable[[], Mapping[tuple[str, ...], float]]
    ) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._values = values

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for labels, value in self._values().items():
            family.add_metric(labels, value)
        yield family
