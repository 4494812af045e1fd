"""What the operator leans on in an API server: the same tests for the one in memory and for a real one."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgeglm_operator.kube.client import FIELD_MANAGER, HAND_OVER_MANAGER, KubeClient, Manifest
from edgeglm_operator.kube.connection import connect
from edgeglm_operator.kube.errors import Conflict, InternalError, NotFound
from edgeglm_operator.kube.kinds import (
    AUTOSCALERS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    EDGE_SITES,
    INFERENCE_SERVICES,
    LEASES,
    NETWORK_POLICIES,
    POD_METRICS,
    SCALED_OBJECTS,
    SERVICES,
    Kind,
)
from edgeglm_operator.kube.rest import RestClient
from tests.chart.kubectl import Kubectl
from tests.cluster.fixtures import AnyCluster
from tests.reconcile.builders import an_inference_service
from tests.reconcile.in_memory import InMemoryCluster

ROOT = Path(__file__).parents[2]
LABELS = {"a": "1"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "one", "image": "one:1"}]}}
CHILD_KINDS: dict[Kind, Manifest] = {
    DEPLOYMENTS: {"selector": {"matchLabels": LABELS}, "template": TEMPLATE},
    SERVICES: {"selector": LABELS, "ports": [{"port": 80}]},
    DISRUPTION_BUDGETS: {"selector": {"matchLabels": LABELS}, "maxUnavailable": 1},
    NETWORK_POLICIES: {"podSelector": {"matchLabels": LABELS}},
    EDGE_SITES: {"nodeName": "box-1"},
}
"""A specification of each; in memory they are alike, but a real server has a way of its own for each."""
UNSERVED = SCALED_OBJECTS
"""Not in a cluster of the tests, unless a test puts it there."""


class Place:
    """A client and a namespace to use it in."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    def config_map(self, name: str = "one", **data: str) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace, "labels": {"a": "1", "name": name}},
            "data": data,
        }

    def service(self, **spec: Any) -> Manifest:
        made = an_inference_service(**spec)
        made["metadata"]["namespace"] = self.namespace
        return made

    async def data(self, name: str = "one") -> Any:
        return (await self.client.get(CONFIG_MAPS, self.namespace, name)).get("data")


@pytest.fixture(params=["in memory", pytest.param("real", marks=pytest.mark.cluster)])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    if request.param == "in memory":
        yield Place(InMemoryCluster(), "contract")
        return
    cluster: AnyCluster = request.getfixturevalue("cluster")
    namespace = f"contract-{secrets.token_hex(3)}"
    kubectl = Kubectl(cluster.kubeconfig)
    kubectl.apply([yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))])
    kubectl.run("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
    kubectl.run("create", "namespace", namespace)
    async with RestClient(await connect(cluster.kubeconfig)) as client:
        yield Place(client, namespace)
    kubectl.run("delete", "namespace", namespace, "--wait=false")


async def test_apply_makes_and_get_finds(place: Place) -> None:
    made = await place.client.apply(place.config_map(a="1"))

    found = await place.client.get(CONFIG_MAPS, place.namespace, "one")

    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert found["data"] == {"a": "1"}


async def test_what_is_not_there_is_not_found(place: Place) -> None:
    with pytest.raises(NotFound):
        await place.client.get(CONFIG_MAPS, place.namespace, "none")


async def test_apply_drops_what_it_said_before_and_keeps_what_others_said(place: Place) -> None:
    await place.client.apply(place.config_map(a="1", b="2"))
    await place.client.patch(CONFIG_MAPS, place.namespace, "one", {"data": {"theirs": "3"}})

    await place.client.apply(place.config_map(a="1"))

    assert await place.data() == {"a": "1", "theirs": "3"}


async def test_null_in_a_patch_takes_away_what_anybody_applied(place: Place) -> None:
    """A label that two managers hold stays when one of them no longer applies it."""
    await place.client.apply(place.config_map(mine="1"))
    await place.client.apply(place.config_map(mine="1"), manager="somebody")
    await place.client.patch(CONFIG_MAPS, place.namespace, "one", {"metadata": {"labels": {"a": None}}})

    found = await place.client.get(CONFIG_MAPS, place.namespace, "one")
    assert found["metadata"]["labels"] == {"name": "one"}
    assert found["data"] == {"mine": "1"}


async def test_apply_takes_a_value_back(place: Place) -> None:
    await place.client.apply(place.config_map(a="1"))
    await place.client.patch(CONFIG_MAPS, place.namespace, "one", {"data": {"a": "2"}})

    await place.client.apply(place.config_map(a="1"))

    assert await place.data() == {"a": "1"}


async def test_apply_drops_nothing_that_another_manager_says_too(place: Place) -> None:
    """So a field is handed over."""
    await place.client.apply(place.config_map(a="1", b="2"))
    await place.client.apply(place.config_map(b="2"), manager=HAND_OVER_MANAGER)

    await place.client.apply(place.config_map(a="1"))

    assert await place.data() == {"a": "1", "b": "2"}


async def test_apply_new_makes_what_is_not_there_and_later_applies_drop_fields(place: Place) -> None:
    made = await place.client.apply_new(place.config_map(a="1", b="2"))
    assert made["data"] == {"a": "1", "b": "2"}

    await place.client.apply(place.config_map(a="1"))

    assert await place.data() == {"a": "1"}


@pytest.mark.parametrize("verb", ["apply", "apply_new", "create"])
async def test_apply_new_is_a_conflict_with_whatever_has_the_name(place: Place, verb: str) -> None:
    await getattr(place.client, verb)(place.config_map(theirs="1"))

    with pytest.raises(Conflict):
        await place.client.apply_new(place.config_map(theirs="1", ours="2"))
    assert await place.data() == {"theirs": "1"}


@pytest.mark.parametrize("kind", CHILD_KINDS, ids=lambda kind: kind.name)
async def test_apply_new_is_a_conflict_for_each_kind_of_child(place: Place, kind: Kind) -> None:
    manifest = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {"name": "one", "namespace": place.namespace},
        "spec": CHILD_KINDS[kind],
    }
    await place.client.apply_new(manifest)

    with pytest.raises(Conflict):
        await place.client.apply_new(manifest)


@pytest.mark.parametrize("place", [pytest.param("real", marks=pytest.mark.cluster)], indirect=True)
@pytest.mark.parametrize("kind", CHILD_KINDS, ids=lambda kind: kind.name)
async def test_an_apply_of_a_field_that_the_schema_does_not_know_is_refused(place: Place, kind: Kind) -> None:
    """Though we spare the server to look for such fields: it cannot note whose a field is that it does not know."""
    made = {"apiVersion": kind.api_version, "kind": kind.name, "spec": CHILD_KINDS[kind] | {"unheard": 1}}

    with pytest.raises(InternalError, match="unheard"):
        await place.client.apply_new(made | {"metadata": {"name": "one", "namespace": place.namespace}})

    with pytest.raises(NotFound):
        await place.client.get(kind, place.namespace, "one")


async def test_a_server_tells_what_it_serves(place: Place) -> None:
    assert await place.client.serves(AUTOSCALERS)
    assert not await place.client.serves(UNSERVED)
    assert not await place.client.serves(POD_METRICS)


async def test_a_kind_that_is_not_served_is_not_found(place: Place) -> None:
    with pytest.raises(NotFound):
        _ = [each async for each in place.client.list(UNSERVED)]
    with pytest.raises(NotFound):
        await place.client.get(UNSERVED, place.namespace, "one")
    with pytest.raises(NotFound):
        await place.client.apply(
            {
                "apiVersion": UNSERVED.api_version,
                "kind": UNSERVED.name,
                "metadata": {"name": "one", "namespace": place.namespace},
            }
        )


async def test_the_same_apply_again_makes_no_new_version(place: Place) -> None:
    first = await place.client.apply(place.config_map(a="1"))
    second = await place.client.apply(place.config_map(a="1"))

    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


async def test_list_selects_by_labels(place: Place) -> None:
    for name in ("one", "two"):
        await place.client.apply(place.config_map(name))

    found = [
        each["metadata"]["name"]
        async for each in place.client.list(CONFIG_MAPS, place.namespace, selector="a=1,name in (two,three)")
    ]

    assert found == ["two"]


async def test_list_is_in_the_order_of_names(place: Place) -> None:
    """Of what there is too much of, a restart so reads the same part."""
    for name in ("c", "a-2", "b", "a", "a-10"):
        await place.client.apply(place.config_map(name))
    listed = [
        found["metadata"]["name"] async for found in place.client.list(CONFIG_MAPS, place.namespace, selector="a")
    ]
    assert listed == ["a", "a-10", "a-2", "b", "c"]


async def test_list_tells_kind_and_version_of_each(place: Place) -> None:
    await place.client.apply(place.config_map())

    found = [each async for each in place.client.list(CONFIG_MAPS, place.namespace, selector="a=1")]

    assert [(each["apiVersion"], each["kind"]) for each in found] == [("v1", "ConfigMap")]


async def test_status_changes_neither_specification_nor_generation(place: Place) -> None:
    made = await place.client.apply(place.service())
    told = await place.client.apply_status(a_status(place))

    assert told["metadata"]["generation"] == made["metadata"]["generation"]
    assert told["spec"] == made["spec"]
    assert told["status"]["url"] == "x"


async def test_status_drops_what_it_said_before(place: Place) -> None:
    await place.client.apply(place.service())
    await place.client.apply_status(a_status(place, modelName="m"))
    told = await place.client.apply_status(a_status(place))

    assert "modelName" not in told["status"]


async def test_a_count_may_fall_to_zero_if_the_zero_is_said(place: Place) -> None:
    """Left out, it would leave null behind where its map stood, which the CRD refuses."""
    await place.client.apply(place.service())
    await place.client.apply_status(a_status(place, edge=[{"name": "a", "sites": {"desired": 1}}]))
    zero = await place.client.apply_status(a_status(place, edge=[{"name": "a", "sites": {"desired": 0}}]))

    assert zero["status"]["edge"][0]["sites"] == {"desired": 0}


async def test_a_status_makes_no_object(place: Place) -> None:
    with pytest.raises(NotFound):
        await place.client.apply_status(a_status(place))


async def test_a_changed_specification_is_a_new_generation(place: Place) -> None:
    first = await place.client.apply(place.service(cloud={"replicas": 1}))
    second = await place.client.apply(place.service(cloud={"replicas": 2}))

    assert second["metadata"]["generation"] == first["metadata"]["generation"] + 1


async def test_delete_means_exactly_one_object(place: Place) -> None:
    made = await place.client.apply(place.config_map())

    with pytest.raises(Conflict):
        await place.client.delete(CONFIG_MAPS, place.namespace, "one", uid="00000000-0000-0000-0000-000000000000")
    await place.client.delete(CONFIG_MAPS, place.namespace, "one", uid=made["metadata"]["uid"])
    with pytest.raises(NotFound):
        await place.client.delete(CONFIG_MAPS, place.namespace, "one", uid=made["metadata"]["uid"])


async def test_create_is_a_conflict_when_it_exists(place: Place) -> None:
    await place.client.create(a_lease(place))

    with pytest.raises(Conflict):
        await place.client.create(a_lease(place))


async def test_update_is_a_conflict_when_the_version_is_not_the_newest(place: Place) -> None:
    first = await place.client.create(a_lease(place))
    await place.client.update({**first, "spec": {"holderIdentity": "b"}})

    with pytest.raises(Conflict):
        await place.client.update({**first, "spec": {"holderIdentity": "c"}})

    lease = await place.client.get(LEASES, place.namespace, "lease")
    assert lease["spec"]["holderIdentity"] == "b"


def a_status(place: Place, **fields: Any) -> Manifest:
    return {
        "apiVersion": INFERENCE_SERVICES.api_version,
        "kind": INFERENCE_SERVICES.name,
        "metadata": {"name": "llm", "namespace": place.namespace},
        "status": {"url": "x", **fields},
    }


def a_lease(place: Place) -> Manifest:
    return {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.name,
        "metadata": {"name": "lease", "namespace": place.namespace},
        "spec": {"holderIdentity": FIELD_MANAGER},
    }
