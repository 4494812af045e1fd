"""What KEDA is told of a service's load, asked of Prometheus itself in the words of our ScaledObject.

KEDA takes one value; more than one, and none where `ignoreNullValues` is false, are errors to it
(prometheus_scaler.go), and after a minute of them it keeps the replicas that there are.
"""

from dataclasses import dataclass
from typing import Final

import pytest

from edgeglm_api.inference_service import Autoscaling
from edgeglm_operator.resources.scaled_object import make_scaled_object
from edgeglm_operator.settings import Settings
from tests.prometheus.promtool import Promtool
from tests.unit.operator.builders import an_inference_service

pytestmark = pytest.mark.prometheus

ASKED_AT: Final = "10m"
HEARD: Final = "x40"
"""Times more, each 15 s: until it is asked."""


@dataclass(frozen=True)
class Replica:
    """What a pod's metrics say: values in promtool's notation, without which the metric is not there."""

    name: str
    running: str = f"6{HEARD}"
    waiting: str = f"2{HEARD}"
    kv_cache: str = f"0.5{HEARD}"
    engine: str = "0"
    service: str = "llm"
    namespace: str = "plant"

    def series(self) -> list[dict[str, str]]:
        labels = (
            f'namespace="{self.namespace}",pod="{self.name}",edgeglm_io_inference_service="{self.service}",'
            f'model_name="glm",engine="{self.engine}"'
        )
        values = {
            "num_requests_running": self.running,
            "num_requests_waiting": self.waiting,
            "kv_cache_usage_perc": self.kv_cache,
        }
        return [{"series": f"vllm:{name}{{{labels}}}", "values": said} for name, said in values.items() if said]


def all_of_them(said: str) -> dict[str, str]:
    return {"running": said, "waiting": said, "kv_cache": said}


A, B = Replica("a"), Replica("b", running=f"1{HEARD}", waiting=f"0{HEARD}", kv_cache=f"0.25{HEARD}")
NEVER_HEARD = all_of_them("")
FELL_SILENT = all_of_them("1x20 stale")
"""Its last scrape failed, and Prometheus says so of each of its series."""

LONG_UNHEARD = all_of_them("1x10")
"""No scrape at all for longer than the five minutes that Prometheus looks back."""

JUST_UNHEARD = {"running": "6x30", "waiting": "2x30", "kv_cache": "0.5x30"}


@pytest.mark.parametrize(
    ("replicas", "in_flight", "kv_cache_percent"),
    [
        pytest.param([A, B], 9, 75, id="all are heard"),
        pytest.param([A, B, Replica("c", **NEVER_HEARD)], 9, 75, id="one has never been heard"),
        pytest.param([A, B, Replica("c", **FELL_SILENT)], 9, 75, id="one fell silent"),
        pytest.param([A, B, Replica("c", **LONG_UNHEARD)], 9, 75, id="one has not been asked for long"),
        pytest.param([A, Replica("b", **JUST_UNHEARD)], 16, 100, id="one has not been asked for a moment"),
        pytest.param([A, Replica("b", waiting="")], 14, 100, id="one says only half"),
        pytest.param([Replica("a", **FELL_SILENT), Replica("b", **NEVER_HEARD)], None, None, id="all are silent"),
        pytest.param([Replica("a", kv_cache=""), Replica("b", kv_cache="")], 16, None, id="nobody knows the KV cache"),
        pytest.param([A, Replica("b", kv_cache="")], 16, 50, id="one does not know its KV cache"),
        pytest.param([Replica("a", waiting=""), Replica("b", waiting="")], None, 100, id="nobody knows who waits"),
        pytest.param([A, Replica("a", kv_cache=f"0.7{HEARD}", engine="1")], 16, 60, id="two engines in a pod"),
        pytest.param([A, Replica("x", service="other"), Replica("x", namespace="other")], 8, 50, id="others beside it"),
        pytest.param([Replica("a", **all_of_them(f"0{HEARD}"))], 0, 0, id="nobody asks"),
    ],
)
def test_keda_is_told_one_value_by_whoever_is_heard_or_none(
    promtool: Promtool, replicas: list[Replica], in_flight: float | None, kv_cache_percent: float | None
) -> None:
    asked = queries()
    wanted = {asked["in-flight"]: in_flight, asked["kv-cache"]: kv_cache_percent}
    test = {
        "interval": "15s",
        "input_series": [series for replica in replicas for series in replica.series()],
        "promql_expr_test": [
            {"expr": query, "eval_time": ASKED_AT, "exp_samples": samples(value)} for query, value in wanted.items()
        ],
    }
    assert promtool.test(test) == ""


def test_a_wrong_number_would_be_noticed(promtool: Promtool) -> None:
    query = {"expr": queries()["in-flight"], "eval_time": ASKED_AT, "exp_samples": samples(7)}
    assert "got:" in promtool.test({"interval": "15s", "input_series": A.series(), "promql_expr_test": [query]})


def samples(value: float | None) -> list[dict[str, object]]:
    """One without labels, or none."""
    return [] if value is None else [{"labels": "{}", "value": value}]


def queries() -> dict[str, str]:
    """By trigger, as KEDA gets them; to each, no value is an error."""
    service = an_inference_service("llm", namespace="plant")
    made = make_scaled_object(service, Autoscaling(max_replicas=4), Settings(prometheus_url="http://p:9090"), None)
    triggers = {trigger["name"]: trigger["metadata"] for trigger in made["spec"]["triggers"]}
    assert all(metadata["ignoreNullValues"] == "false" for metadata in triggers.values())
    return {name: metadata["query"] for name, metadata in triggers.items()}
