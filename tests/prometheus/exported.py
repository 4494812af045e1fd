"""What each program exports: its metrics as Prometheus reads them, with the labels of each."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from kubernetes.aio.client import Configuration
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from edgeglm_agent.health.metrics import exposition
from edgeglm_operator.kube.connection import Connection
from edgeglm_operator.kube.kinds import INFERENCE_SERVICES
from edgeglm_operator.kube.rest import RestClient
from edgeglm_operator.main import Operator
from edgeglm_operator.obs.metrics import Metrics
from edgeglm_operator.receiver.metrics import Metrics as ReceiverMetrics
from edgeglm_operator.settings import Settings
from tests.prometheus.engine_metrics import ENGINE_METRICS
from tests.reconcile.builders import an_inference_service
from tests.unit.agent.test_reporter import CONFIG, a_broker, a_source_book, a_status

_SUFFIXES: Final = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}

Exported = dict[str, set[str]]
"""By the name of each metric, the labels that it was seen with."""


async def exported() -> Exported:
    """Of all of them together, engines included."""
    texts = [await _of_operator(), ReceiverMetrics(sites=lambda: 0).render(), _of_agent()]
    found: Exported = {name: set(labels) for name, labels in ENGINE_METRICS.items()}
    for text in texts:
        for family in text_string_to_metric_families(text.decode()):
            for name in _names_of(family):
                found.setdefault(name, set())
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def _names_of(family: Metric) -> Iterator[str]:
    """Those too of which nothing has been counted yet."""
    yield from (f"{family.name}{suffix}" for suffix in _SUFFIXES.get(family.type, ("",)))


async def _of_operator() -> bytes:
    """All its parts joined, as its process has them; nothing of it runs."""
    metrics, connection = Metrics(), Connection(Configuration())
    async with RestClient(connection) as client:
        rest: dict[str, Any] = {"metrics": metrics, "resync_seconds": 600, "look_seconds": 30}
        operator = Operator(connection, client, Settings(), **rest)
    metrics.reconciles.labels("InferenceService", "error").inc()
    metrics.reconcile_seconds.labels("InferenceService").observe(1)
    metrics.observe_request("get", 200, 1)
    condition = {"type": "Ready", "status": "False", "reason": "ImagePull", "message": ""}
    service = an_inference_service() | {"status": {"conditions": [condition]}}
    service["metadata"] |= {"uid": "1", "resourceVersion": "1"}
    operator.store.put(INFERENCE_SERVICES, service)
    return metrics.render()


def _of_agent() -> bytes:
    book = a_source_book(received=3, windowed=1, dead={"Malformed": 2})
    broker = msgspec.structs.replace(a_broker(connected=True), url="mqtt://b", failures={})
    status = a_status(book, brokers=[broker])
    books = msgspec.structs.replace(status.books, windows={"line": {"Asked": 1}}, findings={"line": {"Opened": 1}})
    return exposition(CONFIG, msgspec.structs.replace(status, books=books))
