"""A replica over several nodes: how its pods find each other, who is asked, and what holds them apart from others."""

from typing import Any

import pytest

from edgeglm_operator.reconcile.accept import accept
from edgeglm_operator.reconcile.capacity import Plan
from edgeglm_operator.reconcile.fit_check import Fit, fit_checks
from edgeglm_operator.resources.asked import asked_of_cloud
from edgeglm_operator.resources.cloud_deployment import make_cloud_deployment, replicas_alone
from edgeglm_operator.resources.leader_worker_set import in_its_kind
from edgeglm_operator.resources.load_target import scale_target
from edgeglm_operator.resources.network_policy import make_network_policy, make_worker_policy
from edgeglm_operator.resources.service import make_service
from edgeglm_operator.settings import Settings
from tests.unit.operator.builders import an_inference_service

Manifest = dict[str, Any]
SETTINGS = Settings()
EIGHT_EACH = {"nodesPerReplica": 2, "accelerator": {"count": 8}}


def groups(cloud: Manifest = EIGHT_EACH, **spec: Any) -> Manifest:
    service = an_inference_service(cloud=cloud, **spec)
    return in_its_kind(make_cloud_deployment(service, SETTINGS), service)


def engine_of(made: Manifest, which: str) -> Manifest:
    container: Manifest = made["spec"]["leaderWorkerTemplate"][which]["spec"]["containers"][0]
    return container


def test_the_pods_of_a_replica_find_each_other_by_what_their_set_tells_them() -> None:
    """The kubelet fills in the variables, so that nothing of them may be escaped."""
    made = groups()
    for which in ("leaderTemplate", "workerTemplate"):
        engine = engine_of(made, which)
        assert {"--nnodes=2", "--node-rank=$(LWS_WORKER_INDEX)", "--master-addr=$(LWS_LEADER_ADDRESS)"} <= {
            *engine["args"]
        }
        assert {"name": "VLLM_HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}} in engine["env"]
    assert made["spec"]["leaderWorkerTemplate"]["size"] == 2


def test_only_the_first_pod_is_asked() -> None:
    """No Service, budget or verification meets the others, nor do they have the key."""
    made = groups(auth={"apiKeySecretRef": {"name": "key", "key": "token"}})
    leader, worker = (engine_of(made, which) for which in ("leaderTemplate", "workerTemplate"))
    assert "--headless" not in leader["args"]
    assert worker["args"] == [*leader["args"], "--headless"]
    assert not {"ports", "startupProbe", "readinessProbe", "livenessProbe"} & worker.keys()
    assert "VLLM_API_KEY" in {each["name"] for each in leader["env"]} - {each["name"] for each in worker["env"]}

    selector = make_service(an_inference_service("llm"), SETTINGS)["spec"]["selector"]
    labels = [
        made["spec"]["leaderWorkerTemplate"][which]["metadata"]["labels"]
        for which in ("leaderTemplate", "workerTemplate")
    ]
    assert [selector.items() <= each.items() for each in labels] == [True, False]


def test_a_worker_stays_until_the_first_has_answered() -> None:
    made = groups(timeouts={"drainSeconds": 90})
    leader, worker = (engine_of(made, which) for which in ("leaderTemplate", "workerTemplate"))
    assert leader["lifecycle"]["preStop"]["sleep"]["seconds"] == 10
    assert worker["lifecycle"]["preStop"]["sleep"]["seconds"] == 10 + 90
    pods = [made["spec"]["leaderWorkerTemplate"][which]["spec"] for which in ("leaderTemplate", "workerTemplate")]
    assert {pod["terminationGracePeriodSeconds"] for pod in pods} == {10 + 90 + 15}


@pytest.mark.parametrize(
    ("strategy", "pace"),
    [
        ("Auto", {"maxSurge": 1, "maxUnavailable": 0}),
        ("Surge", {"maxSurge": 1, "maxUnavailable": 0}),
        ("InPlace", {"maxSurge": 0, "maxUnavailable": 1}),
        ("Recreate", {"maxSurge": 0, "maxUnavailable": "100%"}),
    ],
)
def test_a_rollout_goes_as_that_of_a_deployment(strategy: str, pace: Manifest) -> None:
    made = groups({**EIGHT_EACH, "rollout": {"strategy": strategy}})
    assert made["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"] == pace


@pytest.mark.parametrize(
    ("parallelism", "sizes"),
    [
        ({}, {"--tensor-parallel-size=8", "--pipeline-parallel-size=2"}),
        ({"tensor": 16}, {"--tensor-parallel-size=16"}),
        ({"tensor": 4}, {"--tensor-parallel-size=4", "--pipeline-parallel-size=4"}),
        ({"pipeline": 1}, {"--pipeline-parallel-size=1", "--tensor-parallel-size=16"}),
        (
            {"pipeline": 1, "data": 2},
            {"--pipeline-parallel-size=1", "--data-parallel-size=2", "--tensor-parallel-size=8"},
        ),
    ],
)
def test_the_accelerators_of_all_nodes_are_used(parallelism: Manifest, sizes: set[str]) -> None:
    """Where nothing is said, each node has a stage, and each layer of it is split over the node's accelerators."""
    arguments = engine_of(groups(engine={"parallelism": parallelism}), "leaderTemplate")["args"]
    assert {each for each in arguments if "-parallel-size" in each} == sizes
    assert accept(an_inference_service(cloud=EIGHT_EACH, engine={"parallelism": parallelism})) is None


def test_with_one_accelerator_a_node_there_is_nothing_to_split() -> None:
    arguments = engine_of(groups({"nodesPerReplica": 4, "accelerator": {}}), "leaderTemplate")["args"]
    assert {each for each in arguments if "-parallel-size" in each} == {"--pipeline-parallel-size=4"}


def test_accelerators_that_would_idle_are_told_by_node() -> None:
    refused = accept(an_inference_service(cloud=EIGHT_EACH, engine={"parallelism": {"tensor": 3}}))
    assert refused is not None
    assert refused.reason == "InvalidParallelism"
    assert "accelerator.count is 8 on each of 2 nodes, and parallelism uses 15" in refused.message


@pytest.mark.parametrize("argument", ["--nnodes=3", "--node-ra=0", "--master_addr=x"])
def test_what_the_operator_says_to_each_node_extra_args_may_not(argument: str) -> None:
    """On one node they may: whoever builds groups by hand does."""
    refused = accept(an_inference_service(cloud=EIGHT_EACH, engine={"extraArgs": [argument]}))
    assert refused is not None
    assert refused.reason == "ReservedFlag"
    assert "spec.cloud.nodesPerReplica" in refused.message
    assert accept(an_inference_service(cloud={}, engine={"extraArgs": [argument]})) is None


def test_a_worker_hears_its_own_service_alone_and_the_first_hears_workers_too() -> None:
    service = an_inference_service("llm", cloud={**EIGHT_EACH, "networkPolicy": {"from": [{"cidr": "10.0.0.0/8"}]}})
    of_workers = make_worker_policy(service)["spec"]
    places = [each["podSelector"]["matchLabels"]["edgeglm.io/place"] for each in of_workers["ingress"][0]["from"]]
    assert of_workers["podSelector"]["matchLabels"]["edgeglm.io/place"] == "cloud-worker"
    assert (places, "ports" in of_workers["ingress"][0]) == (["cloud", "cloud-worker"], False)

    assert service.spec.cloud is not None
    assert service.spec.cloud.network_policy is not None
    made = make_network_policy(service, service.spec.cloud.network_policy, SETTINGS)
    assert made["spec"]["ingress"][1:] == of_workers["ingress"]


def test_another_number_of_nodes_is_a_wish_for_other_pods() -> None:
    wishes = {
        asked_of_cloud(
            an_inference_service(cloud={"accelerator": {"count": 8}} | ({"nodesPerReplica": n} if n else {}))
        )
        for n in (None, 2, 3)
    }
    assert len(wishes) == 3


def test_who_scales_scales_the_groups() -> None:
    service = an_inference_service("llm", cloud=EIGHT_EACH)
    alone = in_its_kind(replicas_alone(make_cloud_deployment(service, SETTINGS), 3), service)
    assert alone["spec"] == {"replicas": 3}
    found = scale_target(service)
    assert (alone["apiVersion"], alone["kind"], alone["metadata"]["name"]) == tuple(found.values())


def the_fit(**cloud: Any) -> Fit:
    model = {"uri": "hf://zai-org/GLM-4.5-Air"}
    (fit,) = fit_checks(an_inference_service(model=model, engine={"maxModelLen": 8192}, cloud=cloud))
    return fit


def test_nodes_add_up_in_the_fit_check() -> None:
    """GLM-4.5-Air in 16 bits takes more than four accelerators of 40 GB, and less than two nodes' four."""
    four = {"count": 4, "memory": "40G"}
    assert the_fit(accelerator=four).fits is False
    over_two = the_fit(accelerator=four, nodesPerReplica=2)
    assert over_two.fits is True
    assert isinstance(over_two.plan, Plan)
    alone = the_fit(accelerator={"count": 8, "memory": "40G"}).plan
    assert isinstance(alone, Plan)
    assert over_two.plan.weights_bytes == alone.weights_bytes


def test_what_would_fit_is_told_by_node() -> None:
    fit = the_fit(accelerator={"count": 1, "memory": "40G"}, nodesPerReplica=2)
    assert fit.fits is False
    (more,) = [each for each in fit.suggestions if "spec.cloud.accelerator.count" in each.fields]
    assert more.fields["spec.cloud.accelerator.count"] == 4
    assert the_fit(accelerator={"count": 4, "memory": "40G"}, nodesPerReplica=2).fits is True
