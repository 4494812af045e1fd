"""The same replicas, as Knative takes them."""

from typing import Any

import pytest

from edgeglm_operator.resources.asked import asked_of_cloud
from edgeglm_operator.resources.cloud_deployment import make_cloud_deployment
from edgeglm_operator.resources.knative_service import make_knative_service, needs_of
from edgeglm_operator.settings import Settings
from tests.unit.operator.builders import an_inference_service

Manifest = dict[str, Any]
SETTINGS = Settings()
SMALL = {"uri": "pvc://models/small"}
AFFINITY = "config-features kubernetes.podspec-affinity: enabled"
"""No pod in the cloud may land on an edge node."""
CLAIM = "config-features kubernetes.podspec-persistent-volume-claim: enabled"


def of_knative(cloud: Manifest | None = None, *, model: Manifest = SMALL, **spec: Any) -> Manifest:
    service = an_inference_service(cloud={"deploymentMode": "Knative", **(cloud or {})}, model=model, **spec)
    return make_knative_service(make_cloud_deployment(service, SETTINGS), service, SETTINGS)


def revision(made: Manifest) -> Manifest:
    found: Manifest = made["spec"]["template"]["spec"]
    return found


def scale(made: Manifest) -> dict[str, str]:
    annotations: dict[str, str] = made["spec"]["template"]["metadata"]["annotations"]
    return {key.partition("/")[2]: text for key, text in annotations.items() if key.startswith("autoscaling.knative")}


@pytest.mark.parametrize(
    ("cloud", "said"),
    [
        ({}, {"min-scale": "1", "max-scale": "1"}),
        ({"replicas": 4}, {"min-scale": "4", "max-scale": "4"}),
        ({"autoscaling": {"minReplicas": 2, "maxReplicas": 8}}, {"min-scale": "2", "max-scale": "8", "target": "160"}),
        (
            {"autoscaling": {"maxReplicas": 8, "scaleToZero": {"activator": "Knative"}, "scaleDownDelaySeconds": 60}},
            {"min-scale": "0", "max-scale": "8", "scale-down-delay": "60s"},
        ),
        (
            {"autoscaling": {"maxReplicas": 8, "inFlightPerReplica": 20}},
            {"target": "20", "target-utilization-percentage": "100", "scale-down-delay": "600s"},
        ),
    ],
)
def test_its_autoscaler_is_told_the_bounds_and_the_load(cloud: Manifest, said: dict[str, str]) -> None:
    assert said.items() <= scale(of_knative(cloud)).items()


@pytest.mark.parametrize(
    ("engine", "in_flight", "at_once"), [({}, None, 256), ({"maxNumSeqs": 8}, None, 8), ({"maxNumSeqs": 8}, 20, 20)]
)
def test_a_replica_is_given_what_it_computes_at_once_or_is_to_have_in_flight(
    engine: Manifest, in_flight: int | None, at_once: int
) -> None:
    autoscaling = {"maxReplicas": 2, "inFlightPerReplica": in_flight}
    assert revision(of_knative({"autoscaling": autoscaling}, engine=engine))["containerConcurrency"] == at_once


def test_times_are_ours_and_not_its_defaults() -> None:
    """It would cut an answer that does not begin within five minutes, and a start of more than ten."""
    made = of_knative(timeouts={"requestSeconds": 400, "progressDeadlineSeconds": 4000})
    assert (revision(made)["timeoutSeconds"], revision(made)["responseStartTimeoutSeconds"]) == (400, 400)
    annotations = made["spec"]["template"]["metadata"]["annotations"]
    assert annotations["serving.knative.dev/progress-deadline"] == "4000s"


@pytest.mark.parametrize(
    ("cloud", "spec", "needs"),
    [
        ({}, {}, [AFFINITY, CLAIM]),
        (
            {"nodeSelector": {"pool": "a"}},
            {},
            [AFFINITY, "config-features kubernetes.podspec-nodeselector: enabled", CLAIM],
        ),
        (
            {"cache": {"hostPath": "/var/lib/edgeglm/models"}},
            {"model": {"uri": "hf://owner/name"}},
            [
                "config-features kubernetes.containerspec-addcapabilities: enabled",
                AFFINITY,
                "config-features kubernetes.podspec-init-containers: enabled",
                "config-features kubernetes.podspec-volumes-hostpath: enabled",
            ],
        ),
        (
            {},
            {"timeouts": {"requestSeconds": 601}, "engine": {"maxNumSeqs": 1001}},
            [
                AFFINITY,
                CLAIM,
                "config-defaults max-revision-timeout-seconds: 601",
                "config-defaults container-concurrency-max-limit: 1001",
            ],
        ),
    ],
)
def test_what_must_be_allowed_first_is_known(cloud: Manifest, spec: Manifest, needs: list[str]) -> None:
    """That it is neither more nor less, Knative's own code says: tests/cluster/test_knative.py."""
    assert list(needs_of(of_knative(cloud, **spec))) == needs


def test_another_mode_is_no_wish_for_other_pods() -> None:
    """They are others in any case; but to say aloud what is so anyhow must restart none."""
    silent, said = (an_inference_service(cloud=cloud) for cloud in ({}, {"deploymentMode": "Standard"}))
    assert asked_of_cloud(silent) == asked_of_cloud(said)
