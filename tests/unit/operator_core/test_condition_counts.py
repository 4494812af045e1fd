"""How many objects are in each condition, as a metric: it follows what is observed, and names nobody."""

from functools import partial
from typing import Any

from edgeglm_operator.condition_counts import LABELS, condition_counts
from edgeglm_operator.kube.kinds import EDGE_SITES, INFERENCE_SERVICES, Kind
from edgeglm_operator.obs.metrics import Metrics
from edgeglm_operator.store import Name, Store
from tests.reconcile.builders import PLANT, an_edge_site, an_inference_service


def observe(store: Store, kind: Kind, found: dict[str, Any], version: int, **conditions: str) -> None:
    said = [{"type": kind, "status": status, "reason": "Because"} for kind, status in conditions.items()]
    metadata = found["metadata"] | {"uid": found["metadata"]["name"], "resourceVersion": str(version)}
    store.put(kind, found | {"metadata": metadata, "status": {"conditions": said}})


def test_each_condition_is_counted_and_one_that_ends_is_gone() -> None:
    store, metrics = Store(), Metrics()
    metrics.measure_each("edgeglm_conditions", "text", LABELS, partial(condition_counts, store))
    for name in ("a", "b"):
        observe(store, INFERENCE_SERVICES, an_inference_service(name), 1, Ready="False", Accepted="True")
    observe(store, EDGE_SITES, an_edge_site("box-1", "box-1"), 1, Connected="False")
    assert told(metrics) == {
        'edgeglm_conditions{kind="InferenceService",reason="Because",status="False",type="Ready"} 2.0',
        'edgeglm_conditions{kind="InferenceService",reason="Because",status="True",type="Accepted"} 2.0',
        'edgeglm_conditions{kind="EdgeSite",reason="Because",status="False",type="Connected"} 1.0',
    }

    observe(store, EDGE_SITES, an_edge_site("box-1", "box-1"), 2, Connected="True")
    for name in ("a", "b"):
        store.remove(INFERENCE_SERVICES, Name(PLANT, name))
    assert told(metrics) == {'edgeglm_conditions{kind="EdgeSite",reason="Because",status="True",type="Connected"} 1.0'}


def told(metrics: Metrics) -> set[str]:
    return {line for line in metrics.render().decode().splitlines() if line.startswith("edgeglm_conditions{")}
