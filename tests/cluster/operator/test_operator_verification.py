"""Verification on a real API server: real Jobs, the real program, an engine that fails in the known way.

Replicas run on a simulated node that they fill, so that nobody runs a Job's pod there: the test does, on this machine.
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeglm_api import labels
from tests.chart.kubectl import Kubectl
from tests.cluster.fixtures import AnyCluster
from tests.cluster.kwok import ROOM, Kwok
from tests.cluster.operator.conftest import launching
from tests.cluster.operator.objects import SECONDS, Manifest, Scene, eventually
from tests.cluster.operator.process import OperatorProcess
from tests.cluster.process import until
from tests.edge.stub_engine import Script, Scripted, StubEngine
from tests.reconcile.builders import an_inference_service

pytestmark = pytest.mark.cluster

NODE, ROOMY_NODE = "verified-1", "verified-2"
CONCURRENCY = 16
PODS_OF_JOBS = f"--selector={labels.COMPONENT}=verification"


@pytest.fixture(scope="module", autouse=True)
def node(kwok_nodes: Kwok) -> Iterator[None]:
    """One that a replica fills."""
    kwok_nodes.add_node(NODE)
    assert until(lambda: kwok_nodes.ready(NODE), 20)
    yield
    kwok_nodes.remove_node(NODE)


@pytest.fixture
def make_room(kwok_nodes: Kwok) -> Iterator[Callable[[], None]]:
    """Adds another one, where a Job's pod ends well at once. Asked for before the scene, it goes after its pods."""
    yield lambda: kwok_nodes.add_node(ROOMY_NODE)
    kwok_nodes.remove_node(ROOMY_NODE)


@pytest.fixture(scope="module")
def operator(
    cluster: AnyCluster, installed: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """One that verifies, with the rights that the chart grants."""
    with launching(cluster, installed, tmp_path_factory.mktemp("operator")) as launch:
        running = launch(f"--verification-concurrency={CONCURRENCY}")
        running.start()
        yield running


@pytest.fixture
def scene(installed: Kubectl, namespace: str, operator: OperatorProcess) -> Iterator[Scene]:
    """A namespace that it looks after; its node is free again at the end."""
    assert operator.is_running, operator.log()
    scene = Scene(installed, namespace)
    yield scene
    scene.run("delete", "infsvc", "--all")
    # The garbage collector looks for new CRDs every 30 s, and collects nothing of an owner whose kind it does not know.
    assert eventually(lambda: not scene.names("pods"), 3 * SECONDS)


def a_service(**rest: Any) -> Manifest:
    requests = {"cpu": ROOM["cpu"]}
    return an_inference_service(
        cloud={"replicas": 1, "resources": {"requests": requests}, "rollout": {"strategy": "Recreate"}}, **rest
    )


def test_ready_waits_for_the_job_and_the_job_for_room(
    make_room: Callable[[], None], scene: Scene, operator: OperatorProcess
) -> None:
    scene.apply(a_service())
    assert eventually(lambda: told(scene, "CloudReady") == ("True", "Serving"))
    assert eventually(lambda: told(scene) == ("Unknown", "Unschedulable"))
    assert "cannot ask yet" in scene.condition("infsvc", "llm", "Ready")["message"]

    make_room()

    assert eventually(lambda: told(scene, "Verified") == ("True", "Verified"))
    assert eventually(lambda: told(scene) == ("True", "Serving"))
    assert eventually(operator.is_quiet)


def test_empty_answers_keep_ready_away_until_another_revision_does_better(scene: Scene, tmp_path: Path) -> None:
    scene.apply(a_service())
    first = a_job_s_pod(scene)

    end(scene, first, *run(first, only_the_first(), tmp_path))

    assert eventually(lambda: told(scene) == ("False", "EmptyAnswers"))
    assert "15 of 16 parallel requests came back empty" in scene.condition("infsvc", "llm", "Ready")["message"]
    assert told(scene, "CloudReady") == ("True", "Serving")
    # The Job controller takes the exit status for final: it makes no second pod.
    assert eventually(lambda: "PodFailurePolicy" in failures(scene))
    assert len(scene.run("get", "pods", PODS_OF_JOBS, "-o", "name").split()) == 1

    scene.apply(a_service(engine={"maxNumSeqs": 1}))
    assert eventually(lambda: first["metadata"]["name"] not in scene.names("pods"))
    second = a_job_s_pod(scene)
    end(scene, second, *run(second, lambda _body: Scripted("seven"), tmp_path))

    assert eventually(lambda: told(scene) == ("True", "Serving"))
    assert "the replica answered 16 parallel requests" in scene.condition("infsvc", "llm", "Verified")["message"]
    assert len(scene.names("jobs")) == 1


def test_who_deletes_the_job_asks_again(scene: Scene, tmp_path: Path) -> None:
    scene.apply(a_service())
    first = a_job_s_pod(scene)
    end(scene, first, *run(first, only_the_first(), tmp_path))
    assert eventually(lambda: told(scene) == ("False", "EmptyAnswers"))

    (job,) = scene.names("jobs")
    scene.run("delete", "job", job)

    assert eventually(lambda: first["metadata"]["name"] not in scene.names("pods"))
    second = a_job_s_pod(scene)
    assert told(scene)[0] == "Unknown"
    end(scene, second, *run(second, lambda _body: Scripted("seven"), tmp_path))
    assert eventually(lambda: told(scene) == ("True", "Serving"))


def test_a_verdict_costs_no_further_request(scene: Scene, operator: OperatorProcess, tmp_path: Path) -> None:
    """Whatever else happens to the Job and its pod: nothing is written, neither to them nor to the status."""
    scene.apply(a_service())
    pod = a_job_s_pod(scene)
    end(scene, pod, *run(pod, only_the_first(), tmp_path))
    assert eventually(lambda: told(scene) == ("False", "EmptyAnswers") and "PodFailurePolicy" in failures(scene))
    assert eventually(operator.is_quiet)
    before = scene.versions()

    (job,) = scene.names("jobs")
    scene.run("annotate", "job", job, "somebody=was-here")
    scene.run("annotate", "pod", pod["metadata"]["name"], "somebody=was-here")

    assert eventually(operator.is_quiet)
    assert scene.versions() == before


def only_the_first() -> Script:
    """The known failure: the first of several parallel requests has text, the others have status 200 and nothing."""
    numbers = itertools.count()
    return lambda _body: Scripted("seven" if next(numbers) == 0 else "")


def a_job_s_pod(scene: Scene) -> Manifest:
    """The pod that the Job controller has made for the one Job."""
    assert eventually(lambda: scene.run("get", "pods", PODS_OF_JOBS, "-o", "name").split())
    found: Manifest = json.loads(scene.run("get", "pods", PODS_OF_JOBS, "-o", "json"))["items"][-1]
    return found


def run(pod: Manifest, script: Script, directory: Path) -> tuple[int, str]:
    """What the kubelet would run, for real, but that an engine on this machine answers; status and last words."""
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["edgeglm"]
    report = directory / pod["metadata"]["name"]
    engine = StubEngine(script)
    engine.start()
    own = {"--report": str(report), "--url": engine.url.removesuffix("/v1")}
    arguments = [f"{flag}={own.get(flag, value)}" if value else flag for flag, value in flags(container["args"])]
    command = [sys.executable, "-m", "edgeglm_operator.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    engine.stop()
    assert done.stderr == ""
    return done.returncode, report.read_text()


def flags(arguments: list[str]) -> Iterator[tuple[str, str]]:
    for argument in arguments:
        flag, _, value = argument.partition("=")
        yield flag, value


def end(scene: Scene, pod: Manifest, status: int, words: str) -> None:
    """As the kubelet tells it."""
    name = pod["spec"]["containers"][0]["name"]
    ended = {"exitCode": status, "reason": "Error" if status else "Completed", "message": words}
    container = {"name": name, "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    phase = "Failed" if status else "Succeeded"
    patch = {"phase": phase, "containerStatuses": [{**container, "state": {"terminated": ended}}]}
    scene.patch("pod", pod["metadata"]["name"], {"status": patch}, "--subresource=status")


def told(scene: Scene, kind: str = "Ready") -> tuple[str, str]:
    condition = scene.condition("infsvc", "llm", kind)
    return condition.get("status", ""), condition.get("reason", "")


def failures(scene: Scene) -> str:
    return scene.run("get", "jobs", "-o", 'jsonpath={.items[*].status.conditions[?(@.type=="Failed")].reason}')
