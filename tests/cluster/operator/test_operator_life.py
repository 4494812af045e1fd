"""An object's life: made, changed, tampered with, deleted."""

from typing import Any

import pytest

from edgeglm_api import group, labels
from edgeglm_operator.resources.names import edge_deployment_name
from tests.chart.kubectl import Kubectl
from tests.cluster.operator.objects import Scene, eventually
from tests.cluster.operator.process import OperatorProcess
from tests.reconcile.builders import an_edge_target, an_inference_service

pytestmark = pytest.mark.cluster


@pytest.fixture
def scene(installed: Kubectl, namespace: str, shared_operator: OperatorProcess) -> Scene:
    """A namespace that an operator looks after."""
    assert shared_operator.is_running, shared_operator.log()
    return Scene(installed, namespace)


def test_a_service_becomes_a_deployment_and_a_service_and_says_the_truth(scene: Scene) -> None:
    """No node can take its pod here, and the status must say just that."""
    scene.apply(an_inference_service(cloud={"replicas": 2}))

    assert eventually(lambda: scene.condition("infsvc", "llm", "Ready").get("reason") == "Unschedulable")
    assert scene.names("deployments") == ["llm"]
    assert scene.names("services") == ["llm"]
    assert scene.condition("infsvc", "llm", "Ready")["status"] == "Unknown"


def test_a_change_reaches_the_children(scene: Scene) -> None:
    scene.apply(an_inference_service(cloud={"replicas": 1}))
    assert eventually(lambda: scene.get("deployment", "llm"))

    scene.run("scale", "infsvc/llm", "--replicas=3")

    assert eventually(lambda: deployment(scene)["spec"]["replicas"] == 3)
    assert eventually(lambda: is_told(scene, generation=2))


def test_a_part_that_is_no_longer_asked_for_goes(scene: Scene, edge_node: str) -> None:
    """Dropping spec.cloud removes Deployment and Service; the replica at the edge stays, untouched."""
    scene.apply(an_inference_service(cloud={"replicas": 1}, edge=[an_edge_target(edge_node)]))
    assert eventually(lambda: len(scene.names("deployments")) == 2 and scene.names("services"))
    at_the_edge = edge_deployment_name("llm", "sites", edge_node)
    before = scene.get("deployment", at_the_edge)

    scene.run("patch", "infsvc", "llm", "--type=json", "-p", '[{"op": "remove", "path": "/spec/cloud"}]')

    assert eventually(lambda: scene.names("deployments") == [at_the_edge] and not scene.names("services"))
    assert before is not None
    assert (scene.get("deployment", at_the_edge) or {})["metadata"]["uid"] == before["metadata"]["uid"]


def test_a_network_policy_is_made_kept_and_removed(scene: Scene) -> None:
    peers = [{"namespaceSelector": {"team": "gateway"}}, {"cidr": "10.0.0.0/8"}]
    scene.apply(an_inference_service(cloud={"networkPolicy": {"from": peers}}))
    assert eventually(lambda: scene.get("networkpolicy", "llm"))
    assert eventually(lambda: is_told(scene))
    before = (scene.get("networkpolicy", "llm") or {})["spec"]

    scene.patch("networkpolicy", "llm", {"spec": {"ingress": [{}]}})
    assert eventually(lambda: (scene.get("networkpolicy", "llm") or {})["spec"] == before)

    scene.patch("infsvc", "llm", {"spec": {"cloud": {"networkPolicy": None}}})
    assert eventually(lambda: not scene.names("networkpolicies"))


DRIFTS: dict[str, tuple[str, dict[str, Any]]] = {
    "replicas": ("deployment", {"spec": {"replicas": 7}}),
    "a label": ("deployment", {"metadata": {"labels": {labels.COMPONENT: "mine"}}}),
    "the label by which we see it": ("deployment", {"metadata": {"labels": {labels.MANAGED_BY: None}}}),
    "the owner": ("deployment", {"metadata": {"ownerReferences": None}}),
    "the intent's own digest": ("deployment", {"metadata": {"annotations": {labels.INTENT_HASH: None}}}),
    "the port of the Service": ("service", {"spec": {"ports": [{"name": "http", "port": 80}]}}),
    "the Service's selector": ("service", {"spec": {"selector": {"more": "words"}}}),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_a_child_edited_by_hand_comes_back(scene: Scene, drift: str) -> None:
    kind, patch = DRIFTS[drift]
    scene.apply(an_inference_service())
    assert eventually(lambda: scene.get("service", "llm") and is_told(scene))
    before = without_accidents(scene.get(kind, "llm"))

    scene.patch(kind, "llm", patch)

    assert eventually(lambda: without_accidents(scene.get(kind, "llm")) == before)


@pytest.mark.parametrize("cascade", ["background", "foreground"])
@pytest.mark.parametrize("kind", ["deployment", "service"])
def test_a_child_deleted_by_hand_comes_back(scene: Scene, kind: str, cascade: str) -> None:
    scene.apply(an_inference_service())
    assert eventually(lambda: scene.get("service", "llm") and is_told(scene))
    uid = (scene.get(kind, "llm") or {})["metadata"]["uid"]

    scene.run("delete", kind, "llm", f"--cascade={cascade}", "--wait=false")

    assert eventually(lambda: (scene.get(kind, "llm") or {}).get("metadata", {}).get("uid", uid) != uid)


def test_what_somebody_adds_to_a_child_is_left_to_them(scene: Scene) -> None:
    """Server-side apply: their fields are theirs."""
    scene.apply(an_inference_service())
    assert eventually(lambda: scene.get("service", "llm") and is_told(scene))

    scene.patch("deployment", "llm", {"metadata": {"annotations": {"theirs": "1"}}, "spec": {"paused": True}})
    scene.run("scale", "infsvc/llm", "--replicas=2")

    assert eventually(lambda: deployment(scene)["spec"]["replicas"] == 2)
    assert deployment(scene)["spec"]["paused"] is True
    assert deployment(scene)["metadata"]["annotations"]["theirs"] == "1"


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_a_deleted_service_takes_its_children_along(scene: Scene, cascade: str, edge_node: str) -> None:
    """Foreground deletion waits for no child of ours: one at a dark site would never go."""
    scene.apply(an_inference_service(cloud={"replicas": 1}, edge=[an_edge_target(edge_node)]))
    assert eventually(lambda: len(scene.names("deployments")) == 2 and scene.names("esite"))

    scene.run("delete", "infsvc", "llm", f"--cascade={cascade}", "--timeout=20s")

    assert eventually(lambda: not scene.names("deployments,services,esite"))


def test_an_object_carries_no_trace_of_kopf(scene: Scene) -> None:
    scene.apply(an_inference_service())
    assert eventually(lambda: is_told(scene))

    metadata = (scene.get("infsvc", "llm") or {})["metadata"]

    assert "finalizers" not in metadata
    assert "annotations" not in metadata


def test_a_child_of_somebody_else_is_refused_and_said(scene: Scene) -> None:
    """A Deployment of the name that another object controls stays as it is."""
    theirs = an_owned_deployment(scene)

    scene.apply(an_inference_service())

    assert eventually(lambda: scene.condition("infsvc", "llm", "CloudReady").get("reason") == "NotOwned")
    assert "belongs to ConfigMap theirs" in scene.condition("infsvc", "llm", "Ready")["message"]
    assert deployment(scene)["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]


def test_a_child_of_nobody_is_not_taken_over(scene: Scene) -> None:
    """A user's own Service of that name."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "llm"}, "spec": {"ports": [{"port": 1}]}}
    scene.apply(service)

    scene.apply(an_inference_service())

    assert eventually(lambda: scene.condition("infsvc", "llm", "CloudReady").get("reason") == "NotOwned")
    assert (scene.get("service", "llm") or {})["spec"]["ports"][0]["port"] == 1


def test_once_the_stranger_is_gone_the_child_is_made(scene: Scene) -> None:
    an_owned_deployment(scene)
    scene.apply(an_inference_service())
    assert eventually(lambda: scene.condition("infsvc", "llm", "CloudReady").get("reason") == "NotOwned")

    scene.run("delete", "deployment", "llm")
    # Nobody tells of objects that are not ours, so without a change it takes until the next full look.
    scene.run("scale", "infsvc/llm", "--replicas=2")

    assert eventually(lambda: scene.condition("infsvc", "llm", "CloudReady").get("reason") == "Unschedulable")


def test_an_object_made_anew_under_its_old_name_gets_new_children(scene: Scene) -> None:
    """The children of the first one may still be there when the second one comes."""
    scene.apply(an_inference_service())
    assert eventually(lambda: scene.get("service", "llm") and is_told(scene))
    uid = deployment(scene)["metadata"]["uid"]

    scene.run("delete", "infsvc", "llm")
    scene.apply(an_inference_service())

    assert eventually(lambda: (scene.get("deployment", "llm") or {}).get("metadata", {}).get("uid", uid) != uid)
    assert eventually(lambda: scene.condition("infsvc", "llm", "CloudReady").get("reason") == "Unschedulable")


def test_a_transition_is_told_as_an_event_once(scene: Scene) -> None:
    an_owned_deployment(scene)
    scene.apply(an_inference_service())
    assert eventually(lambda: scene.condition("infsvc", "llm", "Ready").get("reason") == "NotOwned")

    def told() -> list[str]:
        words = "jsonpath={.items[*].reason}"
        return scene.run("get", "events", "--field-selector=involvedObject.kind=InferenceService", "-o", words).split()

    assert eventually(lambda: told().count("NotOwned") == 2)  # of Ready and of CloudReady


def deployment(scene: Scene) -> dict[str, Any]:
    return scene.get("deployment", "llm") or {}


def is_told(scene: Scene, generation: int = 1) -> bool:
    status = (scene.get("infsvc", "llm") or {}).get("status", {})
    return bool(status.get("observedGeneration") == generation and status["cloud"]["reason"] == "Unschedulable")


def an_owned_deployment(scene: Scene) -> dict[str, Any]:
    """One that a ConfigMap controls, of the name that ours would have."""
    scene.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}})
    uid = (scene.get("configmap", "theirs") or {})["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "uid": uid, "controller": True}
    pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": pod}
    metadata = {"name": "llm", "ownerReferences": [owner]}
    scene.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    assert eventually(lambda: deployment(scene).get("status", {}).get("observedGeneration"))
    return deployment(scene)


def without_accidents(found: dict[str, Any] | None) -> dict[str, Any]:
    """What an edit that came back leaves as it was."""
    metadata = {} if found is None else found["metadata"]
    annotations = {key: value for key, value in metadata.get("annotations", {}).items() if group.GROUP in key}
    kept = {"labels": metadata.get("labels"), "ours": annotations, "owners": metadata.get("ownerReferences")}
    return {**kept, "spec": (found or {}).get("spec")}
