"""What stands around the cloud replicas, and when."""

from typing import Any

import pytest

from edgeglm_operator.resources.around_cloud import around_cloud
from edgeglm_operator.resources.asked import asked_of_cloud
from edgeglm_operator.resources.disruption_budget import wants_disruption_budget
from edgeglm_operator.settings import Settings
from tests.unit.operator.builders import a_target, an_inference_service

VERIFIER = {
    "podSelector": {
        "matchLabels": {"edgeglm.io/inference-service": "llm", "app.kubernetes.io/component": "verification"}
    }
}
"""Who asks the replicas before they count as ready is never shut out."""


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"cloud": {"replicas": 2}}, True),
        ({"cloud": {"replicas": 1}}, False),
        ({"cloud": {}}, False),
        ({"cloud": {"replicas": 0}}, False),
        ({"cloud": {"replicas": 2}, "suspend": True}, False),
        ({"cloud": {"autoscaling": {"maxReplicas": 2}}}, True),
        ({"cloud": {"autoscaling": {"maxReplicas": 1}}}, False),
        ({"cloud": {"autoscaling": {"maxReplicas": 2}}, "suspend": True}, False),
        ({"cloud": {"replicas": 2, "disruptionBudget": "None"}}, False),
        ({"edge": [a_target()]}, False),
    ],
)
def test_a_budget_is_for_several_replicas_that_run(spec: dict[str, Any], wanted: bool) -> None:  # noqa: FBT001
    assert wants_disruption_budget(an_inference_service(**spec)) is wanted


@pytest.mark.parametrize("around", [{"disruptionBudget": "None"}, {"networkPolicy": {}}])
def test_what_stands_around_the_pods_is_no_wish_for_other_pods(around: dict[str, Any]) -> None:
    assert asked_of_cloud(an_inference_service(cloud=around)) == asked_of_cloud(an_inference_service(cloud={}))


@pytest.mark.parametrize(
    ("peers", "ingress"),
    [
        ({}, {}),
        ({"from": [{"cidr": "10.0.0.0/8"}]}, {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}, VERIFIER]}),
        (
            {"from": [{"namespaceSelector": {"a": "b"}, "podSelector": {"c": "d"}}, {"podSelector": {"e": "f"}}]},
            {
                "from": [
                    {"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelector": {"matchLabels": {"c": "d"}}},
                    {"podSelector": {"matchLabels": {"e": "f"}}},
                    VERIFIER,
                ]
            },
        ),
    ],
)
def test_the_serving_port_alone_is_open_to_who_is_named(peers: dict[str, Any], ingress: dict[str, Any]) -> None:
    service = an_inference_service(cloud={"networkPolicy": peers})
    made = [each for each in around_cloud(service, Settings()) if each["kind"] == "NetworkPolicy"]
    assert [each["spec"]["ingress"] for each in made] == [[{"ports": [{"port": 8000, "protocol": "TCP"}], **ingress}]]


def test_nobody_gets_a_network_policy_unasked() -> None:
    """Policies add up, so one that lets everybody in would open what another one closes."""
    made = around_cloud(an_inference_service(cloud={"replicas": 2}), Settings())
    assert [each["kind"] for each in made] == ["Service", "PodDisruptionBudget"]
