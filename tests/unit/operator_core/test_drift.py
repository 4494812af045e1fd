"""Drift: what the server adds is none, what somebody changed is."""

from typing import Any

import pytest

from edgeglm_operator.reconcile.drift import drift

INTENT: dict[str, Any] = {
    "metadata": {"labels": {"a": "1"}, "ownerReferences": [{"uid": "u1", "controller": True}]},
    "spec": {
        "replicas": 2,
        "selector": {"app": "x"},
        "ports": [{"name": "http", "port": 8000}],
        "template": {
            "spec": {
                "nodeSelector": {"zone": "a"},
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "containers": [
                    {
                        "name": "engine",
                        "args": ["--model", "m"],
                        "env": [{"name": "EMPTY", "value": ""}, {"name": "HOME", "value": "/h"}],
                        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi", "nvidia.com/gpu": 1}},
                    }
                ],
                "volumes": [{"name": "shm", "emptyDir": {"sizeLimit": "2048Mi"}}],
            }
        },
    },
}


def as_the_server_keeps_it() -> dict[str, Any]:
    """Defaults added, quantities in canonical form, empty words dropped, somebody else's items among ours."""
    return {
        "metadata": {
            "labels": {"a": "1", "theirs": "2"},
            "ownerReferences": [{"uid": "u0"}, {"uid": "u1", "controller": True, "apiVersion": "v1"}],
            "uid": "x",
        },
        "spec": {
            "replicas": 2,
            "selector": {"app": "x"},
            "revisionHistoryLimit": 10,
            "ports": [{"name": "http", "port": 8000, "protocol": "TCP", "targetPort": 8000}],
            "template": {
                "spec": {
                    "nodeSelector": {"zone": "a"},
                    "tolerations": [{"key": "gpu", "operator": "Exists"}],
                    "containers": [
                        {"name": "sidecar"},
                        {
                            "name": "engine",
                            "args": ["--model", "m"],
                            "env": [
                                {"name": "THEIRS", "value": "1"},
                                {"name": "EMPTY"},
                                {"name": "HOME", "value": "/h"},
                            ],
                            "resources": {"limits": {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}},
                        },
                    ],
                    "volumes": [{"name": "shm", "emptyDir": {"sizeLimit": "2Gi"}}],
                }
            },
        },
        "status": {"replicas": 2},
    }


def test_what_the_server_and_others_add_is_no_drift() -> None:
    assert drift(as_the_server_keeps_it(), INTENT) is None


def engine_of(live: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in live["spec"]["template"]["spec"]["containers"] if each["name"] == "engine")


CHANGES: dict[str, tuple[Any, str]] = {
    "a value": (lambda live: live["spec"].update(replicas=3), "spec.replicas"),
    "a label taken away": (lambda live: live["metadata"]["labels"].pop("a"), "metadata.labels.a"),
    "an owner taken away": (lambda live: live["metadata"].update(ownerReferences=[]), "metadata.ownerReferences[u1]"),
    "an owner that no longer controls": (
        lambda live: live["metadata"]["ownerReferences"][1].update(controller=False),
        "metadata.ownerReferences[u1].controller",
    ),
    "a word more in a selector": (lambda live: live["spec"]["selector"].update(more="1"), "spec.selector"),
    "a word more in a node selector": (
        lambda live: live["spec"]["template"]["spec"]["nodeSelector"].update(more="1"),
        "spec.template.spec.nodeSelector",
    ),
    "a toleration more": (
        lambda live: live["spec"]["template"]["spec"]["tolerations"].append({"operator": "Exists"}),
        "spec.template.spec.tolerations",
    ),
    "an argument": (
        lambda live: engine_of(live)["args"].__setitem__(1, "other"),
        "spec.template.spec.containers[engine].args[1]",
    ),
    "an argument more": (
        lambda live: engine_of(live)["args"].append("--x"),
        "spec.template.spec.containers[engine].args",
    ),
    "an environment variable": (
        lambda live: engine_of(live)["env"][2].update(value="/x"),
        "spec.template.spec.containers[engine].env[HOME].value",
    ),
    "an empty variable that got a value": (
        lambda live: engine_of(live)["env"][1].update(value="x"),
        "spec.template.spec.containers[engine].env[EMPTY].value",
    ),
    "a quantity": (
        lambda live: engine_of(live)["resources"]["limits"].update(memory="2Gi"),
        "spec.template.spec.containers[engine].resources.limits.memory",
    ),
    "a container renamed": (
        lambda live: engine_of(live).update(name="other"),
        "spec.template.spec.containers[engine]",
    ),
    "a port": (lambda live: live["spec"]["ports"][0].update(port=9000), "spec.ports[8000]"),
    "a map replaced by a word": (lambda live: live["spec"].update(template="x"), "spec.template"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_somebody_changed_is_found(name: str) -> None:
    change, path = CHANGES[name]
    live = as_the_server_keeps_it()
    change(live)

    assert drift(live, INTENT) == path


@pytest.mark.parametrize(
    ("live", "intent", "same"),
    [
        ("1", 1, True),
        ("500m", "0.5", True),
        ("1Gi", "1024Mi", True),
        ("1G", "1000M", True),
        ("1G", "1Gi", False),
        ("2", 1, False),
        ("banana", 1, False),
    ],
)
def test_quantities_are_compared_as_numbers(live: str, intent: str | int, *, same: bool) -> None:
    found = drift({"limits": {"x": live}}, {"limits": {"x": intent}})

    assert (found is None) == same


@pytest.mark.parametrize(("live", "intent"), [("1", "1.0"), (True, 1), (0, False)])
def test_other_values_are_compared_as_they_are(live: object, intent: object) -> None:
    assert drift({"value": live}, {"value": intent}) == "value"
