"""`edgeglm explain NAME` on what the operator made: the objects are found by the labels that the makers give them."""

from typing import Any

import pytest

from edgeglm_operator.kube.errors import Forbidden, NotFound
from edgeglm_operator.kube.kinds import (
    CORE_EVENTS,
    DEPLOYMENTS,
    EDGE_SITES,
    INFERENCE_SERVICES,
    NODES,
    SENSOR_GRAPHS,
    Kind,
)
from edgeglm_operator.live.cause import lines
from edgeglm_operator.live.chain import chain
from edgeglm_operator.live.look import look
from tests.reconcile.builders import PLANT, a_sensor_graph, an_edge_node, an_edge_target, an_inference_service
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import reconciled

NOW = "2026-01-01T00:10:00Z"
NO_ROOM = "0/3 nodes are available: 3 Insufficient cpu."


@pytest.fixture
async def cluster() -> InMemoryCluster:
    """A service in the cloud and at an edge node, and a graph there; the scheduler finds room for no pod."""
    cluster = InMemoryCluster()
    cluster.put(an_edge_node("box-1"))
    cluster.put(an_inference_service(cloud={"replicas": 1}, edge=[an_edge_target("box-1")]))
    cluster.put(a_sensor_graph("line", "box-1"))
    await reconciled(cluster)
    for deployment in cluster.names(DEPLOYMENTS):
        cluster.put(a_pod_of(cluster.live(DEPLOYMENTS, PLANT, deployment) or {}))
    await reconciled(cluster)
    return cluster


def a_pod_of(deployment: dict[str, Any]) -> dict[str, Any]:
    """As the Deployment's controller makes it, and the scheduler leaves it."""
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    unscheduled = {"type": "PodScheduled", "status": "False", "message": NO_ROOM}
    metadata = {"name": f"{deployment['metadata']['name']}-pod", "namespace": PLANT, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"conditions": [unscheduled]}}


def hide(cluster: InMemoryCluster, kind: Kind) -> None:
    """RBAC that does not let the user read a kind."""

    def forbid(number: int) -> None:
        if cluster.requests[number - 1][1] == kind:
            raise Forbidden("no")

    cluster.before = forbid


async def explained(cluster: InMemoryCluster, kind: Kind, name: str) -> str:
    return "\n".join(lines(chain(await look(cluster, kind, PLANT, name), NOW)))


@pytest.mark.parametrize(
    ("kind", "name", "pods"),
    [
        (INFERENCE_SERVICES, "llm", ["llm-pod", "llm-sites-box-1-pod"]),
        (SENSOR_GRAPHS, "line", ["box-1-agent-pod"]),
        (EDGE_SITES, "box-1", ["box-1-agent-pod"]),
    ],
)
async def test_each_kind_leads_down_to_its_own_pods(
    cluster: InMemoryCluster, kind: Kind, name: str, pods: list[str]
) -> None:
    found = await explained(cluster, kind, name)

    assert [line.split()[1].rstrip(":") for line in found.splitlines() if line.strip().startswith("Pod ")] == pods
    assert f"=> Unschedulable: no node can take it: {NO_ROOM[:-1]}" in found


@pytest.mark.parametrize("hidden", [CORE_EVENTS, NODES, DEPLOYMENTS])
async def test_what_may_not_be_read_is_said_and_the_rest_is_told(cluster: InMemoryCluster, hidden: Kind) -> None:
    hide(cluster, hidden)
    seen = await look(cluster, SENSOR_GRAPHS, PLANT, "line")

    assert seen.notes == (f"you may not list {hidden.plural}, so what they would tell is missing",)
    assert "EdgeSite plant/box-1 (node box-1): not ready" in "\n".join(lines(chain(seen, NOW)))


async def test_a_deployment_that_may_not_be_read_is_not_said_to_be_missing(cluster: InMemoryCluster) -> None:
    hide(cluster, DEPLOYMENTS)
    assert "there is no Deployment" not in await explained(cluster, INFERENCE_SERVICES, "llm")


async def test_what_is_not_there_is_not_found(cluster: InMemoryCluster) -> None:
    with pytest.raises(NotFound):
        await look(cluster, INFERENCE_SERVICES, PLANT, "none")


async def test_a_look_changes_nothing(cluster: InMemoryCluster) -> None:
    writes = len(cluster.writes)
    await explained(cluster, INFERENCE_SERVICES, "llm")
    assert len(cluster.writes) == writes
