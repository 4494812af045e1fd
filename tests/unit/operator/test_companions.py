"""What is asked of autoscalers, and what a change of it costs the pods: nothing."""

from typing import Any

import pytest

from edgeglm_api import labels
from edgeglm_api.inference_service import Autoscaling
from edgeglm_operator.flags import parser, settings_of
from edgeglm_operator.resources.cloud_deployment import make_cloud_deployment
from edgeglm_operator.resources.load_target import load_target
from edgeglm_operator.resources.pod_monitor import make_pod_monitor
from edgeglm_operator.settings import Settings
from tests.unit.operator.builders import an_inference_service

SETTINGS = Settings()


@pytest.mark.parametrize(
    ("engine", "asked", "expected"),
    [({}, None, 160), ({"maxNumSeqs": 64}, None, 40), ({"maxNumSeqs": 1}, None, 1), ({"maxNumSeqs": 64}, 9, 9)],
)
def test_a_replica_bears_what_it_computes_at_once_but_for_some_room(
    engine: dict[str, int], asked: int | None, expected: int
) -> None:
    service = an_inference_service(engine=engine)
    target = load_target(service, Autoscaling(max_replicas=4, in_flight_per_replica=asked), SETTINGS)
    assert target.in_flight == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"cloud": {"autoscaling": {"maxReplicas": 4}}},
        {"cloud": {"autoscaling": {"maxReplicas": 4, "scaleToZero": {"activator": "External"}}}},
        {"cloud": {"replicas": 3}},
        {"routing": {"httpRoute": {"parentRefs": [{"name": "public"}]}}},
        {"routing": {"httpRoute": {"parentRefs": [{"name": "public"}], "modelHeader": "X-Gateway-Model-Name"}}},
        {"routing": {"inferencePool": {"endpointPicker": {"name": "picker"}}}},
        {"monitoring": {"podMonitor": True}},
        {"timeouts": {"requestSeconds": 30}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_stands_beside_the_pods_is_no_wish_for_others(changed: dict[str, Any]) -> None:
    before, after = (wish_for_pods(**spec) for spec in ({}, changed))
    assert after == before


def test_the_labels_of_a_pod_monitor_are_the_platform_team_s_but_for_our_own() -> None:
    options = parser().parse_args(["--pod-monitor-label=release=kps", f"--pod-monitor-label={labels.SERVICE}=other"])
    made = make_pod_monitor(an_inference_service("llm"), settings_of(options))
    assert made["metadata"]["labels"].items() >= {"release": "kps", labels.SERVICE: "llm"}.items()


@pytest.mark.parametrize("text", ["release", "=kps"])
def test_a_label_that_is_none_is_refused_at_the_start(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([f"--pod-monitor-label={text}"])
    assert "write KEY=VALUE" in capsys.readouterr().err


def wish_for_pods(**spec: Any) -> str:
    made = make_cloud_deployment(an_inference_service(**spec), SETTINGS)
    found: str = made["metadata"]["annotations"][labels.SPEC_HASH]
    return found
