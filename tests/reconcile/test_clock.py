"""The machine's clock jumps: it is for what people read, and for waits that begin with a moment of the API server's."""

import pytest

from edgeglm_operator.kube.kinds import DEPLOYMENTS
from edgeglm_operator.reconcile.triggers import everything
from tests.reconcile.builders import PLANT, an_inference_service
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled
from tests.reconcile.test_deaths import SETTINGS, a_changed_plant, a_plant

jumping = pytest.mark.parametrize("now", ["1970-01-01T00:00:00Z", "2025-12-31T23:59:00Z", "2106-02-07T06:28:16Z"])


@jumping
async def test_a_jump_over_a_settled_world_writes_nothing(now: str) -> None:
    cluster = a_plant()
    operator = await reconciled(cluster, SETTINGS)
    before = len(cluster.writes)

    operator.now = now
    for key in everything(operator.store):
        operator.queue.add(key)
    await operator.settle()
    later = OperatorInMemory(cluster, SETTINGS)
    later.now = now
    await later.start()
    await later.settle()

    assert cluster.writes[before:] == []


@jumping
async def test_a_jump_in_the_middle_of_things_changes_nothing_but_what_is_said_of_time(now: str) -> None:
    undisturbed = await a_changed_plant()
    await reconciled(undisturbed, SETTINGS)
    cluster = await a_changed_plant()
    operator = OperatorInMemory(cluster, SETTINGS)

    await operator.start()
    operator.deliver()
    await operator._work()
    operator.now = now
    await operator.settle()

    assert without_moments(cluster) == without_moments(undisturbed)


@jumping
async def test_a_rollout_goes_to_its_end_whatever_the_time(now: str) -> None:
    cluster = InMemoryCluster()
    cluster.put(an_inference_service(cloud={"replicas": 1}))
    operator = await reconciled(cluster)

    operator.now = now
    cluster.put(an_inference_service(cloud={"replicas": 1}, engine={"maxModelLen": 1024}))
    await operator.settle()

    deployment = cluster.live(DEPLOYMENTS, PLANT, "llm")
    assert deployment is not None
    assert "1024" in str(deployment["spec"]["template"])


def without_moments(cluster: InMemoryCluster) -> dict[str, str]:
    """The state of the world, but for when conditions changed."""
    found = cluster.state()
    for each in found.values():
        for condition in (each.get("status") or {}).get("conditions", ()):
            condition.pop("lastTransitionTime", None)
    return {key: str(each) for key, each in found.items()}
