"""The pods of operator and receiver meet Pod Security `restricted`; test_install.py lets a real API server judge it."""

from pathlib import Path

from tests.chart.rendering import each_value_set, pods, values_of

RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


@each_value_set
def test_the_pod_runs_as_nobody_in_particular(value_set: Path) -> None:
    for pod in pods(values_of(value_set)):
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] >= 10_000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}


@each_value_set
def test_the_container_can_gain_nothing(value_set: Path) -> None:
    for pod in pods(values_of(value_set)):
        [container] = pod["spec"]["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }


@each_value_set
def test_nothing_of_the_host_is_in_reach(value_set: Path) -> None:
    for pod in pods(values_of(value_set)):
        spec = pod["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= RESTRICTED_VOLUMES
        assert not any("hostPort" in port for port in spec["containers"][0]["ports"])


@each_value_set
def test_memory_is_bounded(value_set: Path) -> None:
    for pod in pods(values_of(value_set)):
        [container] = pod["spec"]["containers"]
        assert container["resources"]["limits"]["memory"]
