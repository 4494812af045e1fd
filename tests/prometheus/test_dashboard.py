"""What panels show, asked of Prometheus itself: of several operators in a cluster, what they look after together."""

import json
from typing import Final

import pytest

from tests.chart.rendering import CHART
from tests.prometheus.promtool import Promtool

PANELS: Final = {
    panel["title"]: panel["targets"][0]["expr"]
    for panel in json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]
    if panel["type"] != "row"
}

SEEN_BY_REPLICA: Final = {("a", "a-0"): 3, ("a", "a-1"): 2, ("b", "b-0"): 4}
"""By operator and pod. Replicas of one operator see the same, one a moment later than the other."""
IN_ALL: Final = 3 + 4


@pytest.mark.prometheus
@pytest.mark.parametrize(
    ("panel", "kind", "type_", "status", "shown"),
    [
        (
            "InferenceServices that are not Ready, and why",
            "InferenceService",
            "Ready",
            "False",
            '{status="False",reason="R"}',
        ),
        ("Sites that are out of sight, and seen", "EdgeSite", "Connected", "True", '{reason="R"}'),
        ("What is wrong at sites", "EdgeSite", "Healthy", "False", '{reason="R"}'),
        (
            "SensorGraphs that are not Ready, and why",
            "SensorGraph",
            "Ready",
            "Unknown",
            '{status="Unknown",reason="R"}',
        ),
    ],
)
def test_objects_of_all_operators_are_counted_once(
    promtool: Promtool, panel: str, kind: str, type_: str, status: str, shown: str
) -> None:
    labels = f'kind="{kind}",type="{type_}",status="{status}",reason="R"'
    assert faults(promtool, panel, f"edgeglm_conditions{{{labels}", shown=shown) == ""


@pytest.mark.prometheus
def test_sites_of_all_receivers_are_counted_once(promtool: Promtool) -> None:
    assert (
        faults(promtool, "Sites that the receiver knows", 'edgeglm_receiver_sites{component="receiver"', shown="{}")
        == ""
    )


def faults(promtool: Promtool, panel: str, series: str, *, shown: str) -> str:
    """What promtool has against the panel showing them all under these labels."""
    found = [
        {"series": f'{series},namespace="edgeglm-system",job="{operator}",pod="{pod}"}}', "values": f"{number}x8"}
        for (operator, pod), number in SEEN_BY_REPLICA.items()
    ]
    query = {"expr": PANELS[panel], "eval_time": "1m", "exp_samples": [{"labels": shown, "value": IN_ALL}]}
    return promtool.test({"interval": "15s", "input_series": found, "promql_expr_test": [query]})
