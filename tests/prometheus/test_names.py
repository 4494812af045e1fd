"""Alerts and dashboard ask for what there is: a name or a label that nobody exports is never an error to Prometheus."""

import json
import re
from collections.abc import Iterator
from typing import Final

import pytest
import yaml

from tests.chart.rendering import CHART
from tests.prometheus.exported import Exported, exported
from tests.prometheus.promtool import Promtool

RULES: Final = CHART / "files" / "rules.yaml"
DASHBOARD: Final = json.loads((CHART / "files" / "dashboard.json").read_text())
PANELS: Final = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

OF_A_TARGET: Final = {"namespace", "pod", "job", "instance", "edgeglm_io_inference_service"}
"""Labels that Prometheus gives to whatever it scrapes."""

METRIC: Final = re.compile(r"\b((?:edgeglm|process)_\w+|vllm:\w+)\b(?:\{([^}]*)\})?")
GROUPED: Final = re.compile(r"by \(([^)]*)\)")


def queries() -> Iterator[str]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    yield from (target["expr"] for panel in PANELS for target in panel["targets"])


async def test_each_metric_is_one_that_a_program_exports_with_these_labels() -> None:
    known = await exported()
    assert {query: faults for query in queries() if (faults := list(faults_of(query, known)))} == {}


@pytest.mark.parametrize(
    "query",
    [
        "edgeglm_leaders",
        "vllm:gpu_cache_usage_perc",
        'rate(edgeglm_reconcile_total{results="error"}[5m])',
        "sum by (kinds) (rate(edgeglm_reconcile_total[5m]))",
        "rate(edgeglm_reconcile[5m])",
        "up",
    ],
)
async def test_what_nobody_exports_is_noticed(query: str) -> None:
    assert list(faults_of(query, await exported()))


def faults_of(query: str, known: Exported) -> Iterator[str]:
    asked = [(name, matchers) for name, matchers in METRIC.findall(query) if name not in OF_A_TARGET]
    if not asked:
        yield "asks for nothing of ours"
    for name, matchers in asked:
        if name not in known:
            yield f"{name}: nobody exports it"
        for label in set(re.findall(r"(\w+)[=!]", matchers)) - known.get(name, set()) - OF_A_TARGET:
            yield f"{name}: has no label {label}"
    labels = OF_A_TARGET.union(*(known.get(name, set()) for name, _ in asked))
    for group in GROUPED.findall(query):
        yield from (f"no label {label}" for label in group.split(", ") if label not in labels)


@pytest.mark.prometheus
def test_each_query_of_the_dashboard_is_one(promtool: Promtool) -> None:
    tests = [
        {"expr": target["expr"].replace("$__rate_interval", "5m"), "eval_time": "1m", "exp_samples": []}
        for panel in PANELS
        for target in panel["targets"]
    ]
    assert promtool.test({"interval": "15s", "input_series": [], "promql_expr_test": tests}) == ""


def test_panels_have_their_own_place_and_take_the_viewer_s_prometheus() -> None:
    assert DASHBOARD["uid"] == "edgeglm"
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [cell for panel in DASHBOARD["panels"] for cell in _cells(panel["gridPos"])]
    assert len(set(cells)) == len(cells)
    for panel in PANELS:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["title"]


def _cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    for x in range(place["x"], place["x"] + place["w"]):
        assert x < 24
        yield from ((x, y) for y in range(place["y"], place["y"] + place["h"]))
