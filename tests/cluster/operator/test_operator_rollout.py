"""Rollouts where every GPU is taken, by the real Deployment controller and scheduler on simulated nodes."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeglm_api import labels
from tests.chart.kubectl import Kubectl, Refused
from tests.cluster.kwok import Kwok
from tests.cluster.operator.objects import Manifest, Scene, eventually
from tests.cluster.operator.process import OperatorProcess
from tests.cluster.process import until
from tests.reconcile.builders import an_inference_service

pytestmark = pytest.mark.cluster

NODES = ("gpu-1", "gpu-2")
PROGRESS = '{.status.conditions[?(@.type=="Progressing")].reason}'
DEADLINE_SECONDS = 30


@pytest.fixture(scope="module", autouse=True)
def gpus(kwok_nodes: Kwok) -> Iterator[None]:
    """Two nodes with a GPU each."""
    for node in NODES:
        kwok_nodes.add_node(node, gpus=1)
    assert until(lambda: all(kwok_nodes.ready(node) for node in NODES), 20)
    yield
    for node in NODES:
        kwok_nodes.remove_node(node)


@pytest.fixture
def scene(installed: Kubectl, namespace: str, shared_operator: OperatorProcess) -> Iterator[Scene]:
    """A namespace that an operator looks after; its GPUs are free again at the end."""
    assert shared_operator.is_running, shared_operator.log()
    scene = Scene(installed, namespace)
    yield scene
    scene.run("delete", "infsvc", "--all")
    # The garbage collector hears of new kinds, ours among them, every half minute.
    assert eventually(lambda: not scene.names("pods"), 200)


def a_service(*, gpus: int = 1, length: int = 4096, **rest: Any) -> Manifest:
    cloud = {"replicas": 2, "accelerator": {"count": gpus}, "rollout": {"surgeWaitSeconds": 2}}
    return an_inference_service(cloud=cloud, engine={"maxModelLen": length}, **rest)


def test_where_no_gpu_is_spare_a_rollout_ends_in_place(scene: Scene, tmp_path: Path) -> None:
    scene.apply(a_service())
    assert eventually(lambda: is_serving(scene))

    with told(scene, tmp_path / "told", PROGRESS) as reasons:
        scene.apply(a_service(length=8192))

        assert eventually(lambda: is_serving(scene, generation=2))
        assert eventually(lambda: reasons()[-1:] == ["Settled"])
    assert in_order(["WaitingForGPU", "InPlace", "Settled"], reasons())
    assert all("--max-model-len=8192" in each for each in arguments(scene))
    assert deployment(scene)["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_what_fails_in_place_is_taken_back(scene: Scene) -> None:
    """A replica of two GPUs, where nodes have one: it fits nowhere, and one old replica has gone for it."""
    timeouts = {"startupSeconds": 10, "progressDeadlineSeconds": DEADLINE_SECONDS}
    scene.apply(a_service(timeouts=timeouts))
    assert eventually(lambda: is_serving(scene))
    before = {pod["metadata"]["uid"] for pod in pods(scene)}

    scene.apply(a_service(gpus=2, timeouts=timeouts))

    assert eventually(lambda: deployment(scene)["status"].get("readyReplicas") == 1)
    assert eventually(lambda: ready(scene).get("reason") == "RolledBack", 2 * DEADLINE_SECONDS)
    assert ready(scene)["status"] == "False"
    assert eventually(lambda: deployment(scene)["status"].get("readyReplicas") == 2)
    assert {pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] for pod in pods(scene)} == {"1"}
    # The one that served throughout was not even restarted: the old ReplicaSet is used again.
    assert before & {pod["metadata"]["uid"] for pod in pods(scene)}

    scene.apply(a_service(length=1024, timeouts=timeouts))

    assert eventually(lambda: is_serving(scene, generation=3))


def test_draining_nodes_takes_one_replica_at_a_time(scene: Scene) -> None:
    """The first node is drained; its replica has nowhere to go, so the second node waits."""
    scene.apply(a_service())
    assert eventually(lambda: is_serving(scene) and scene.names("poddisruptionbudgets") == ["llm"])
    # Its controller counts a moment later than pods become ready.
    assert eventually(lambda: (scene.get("pdb", "llm") or {})["status"].get("disruptionsAllowed") == 1)
    with drained(scene, NODES[0]), pytest.raises(Refused, match="disruption budget"), drained(scene, NODES[1], 5):
        pass
    assert eventually(lambda: is_serving(scene))

    scene.run("scale", "infsvc/llm", "--replicas=1")

    assert eventually(lambda: not scene.names("poddisruptionbudgets"))
    assert eventually(lambda: len(pods(scene)) == 1)
    for node in NODES:
        with drained(scene, node):
            assert eventually(lambda: is_serving(scene, generation=2))


@contextlib.contextmanager
def drained(scene: Scene, node: str, seconds: int = 60) -> Iterator[None]:
    """As an administrator does before work on a node."""
    try:
        ours = f"--pod-selector={labels.SERVICE}"
        scene.kubectl.run("drain", node, f"--timeout={seconds}s", "--delete-emptydir-data", ours)
        yield
    finally:
        scene.kubectl.run("uncordon", node)


def test_a_suspended_service_gives_its_gpus_back_and_returns_with_as_many_replicas(scene: Scene) -> None:
    scene.apply(a_service())
    assert eventually(lambda: is_serving(scene))
    template = deployment(scene)["spec"]["template"]

    scene.patch("infsvc", "llm", {"spec": {"suspend": True}})

    assert eventually(lambda: not pods(scene) and ready(scene).get("reason") == "Suspended")
    assert ready(scene)["status"] == "False"
    assert scene.names("deployments") == scene.names("services") == ["llm"]
    assert (scene.get("infsvc", "llm") or {})["status"]["cloud"]["replicas"] == 0

    scene.patch("infsvc", "llm", {"spec": {"suspend": False}})

    assert eventually(lambda: is_serving(scene, generation=3))
    assert len(pods(scene)) == 2
    assert deployment(scene)["spec"]["template"] == template


def is_serving(scene: Scene, generation: int = 1) -> bool:
    condition = ready(scene)
    return condition.get("status") == "True" and condition.get("observedGeneration") == generation


def ready(scene: Scene) -> dict[str, Any]:
    return scene.condition("infsvc", "llm", "Ready")


def deployment(scene: Scene) -> dict[str, Any]:
    return scene.get("deployment", "llm") or {}


def pods(scene: Scene) -> list[dict[str, Any]]:
    return [found for name in scene.names("pods") if (found := scene.get("pod", name))]


def arguments(scene: Scene) -> list[list[str]]:
    return [pod["spec"]["containers"][0]["args"] for pod in pods(scene)]


@contextlib.contextmanager
def told(scene: Scene, output: Path, path: str) -> Iterator[Callable[[], list[str]]]:
    """All that a field of the service says meanwhile, as `kubectl get --watch` sees it."""
    command = scene.kubectl.command("get", "infsvc", "llm", "-w", "-n", scene.namespace, "-o")
    with output.open("w") as file:
        process = subprocess.Popen([*command, f'jsonpath={path}{{"\\n"}}'], stdout=file)
        try:
            assert eventually(lambda: output.read_text().split())
            yield lambda: output.read_text().split()
        finally:
            process.terminate()
            process.wait(10)


def in_order(wanted: list[str], found: list[str]) -> bool:
    rest = iter(found)
    return all(each in rest for each in wanted)
