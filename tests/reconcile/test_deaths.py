"""Whenever the operator dies, or the server fails it, the world ends up as if nothing had happened."""

import asyncio
from typing import Any

import pytest

from edgeglm_operator.kube.errors import Throttled, Unavailable
from edgeglm_operator.kube.kinds import DEPLOYMENTS, HTTP_ROUTES, POD_MONITORS, SCALED_OBJECTS
from edgeglm_operator.settings import Settings
from tests.reconcile.builders import PLANT, a_sensor_graph, an_edge_node, an_edge_target, an_inference_service
from tests.reconcile.in_memory import DiedError, InMemoryCluster, failing_at
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

REQUESTS = range(1, 72)
"""More than a scene takes from the first list to rest (`undisturbed` makes sure)."""
SETTINGS = Settings(prometheus_url="http://prometheus:9090")


def a_plant() -> InMemoryCluster:
    """A service in the cloud and at two sites, and a graph there: every kind of child."""
    cluster = InMemoryCluster()
    cluster.offer(SCALED_OBJECTS, HTTP_ROUTES, POD_MONITORS)
    for node in ("box-1", "box-2"):
        cluster.put(an_edge_node(node))
    beside: dict[str, Any] = {
        "routing": {"httpRoute": {"parentRefs": [{"name": "public"}]}},
        "monitoring": {"podMonitor": True},
    }
    cloud = {"replicas": 2, "networkPolicy": {}}
    cluster.put(an_inference_service(cloud=cloud, edge=[an_edge_target("box-1", "box-2")], **beside))
    cluster.put(a_sensor_graph("line", "box-1", "box-2"))
    return cluster


async def a_changed_plant() -> InMemoryCluster:
    """One that was in place, then lost a site and its monitor, and got an autoscaler and another graph.

    Children to change, to make, to hand over and to prune.
    """
    cluster = a_plant()
    await reconciled(cluster, SETTINGS)
    cloud = {"replicas": None, "networkPolicy": None, "autoscaling": {"minReplicas": 1, "maxReplicas": 4}}
    cluster.put(an_inference_service(cloud=cloud, edge=[an_edge_target("box-1")], monitoring=None))
    cluster.put(a_sensor_graph("line", "box-1"))
    cluster.put(a_sensor_graph("other", "box-1"))
    return cluster


async def scene(name: str) -> InMemoryCluster:
    return a_plant() if name == "new" else await a_changed_plant()


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, dict[str, Any]]:
    """How each scene ends when nothing goes wrong."""

    async def ends(name: str) -> dict[str, Any]:
        cluster = await scene(name)
        before = len(cluster.requests)
        await reconciled(cluster, SETTINGS)
        assert len(cluster.requests) - before < len(REQUESTS), "the scene has outgrown the tests"
        return cluster.state()

    return {name: asyncio.run(ends(name)) for name in ("new", "changed")}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("dies_at", REQUESTS)
@pytest.mark.parametrize("name", ["new", "changed"])
async def test_a_death_at_any_request_changes_nothing_in_the_end(
    name: str, dies_at: int, moment: str, undisturbed: dict[str, dict[str, Any]]
) -> None:
    """The process ends before a request is carried out, or after it without hearing of it; another one starts."""
    cluster = await scene(name)

    setattr(cluster, moment, failing_at(len(cluster.requests) + dies_at, DiedError()))
    await _until_death(OperatorInMemory(cluster, SETTINGS))
    cluster.heal()
    await reconciled(cluster, SETTINGS)

    assert cluster.state() == undisturbed[name]
    assert (cluster.live(DEPLOYMENTS, PLANT, "llm") or {})["spec"]["replicas"] == 2


@pytest.mark.parametrize("error", [Unavailable("away"), Throttled("patience", 3)], ids=["away", "throttled"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("fails_at", REQUESTS)
async def test_a_failed_request_is_made_good_by_the_same_process(
    fails_at: int, moment: str, error: Exception, undisturbed: dict[str, dict[str, Any]]
) -> None:
    cluster = a_plant()

    setattr(cluster, moment, failing_at(fails_at, error))
    await reconciled(cluster, SETTINGS)

    assert cluster.state() == undisturbed["new"]


@pytest.mark.parametrize("name", ["new", "changed"])
async def test_a_restart_over_a_settled_world_writes_nothing(name: str) -> None:
    cluster = await scene(name)
    await reconciled(cluster, SETTINGS)
    before = len(cluster.writes)

    await reconciled(cluster, SETTINGS)

    assert cluster.writes[before:] == []


async def _until_death(operator: OperatorInMemory) -> None:
    try:
        await operator.start()
        await operator.settle()
    except DiedError:
        return
