"""What the receiver counts. Labels are words of ours, never what a site says."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from edgeglm_operator.receiver.refusal import Because

WRITTEN: Final = "Written"
"""It told something new, and stands in the status."""
HEARD: Final = "Heard"
"""It told nothing new."""


class Metrics:
    """All of one receiver."""

    def __init__(self, sites: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        text = "Reports by what became of them."
        self._reports = Counter("edgeglm_receiver_reports", text, ["result"], registry=self._registry)
        for result in (WRITTEN, HEARD, *(because.word for because in Because)):
            self._reports.labels(result)
        text = "Connections that lasted too long, or were too many."
        self._ended = Counter("edgeglm_receiver_connections_ended", text, registry=self._registry)
        gauge = Gauge("edgeglm_receiver_sites", "Sites that are remembered.", registry=self._registry)
        gauge.set_function(sites)

    def count(self, result: str) -> None:
        """One more."""
        self._reports.labels(result).inc()

    def count_ended(self) -> None:
        """One more connection."""
        self._ended.inc()

    def render(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self._registry)
