"""Full lists bring the store in line, and never undo what is newer than they are."""

from collections.abc import AsyncIterator

import pytest

from edgeglm_operator.kube.client import Manifest
from edgeglm_operator.kube.errors import Forbidden
from edgeglm_operator.kube.kinds import INFERENCE_SERVICES, NODES, Kind
from edgeglm_operator.store import Name
from tests.reconcile.builders import PLANT, an_edge_node, an_inference_service
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import OperatorInMemory


@pytest.fixture
def cluster() -> InMemoryCluster:
    cluster = InMemoryCluster()
    for name in ("a", "b"):
        cluster.put(an_inference_service(name))
    return cluster


async def test_what_the_watch_missed_is_made_good(cluster: InMemoryCluster) -> None:
    operator = await listed(cluster)
    cluster.remove(INFERENCE_SERVICES, PLANT, "a")
    cluster.put(an_inference_service("b", cloud={"replicas": 5}))
    cluster.put(an_inference_service("c"))

    await operator.lister.list(INFERENCE_SERVICES)

    assert [service.metadata.name for service in operator.store.services.in_namespace(PLANT)] == ["b", "c"]
    b = operator.store.services.get(PLANT, "b")
    assert b is not None
    assert b.spec.cloud is not None
    assert b.spec.cloud.replicas == 5


async def test_what_came_while_the_list_was_under_way_is_kept(cluster: InMemoryCluster) -> None:
    """The watch tells of a new object after the server has made its list."""
    operator = await listed(cluster)
    list_ = cluster.list

    async def slow(kind: Kind, namespace: str = "", *, selector: str = "") -> AsyncIterator[Manifest]:
        items = [item async for item in list_(kind, namespace, selector=selector)]
        operator.feed.put(kind, cluster.put(an_inference_service("late")))
        for item in items:
            yield item

    setattr(cluster, "list", slow)  # noqa: B010 - mypy minds an assignment to a method
    await operator.lister.list(INFERENCE_SERVICES)

    assert operator.store.services.get(PLANT, "late") is not None


async def test_one_namespace_is_listed_without_touching_the_others(cluster: InMemoryCluster) -> None:
    operator = await listed(cluster)
    elsewhere = an_inference_service("elsewhere")
    elsewhere["metadata"]["namespace"] = "other"
    operator.feed.put(INFERENCE_SERVICES, cluster.put(elsewhere))

    await operator.lister.list(INFERENCE_SERVICES, PLANT)

    assert operator.store.services.get("other", "elsewhere") is not None


async def test_nodes_that_may_not_be_read_are_not_taken_for_gone(cluster: InMemoryCluster) -> None:
    cluster.put(an_edge_node("box"))
    operator = await listed(cluster)

    def forbid(number: int) -> None:
        if cluster.requests[number - 1][1] is NODES:
            raise Forbidden("no")

    cluster.before = forbid
    await operator.lister.list_all()
    assert not operator.store.nodes_readable

    cluster.heal()
    await operator.lister.list_all()
    assert operator.store.nodes_readable
    assert operator.store.nodes.get("", "box") is not None


async def test_any_other_kind_that_may_not_be_read_is_an_error(cluster: InMemoryCluster) -> None:
    operator = await listed(cluster)

    def forbid(number: int) -> None:
        if cluster.requests[number - 1][1] is INFERENCE_SERVICES:
            raise Forbidden("no")

    cluster.before = forbid
    with pytest.raises(Forbidden):
        await operator.lister.list_all()
    assert operator.store.services.versions().keys() == {Name(PLANT, "a"), Name(PLANT, "b")}


async def listed(cluster: InMemoryCluster) -> OperatorInMemory:
    operator = OperatorInMemory(cluster)
    await operator.start()
    return operator
