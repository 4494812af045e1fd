"""A fleet comes to the agent of a release, by the real Deployment controller on simulated edge nodes."""

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from edgeglm_api import labels
from edgeglm_operator.observed import deployment_from
from edgeglm_operator.resources.names import agent_name
from tests.chart.kubectl import Kubectl
from tests.cluster.kwok import Kwok
from tests.cluster.operator.conftest import Launch
from tests.cluster.operator.objects import Manifest, Scene, eventually
from tests.cluster.process import until
from tests.reconcile.builders import a_sensor_graph

pytestmark = pytest.mark.cluster

BOXES = ("agents-1", "agents-2", "agents-3")
NEXT = "edgeglm/agent:next"
ENDPOINT = {"url": "http://127.0.0.1:8000/v1", "model": "m"}
SECONDS = 120


@pytest.fixture(scope="module", autouse=True)
def boxes(kwok_nodes: Kwok) -> Iterator[None]:
    for box in BOXES:
        kwok_nodes.add_node(box, {labels.EDGE_NODE: ""})
    assert until(lambda: all(kwok_nodes.ready(box) for box in BOXES), 60)
    yield
    for box in BOXES:
        kwok_nodes.remove_node(box)


def test_a_fleet_comes_to_the_next_release_one_after_the_other_over_a_restart(
    installed: Kubectl, namespace: str, launch: Launch, tmp_path: Path
) -> None:
    """Never is another one given it before the last one runs it, by the order in which the API server wrote it down."""
    scene = Scene(installed, namespace)
    first = launch(f"--watch-namespace={namespace}")
    first.start()
    scene.apply(a_sensor_graph("line", *BOXES, reasoning={"endpoint": ENDPOINT}))
    assert eventually(lambda: told(scene) == {"Serving"}, SECONDS)
    assert first.stop() == 0

    with watched(scene, tmp_path / "seen") as seen:
        for _ in range(2):
            following = launch(f"--watch-namespace={namespace}", f"--agent-image={NEXT}", "--agents-follow-release")
            following.start()
            assert eventually(lambda: any(NEXT in image_of(each) for each in scene.items("deployments")), SECONDS)
            following.kill()
        following.start()
        assert eventually(lambda: all(NEXT in image_of(each) for each in scene.items("deployments")), SECONDS)
        assert eventually(lambda: told(scene) == {"Serving"}, SECONDS)
        assert eventually(lambda: {image_of(each) for each in latest(seen())} == {NEXT}, SECONDS)

    assert most_on_their_way(seen()) == 1


def told(scene: Scene) -> set[str]:
    return {str(scene.condition("esite", box, "AgentReady").get("reason")) for box in BOXES}


def image_of(deployment: Manifest) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def latest(seen: Sequence[Manifest]) -> list[Manifest]:
    return list({each["metadata"]["name"]: each for each in seen}.values())


def most_on_their_way(seen: Sequence[Manifest]) -> int:
    """Agents at once that had been given the next release and did not run it yet."""
    on_their_way: set[str] = set()
    most = 0
    for each in seen:
        name, is_on_its_way = each["metadata"]["name"], image_of(each) == NEXT and not deployment_from(each).is_serving
        (on_their_way.add if is_on_its_way else on_their_way.discard)(name)
        most = max(most, len(on_their_way))
    assert {each["metadata"]["name"] for each in seen} == {agent_name(box) for box in BOXES}
    return most


@contextlib.contextmanager
def watched(scene: Scene, file: Path) -> Iterator[Callable[[], list[Manifest]]]:
    """Each version of each Deployment, from now on."""
    command = scene.kubectl.command("get", "deployments", "-w", "-n", scene.namespace, "-o", 'jsonpath={}{"\\n"}')

    def seen() -> list[Manifest]:
        whole, _, _ = file.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    with file.open("w") as output:
        process = subprocess.Popen(command, stdout=output)
        try:
            assert eventually(lambda: len(seen()) >= len(BOXES), SECONDS)
            yield seen
        finally:
            process.terminate()
            process.wait(10)
