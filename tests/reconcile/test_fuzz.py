"""Ten thousand custom resources that nobody would write: each is told something, and none harms another.

They come in towns: one cluster each, with two nodes, a service, a graph and a site that somebody did mean, and some of
every kind and sort around them. Then all but those are edited at once.
"""

import itertools
from collections.abc import Iterator
from typing import Any, Final

import pytest

from edgeglm_api.bundle import decode
from edgeglm_operator.kube.kinds import CONFIG_MAPS, DEPLOYMENTS, SERVICES, kind_of
from edgeglm_operator.offline.check import faults_of
from edgeglm_operator.offline.crds import our_crds
from edgeglm_operator.offline.documents import Document
from edgeglm_operator.offline.schema_check import schema_faults
from edgeglm_operator.reconcile.triggers import FLEET
from tests.crd.rows import ROWS
from tests.reconcile.builders import (
    PLANT,
    a_sensor_graph,
    an_edge_node,
    an_edge_site,
    an_edge_target,
    an_inference_service,
)
from tests.reconcile.fuzz import KINDS, SORTS, Fuzz
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

pytestmark = pytest.mark.slow

Manifest = dict[str, Any]

DISTRICTS: Final = 20
TOWNS: Final = 10
"""In each district."""
OF_EACH_KIND_AND_SORT: Final = 3
"""In each town."""
PER_TOWN: Final = len(KINDS) * len(SORTS) * OF_EACH_KIND_AND_SORT
EXAMPLES: Final = [row.object for row in ROWS if row.refused is None]


def test_they_are_ten_thousand() -> None:
    assert DISTRICTS * TOWNS * PER_TOWN * 2 > 10_000


@pytest.mark.parametrize("district", range(DISTRICTS))
async def test_each_is_told_something_and_none_harms_another(district: int) -> None:
    """An operator that never came to rest would fail in `settle`. Over the last town it starts once more."""
    for town in range(TOWNS):
        fuzz = Fuzz(district * TOWNS + town, EXAMPLES)
        cluster = a_town()
        await move_in(cluster, fuzz)
        operator = await reconciled(cluster)
        assert_all_is_well(operator)

        await move_in(cluster, fuzz)
        await operator.settle()
        assert_all_is_well(operator)

    before = len(cluster.writes)
    assert bugs(await reconciled(cluster)) == {}
    assert cluster.writes[before:] == []


async def test_what_the_command_line_lets_pass_the_operator_does_not_call_invalid() -> None:
    fuzz, cluster = Fuzz(0, EXAMPLES), a_town()
    passed = []
    for number in range(50):
        for kind in KINDS:
            made = fuzz.object(kind, f"n-{number}", "likely")
            if not list(faults_of(Document("fuzz", made))):
                passed.append(cluster.put(made))
    await reconciled(cluster)

    assert len(passed) > 50
    assert [each["metadata"]["name"] for each in passed if "InvalidSpec" in reasons(cluster, each)] == []


def a_town() -> InMemoryCluster:
    """What somebody did mean, and was there first."""
    cluster = InMemoryCluster()
    for node in ("box-1", "box-2"):
        cluster.put(an_edge_node(node))
    cluster.put(an_inference_service("a-service", cloud={"replicas": 1}, edge=[an_edge_target("box-1", port=9000)]))
    cluster.put(a_sensor_graph("a-graph", "box-1", service="a-service"))
    cluster.put(an_edge_site("a-site", "box-1"))
    return cluster


async def move_in(cluster: InMemoryCluster, fuzz: Fuzz) -> None:
    """Some of every kind and sort, in place of those that there are."""
    for kind, sort, number in itertools.product(KINDS, SORTS, range(OF_EACH_KIND_AND_SORT)):
        made = fuzz.object(kind, f"{sort}-{number}", sort)
        status = made.pop("status", None)
        cluster.put(made)
        if isinstance(status, dict):
            await cluster.apply_status({**made, "status": status})  # by another release of the operator


def assert_all_is_well(operator: OperatorInMemory) -> None:
    cluster = operator.cluster
    assert bugs(operator) == {}
    assert [of["metadata"]["name"] for of in objects(cluster) if not is_told(of)] == []
    # The status of a foreign one may hold what another release wrote beyond our bounds; it is not of our making.
    ours = [of for of in objects(cluster) if not of["metadata"]["name"].startswith("foreign")]
    assert [fault for of in ours for fault in status_faults(of)] == []
    assert_the_meant_ones_serve(cluster)


def assert_the_meant_ones_serve(cluster: InMemoryCluster) -> None:
    assert cluster.live(SERVICES, PLANT, "a-service") is not None
    for deployment in ("a-service", "a-service-sites-box-1", "a-site-agent"):
        assert cluster.live(DEPLOYMENTS, PLANT, deployment) is not None
    bundle = cluster.live(CONFIG_MAPS, PLANT, "a-site-bundle")
    assert bundle is not None
    assert "a-graph" in {graph.name for graph in decode(bundle["data"]["bundle.json"].encode()).graphs}


def bugs(operator: OperatorInMemory) -> dict[str, float]:
    """How many reconciles ended in a way that nobody expects, by kind."""
    counts = {kind: operator.world.metrics.reconciles.labels(kind, "bug")._value.get() for kind in (*KINDS, FLEET)}
    return {kind: count for kind, count in counts.items() if count}


def objects(cluster: InMemoryCluster) -> Iterator[Manifest]:
    return (found for (kind, _), found in cluster.objects.items() if kind.name in KINDS)


def is_told(found: Manifest) -> bool:
    """Whether a condition speaks of what is asked for now."""
    generation = found["metadata"]["generation"]
    return any(each.get("observedGeneration") == generation for each in found.get("status", {}).get("conditions", ()))


def status_faults(found: Manifest) -> list[Any]:
    schema = our_crds()[found["kind"]].schema["properties"]["status"]
    return list(schema_faults(schema, found["status"]))


def reasons(cluster: InMemoryCluster, made: Manifest) -> set[str]:
    found = cluster.live(kind_of(made["apiVersion"], made["kind"]), PLANT, made["metadata"]["name"]) or {}
    return {each["reason"] for each in found["status"]["conditions"]}
