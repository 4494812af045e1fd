"""What the CRD of another release let in is told so, and nothing of it is touched: after a rollback, say."""

import copy
from typing import Any

import pytest

from edgeglm_api.group import API_VERSION
from edgeglm_operator.kube.errors import Unavailable
from edgeglm_operator.kube.kinds import DEPLOYMENTS, EDGE_SITES, INFERENCE_SERVICES, SENSOR_GRAPHS, Kind
from edgeglm_operator.offline.crds import our_crds
from edgeglm_operator.offline.schema_check import schema_faults
from edgeglm_operator.store import Name
from tests.reconcile.builders import PLANT, a_sensor_graph, an_edge_node, an_edge_target, an_inference_service
from tests.reconcile.in_memory import InMemoryCluster, failing_at
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

Manifest = dict[str, Any]

NEW_WORDS: dict[Kind, Manifest] = {
    INFERENCE_SERVICES: {"cloud": {"rollout": {"strategy": "OfANewerRelease"}}},
    SENSOR_GRAPHS: {"reasoning": {"route": "OfANewerRelease"}},
    EDGE_SITES: {"spool": {"maxBytes": "OfANewerRelease"}},
}
NAMES = {INFERENCE_SERVICES: "llm", SENSOR_GRAPHS: "line", EDGE_SITES: "box-1"}


@pytest.fixture
async def cluster() -> InMemoryCluster:
    """A service in the cloud and at two sites, a graph at each of them, all in place."""
    cluster = InMemoryCluster()
    for node in ("box-1", "box-2"):
        cluster.put(an_edge_node(node))
    cluster.put(an_inference_service(cloud={"replicas": 1}, edge=[an_edge_target("box-1")]))
    cluster.put(a_sensor_graph("line", "box-1"))
    cluster.put(
        a_sensor_graph("other", "box-2", reasoning={"endpoint": {"url": "http://127.0.0.1:9/v1", "model": "m"}})
    )
    await reconciled(cluster)
    return cluster


@pytest.mark.parametrize("kind", NAMES, ids=lambda kind: kind.name)
async def test_all_that_belongs_to_it_stays(cluster: InMemoryCluster, kind: Kind) -> None:
    """Children, sites and bundles, after a restart too, when nothing is known of what it was."""
    before = all_but_statuses(cluster)

    spoil(cluster, kind)
    await reconciled(cluster)

    assert all_but_statuses(cluster) == before
    written = len(cluster.writes)
    await reconciled(cluster)
    assert cluster.writes[written:] == []


@pytest.mark.parametrize("kind", NAMES, ids=lambda kind: kind.name)
async def test_it_is_told_where_it_is_wrong(cluster: InMemoryCluster, kind: Kind) -> None:
    spoil(cluster, kind)
    await reconciled(cluster)

    told = condition(cluster, kind, NAMES[kind], "Accepted")
    assert (told["status"], told["reason"]) == ("False", "InvalidSpec")
    (path,) = NEW_WORDS[kind]
    assert told["message"].startswith(f"spec.{path}.")
    assert "another release" in told["message"]
    assert schema_faults(our_crds()[kind.name].schema["properties"]["status"], status(cluster, kind)) == []


@pytest.mark.parametrize("of", ["Accepted", "SomebodyElses"])
async def test_it_is_told_though_a_condition_in_its_status_cannot_be_read_either(
    cluster: InMemoryCluster, of: str
) -> None:
    """To the schema of a CRD, 1.0 is an integer."""
    odd = {"type": of, "status": "True", "reason": "Odd", "message": "", "observedGeneration": 1.0}
    odd["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    name = {"name": NAMES[SENSOR_GRAPHS], "namespace": PLANT}
    spoil(cluster, SENSOR_GRAPHS)
    cluster.put({"apiVersion": API_VERSION, "kind": "SensorGraph", "metadata": name, "status": {"conditions": [odd]}})
    await reconciled(cluster)

    told = condition(cluster, SENSOR_GRAPHS, NAMES[SENSOR_GRAPHS], "Accepted")
    assert (told["status"], told["reason"]) == ("False", "InvalidSpec")


@pytest.mark.parametrize("kind", NAMES, ids=lambda kind: kind.name)
async def test_once_mended_it_goes_on(cluster: InMemoryCluster, kind: Kind) -> None:
    before = all_but_statuses(cluster)
    good = copy.deepcopy(cluster.objects[kind, Name(PLANT, NAMES[kind])])
    spoil(cluster, kind)
    operator = await reconciled(cluster)

    await cluster.update({**cluster.objects[kind, Name(PLANT, NAMES[kind])], "spec": good["spec"]})
    await operator.settle()

    assert all_but_statuses(cluster) == before
    assert reasons(status(cluster, kind)) == reasons(good["status"])


async def test_what_it_had_goes_with_it(cluster: InMemoryCluster) -> None:
    spoil(cluster, INFERENCE_SERVICES)
    spoil(cluster, SENSOR_GRAPHS)
    operator = await reconciled(cluster)

    cluster.remove(SENSOR_GRAPHS, PLANT, "line")
    cluster.remove(INFERENCE_SERVICES, PLANT, "llm")
    await operator.settle()

    assert cluster.names(EDGE_SITES) == ["box-2"]


async def test_others_go_on(cluster: InMemoryCluster) -> None:
    """At other sites, and what is new gets its site."""
    spoil(cluster, SENSOR_GRAPHS)
    operator = await reconciled(cluster)
    bundle = status(cluster, EDGE_SITES, "box-2")["bundle"]

    cluster.put(an_edge_node("box-3"))
    endpoint = {"url": "http://127.0.0.1:10/v1", "model": "m"}
    cluster.put(a_sensor_graph("other", "box-2", "box-3", reasoning={"endpoint": endpoint}))
    await operator.settle()

    assert cluster.names(EDGE_SITES) == ["box-1", "box-2", "box-3"]
    assert status(cluster, EDGE_SITES, "box-2")["bundle"]["generation"] == bundle["generation"] + 1


async def test_one_that_was_never_in_the_bundle_holds_nobody_up(cluster: InMemoryCluster) -> None:
    new = a_sensor_graph("new", "box-1")
    new["spec"]["reasoning"]["route"] = "OfANewerRelease"
    cluster.put(new)
    operator = await reconciled(cluster)
    bundle = status(cluster, EDGE_SITES, "box-1")["bundle"]

    cluster.put(a_sensor_graph("line", "box-1", window={"sizeSeconds": 99}))
    await operator.settle()

    assert status(cluster, EDGE_SITES, "box-1")["bundle"]["generation"] == bundle["generation"] + 1


async def test_a_graph_whose_service_cannot_be_read_stays_in_the_bundle(cluster: InMemoryCluster) -> None:
    spoil(cluster, INFERENCE_SERVICES)
    operator = await reconciled(cluster)
    bundle = status(cluster, EDGE_SITES, "box-1")["bundle"]

    cluster.put(a_sensor_graph("line", "box-1", window={"sizeSeconds": 99}))
    await operator.settle()

    assert status(cluster, EDGE_SITES, "box-1")["bundle"] == bundle
    assert "InferenceService llm" in condition(cluster, EDGE_SITES, "box-1", "AgentReady")["message"]


async def test_one_that_only_breaks_a_rule_is_refused_where_it_breaks_the_reconcile(cluster: InMemoryCluster) -> None:
    """An older CRD need not ask for a place to serve at."""
    homeless = an_inference_service("homeless", edge=[])
    cluster.put(homeless)
    operator = await reconciled(cluster)

    told = condition(cluster, INFERENCE_SERVICES, "homeless", "Accepted")
    assert (told["status"], told["reason"]) == ("False", "InvalidSpec")
    assert operator.world.metrics.reconciles.labels("InferenceService", "bug")._value.get() == 0


async def test_what_became_unreadable_meanwhile_is_not_asked_for_in_haste(cluster: InMemoryCluster) -> None:
    """The reconcile starts from what was readable, and finds the other when it confirms its parent."""
    operator = OperatorInMemory(cluster)
    await operator.start()
    operator.deliver()
    cluster.remove(DEPLOYMENTS, PLANT, "llm")
    spoil(cluster, INFERENCE_SERVICES)
    late = Name(PLANT, "llm")
    operator._told[INFERENCE_SERVICES, late] = cluster.objects[INFERENCE_SERVICES, late]["metadata"]["resourceVersion"]

    await operator.settle()

    assert condition(cluster, INFERENCE_SERVICES, "llm", "Accepted")["reason"] == "InvalidSpec"


async def test_the_word_is_written_though_a_request_fails(cluster: InMemoryCluster) -> None:
    spoil(cluster, INFERENCE_SERVICES)
    for number in range(1, 60):
        cluster.before = failing_at(len(cluster.requests) + number, Unavailable("away"))
        await reconciled(cluster)
        cluster.heal()
        assert condition(cluster, INFERENCE_SERVICES, "llm", "Accepted")["reason"] == "InvalidSpec"


async def test_an_empty_value_of_a_setting_is_said() -> None:
    """The CRD demands a value there, and an empty variable is one; left out, no status could be written at all."""
    cluster = InMemoryCluster()
    cluster.put(an_inference_service(cloud={"replicas": 1}, engine={"env": [{"name": "EMPTY"}]}))
    await reconciled(cluster)

    assert schema_faults(our_crds()["InferenceService"].schema["properties"]["status"], status(cluster)) == []


def spoil(cluster: InMemoryCluster, kind: Kind) -> None:
    """Give an object a word that this release does not know."""
    cluster.put(
        {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {"name": NAMES[kind], "namespace": PLANT},
            "spec": NEW_WORDS[kind],
        }
    )


def all_but_statuses(cluster: InMemoryCluster) -> dict[str, Any]:
    """What there is, but for what the three kinds say and ask."""
    return {
        key: found if "edgeglm.io" not in found["apiVersion"] else found["metadata"]
        for key, found in cluster.state().items()
    }


def status(cluster: InMemoryCluster, kind: Kind = INFERENCE_SERVICES, name: str = "") -> Manifest:
    found = cluster.live(kind, PLANT, name or NAMES[kind])
    assert found is not None
    told: Manifest = found["status"]
    return told


def reasons(told: Manifest) -> dict[str, str]:
    return {each["type"]: each["reason"] for each in told["conditions"]}


def condition(cluster: InMemoryCluster, kind: Kind, name: str, type_: str) -> Manifest:
    return next(each for each in status(cluster, kind, name)["conditions"] if each["type"] == type_)
