"""The store believes the newest version, tells what changed, and finds what belongs to whom."""

import json
import sys
from typing import Any

import pytest

from edgeglm_api import labels
from edgeglm_operator.kube.kinds import DEPLOYMENTS, EDGE_SITES, INFERENCE_SERVICES, NODES
from edgeglm_operator.store import Name, Owner, Snapshot, Store
from tests.reconcile.builders import an_edge_node, an_edge_site, an_inference_service


def observed(manifest: dict[str, Any], *, version: int = 1, uid: str = "u1", generation: int = 1) -> dict[str, Any]:
    metadata = manifest["metadata"] | {"uid": uid, "resourceVersion": str(version), "generation": generation}
    return {**manifest, "metadata": metadata}


def a_deployment(**labels_: str) -> dict[str, Any]:
    metadata = {"name": "llm", "namespace": "plant", "labels": labels_}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 1}}


@pytest.fixture
def store() -> Store:
    return Store()


def test_a_new_object_is_a_change_of_wish(store: Store) -> None:
    change = store.put(INFERENCE_SERVICES, observed(an_inference_service()))

    assert change is not None
    assert (change.name, change.wish, change.before) == (Name("plant", "llm"), True, None)
    assert len(store.services) == 1


def test_what_was_settled_of_an_object_is_forgotten_with_it(store: Store) -> None:
    """Or it would add up for ever: names come and go."""
    store.put(DEPLOYMENTS, observed(a_deployment()))
    store.deployments.settled[Name("plant", "llm")] = ("1", "intent")
    store.remove(DEPLOYMENTS, Name("plant", "llm"))

    assert store.deployments.settled == {}


def test_a_snapshot_takes_half_of_its_json_at_most() -> None:
    made = a_deployment()
    made["spec"] |= {
        "template": {"spec": {"containers": [{"env": [{"name": f"V{n}", "value": "x"} for n in range(99)]}]}}
    }

    snapshot = Snapshot.of(made)

    assert snapshot.unpack() == made
    assert 2 * sys.getsizeof(snapshot.packed) < len(json.dumps(made))


def test_the_same_again_is_no_change(store: Store) -> None:
    store.put(INFERENCE_SERVICES, observed(an_inference_service()))

    assert store.put(INFERENCE_SERVICES, observed(an_inference_service())) is None


def test_a_change_of_status_alone_is_no_change_of_wish(store: Store) -> None:
    store.put(INFERENCE_SERVICES, observed(an_inference_service()))
    told = observed(an_inference_service() | {"status": {"url": "x"}}, version=2)

    change = store.put(INFERENCE_SERVICES, told)

    assert change is not None
    assert not change.wish


@pytest.mark.parametrize("field", ["generation", "uid", "deletionTimestamp"])
def test_specification_identity_and_end_are_the_wish(store: Store, field: str) -> None:
    store.put(INFERENCE_SERVICES, observed(an_inference_service()))
    other = observed(an_inference_service(), version=2)
    other["metadata"][field] = 7 if field == "generation" else "2026-01-01T00:00:00Z"

    change = store.put(INFERENCE_SERVICES, other)

    assert change is not None
    assert change.wish


def test_an_older_version_that_comes_late_is_passed_over(store: Store) -> None:
    store.put(DEPLOYMENTS, observed(a_deployment(), version=10))

    assert store.put(DEPLOYMENTS, observed(a_deployment(late="1"), version=9)) is None
    assert "late" not in held(store)["metadata"]["labels"]


def test_versions_are_compared_as_numbers(store: Store) -> None:
    store.put(DEPLOYMENTS, observed(a_deployment(), version=9))

    assert store.put(DEPLOYMENTS, observed(a_deployment(new="1"), version=10)) is not None


def test_another_object_of_the_same_name_is_believed_whatever_its_version(store: Store) -> None:
    store.put(DEPLOYMENTS, observed(a_deployment(), version=10, uid="u1"))
    store.put(DEPLOYMENTS, observed(a_deployment(new="1"), version=5, uid="u2"))

    assert held(store)["metadata"]["uid"] == "u2"


def test_the_end_of_an_object_does_not_end_its_successor(store: Store) -> None:
    store.put(DEPLOYMENTS, observed(a_deployment(), uid="u2"))

    assert store.remove(DEPLOYMENTS, Name("plant", "llm"), uid="u1") is None
    assert len(store.deployments) == 1


def test_children_are_found_by_the_label_of_their_owner(store: Store) -> None:
    store.put(DEPLOYMENTS, observed(a_deployment(**{labels.SERVICE: "llm"})))

    assert len(store.deployments.owned_by("plant", labels.SERVICE, "llm")) == 1
    assert store.deployments.owned_by("plant", labels.SERVICE, "other") == []
    assert store.deployments.owned_by("elsewhere", labels.SERVICE, "llm") == []


def test_a_child_that_changes_hands_is_found_at_its_new_owner_only(store: Store) -> None:
    store.put(DEPLOYMENTS, observed(a_deployment(**{labels.SERVICE: "a"}), version=1))
    store.put(DEPLOYMENTS, observed(a_deployment(**{labels.SITE: "b"}), version=2))

    assert store.deployments.owned_by("plant", labels.SERVICE, "a") == []
    assert len(store.deployments.owned_by("plant", labels.SITE, "b")) == 1


def test_the_end_of_a_child_tells_whose_it_was(store: Store) -> None:
    """Also when it only lost its label, and with it our sight of it."""
    store.put(DEPLOYMENTS, observed(a_deployment(**{labels.SERVICE: "llm"})))

    change = store.remove(DEPLOYMENTS, Name("plant", "llm"))

    assert change is not None
    assert change.owner == Owner(labels.SERVICE, "llm")
    assert store.deployments.owned_by("plant", labels.SERVICE, "llm") == []


def test_the_heartbeat_of_a_node_is_no_change(store: Store) -> None:
    node = observed(an_edge_node("box"), version=1)
    store.put(NODES, node)
    beat = observed(an_edge_node("box"), version=2)
    beat["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-02-02T00:00:00Z"

    assert store.put(NODES, beat) is None


def test_a_site_is_kept_whole_and_typed(store: Store) -> None:
    store.put(EDGE_SITES, observed(an_edge_site("box", "box", parameters={"broker": "b"})))
    typed, whole = store.sites.get("plant", "box"), store.snapshots(EDGE_SITES).get("plant", "box")

    assert typed is not None
    assert typed.spec.parameters == {"broker": "b"}
    assert isinstance(whole, Snapshot)
    assert whole.unpack()["spec"]["nodeName"] == "box"


def test_the_server_s_book_of_fields_is_not_kept() -> None:
    raw = a_deployment()
    raw["metadata"]["managedFields"] = [{"manager": "x"}] * 50

    assert "managedFields" not in Snapshot.of(raw).unpack()["metadata"]


def test_what_does_not_have_the_shape_of_its_kind_is_set_aside_with_the_path(store: Store) -> None:
    store.put(INFERENCE_SERVICES, observed(an_inference_service()))
    change = store.put(INFERENCE_SERVICES, unreadable(version=2))

    assert change is not None
    assert (change.wish, change.after) == (True, None)
    assert store.services.get("plant", "llm") is None
    assert store.services.fault("plant", "llm") == "spec.cloud.replicas: Expected `int | null`, got `str`"
    assert store.services.unreadable("plant") == {"llm"}
    assert store.services.versions() == {Name("plant", "llm"): "2"}


def test_what_is_set_aside_is_no_change_again_until_there_is_another_version(store: Store) -> None:
    store.put(INFERENCE_SERVICES, unreadable(version=2))

    assert store.put(INFERENCE_SERVICES, unreadable(version=2)) is None
    assert store.put(INFERENCE_SERVICES, observed(an_inference_service(), version=1)) is None
    assert store.put(INFERENCE_SERVICES, unreadable(version=3)) is not None


def test_what_was_set_aside_comes_back_when_it_can_be_read_again(store: Store) -> None:
    store.put(INFERENCE_SERVICES, unreadable(version=1))
    change = store.put(INFERENCE_SERVICES, observed(an_inference_service(), version=2))

    assert change is not None
    assert change.wish
    assert store.services.fault("plant", "llm") is None


def test_what_was_set_aside_can_be_removed(store: Store) -> None:
    store.put(INFERENCE_SERVICES, unreadable())

    assert store.remove(INFERENCE_SERVICES, Name("plant", "llm")) is not None
    assert store.services.unreadable("plant") == set()
    assert store.remove(INFERENCE_SERVICES, Name("plant", "llm")) is None


def test_a_status_that_cannot_be_read_hides_nothing(store: Store) -> None:
    store.put(INFERENCE_SERVICES, observed({**an_inference_service(), "status": {"cloud": "of another release"}}))

    service = store.services.get("plant", "llm")
    assert service is not None
    assert service.status.cloud is None


def unreadable(*, version: int = 1) -> dict[str, Any]:
    return observed(an_inference_service(cloud={"replicas": "many"}), version=version)


def held(store: Store) -> dict[str, Any]:
    snapshot = store.deployments.get("plant", "llm")
    assert snapshot is not None
    return snapshot.unpack()
