"""An upgrade of the operator restarts no model pod and no agent: held against the objects of each release before.

`tests/upgrade/RELEASE` has, for each golden scene, all objects of a cluster in which that release had come to rest. The
present operator, with other images at that, must find nothing to do there. Where a release has to touch a child that
restarts nothing (a Service, say), it is named in `TOUCHED`, with the reason.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from edgeglm_api import labels
from edgeglm_operator.kube.kinds import (
    DEPLOYMENTS,
    DEVICES,
    EDGE_SITES,
    EVENTS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    INTERCEPTOR_ROUTES,
    KNATIVE_SERVICES,
    LEADER_WORKER_SETS,
    NODES,
    POD_MONITORS,
    SCALED_OBJECTS,
    SENSOR_GRAPHS,
)
from edgeglm_operator.offline.crds import our_crds
from edgeglm_operator.offline.defaults import with_defaults
from edgeglm_operator.settings import Settings
from tests.reconcile.builders import an_edge_node
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import reconciled

Manifest = dict[str, Any]

HERE: Final = Path(__file__).parent
SCENES: Final = sorted(path.parent for path in (HERE.parent / "golden").glob("*/in.yaml"))
RECORDINGS: Final = sorted(HERE.glob("*/*.yaml"))

PROMETHEUS: Final = "http://prometheus.monitoring:9090"
OF_THE_RELEASE: Final = Settings(prometheus_url=PROMETHEUS, verification_concurrency=16)
OF_THE_NEXT: Final = Settings(
    prometheus_url=PROMETHEUS,
    verification_concurrency=16,
    engine_image="vllm/vllm-openai:next",
    agent_image="edgeglm/agent:next",
    operator_image="edgeglm/operator:next",
)

TOUCHED: Final[Mapping[str, set[tuple[str, str]]]] = {}
"""By release: the kinds and names of children that a later one changes, and restarts nothing by it."""


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_a_release_writes_down_what_it_makes(scene: Path, record_release: str | None) -> None:
    """And each scene has been written down by the last release that did so."""
    if record_release is not None:
        cluster = an_empty_cluster()
        for each in asked(scene):
            cluster.put(each)
        await reconciled(cluster, OF_THE_RELEASE)
        write(cluster, HERE / record_release / f"{scene.name}.yaml")
    assert (HERE / newest() / f"{scene.name}.yaml").exists(), "make record RELEASE=..."


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_the_next_release_touches_none_of_its_children(recording: Path) -> None:
    cluster = restored(recording)
    children = children_of(cluster)
    assert children

    operator = await reconciled(cluster, OF_THE_NEXT)
    await operator.look()

    touched = {(kind, name) for verb, kind, name in cluster.writes if verb != "apply_status" and kind != EVENTS.name}
    assert touched <= TOUCHED.get(recording.parent.name, set())
    assert children_of(cluster) == children


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_whoever_asks_gets_the_pods_of_the_next_release(recording: Path) -> None:
    """`kubectl annotate deployment NAME edgeglm.io/template-`"""
    cluster = restored(recording)
    deployments = [found for (kind, _), found in cluster.objects.items() if kind == DEPLOYMENTS]
    for deployment in deployments:
        del deployment["metadata"]["annotations"][labels.TEMPLATE]

    await reconciled(cluster, OF_THE_NEXT)

    for deployment in deployments:
        name = deployment["metadata"]["name"]
        live = cluster.live(DEPLOYMENTS, deployment["metadata"]["namespace"], name)
        assert live is not None
        assert set(images(live)) & {OF_THE_NEXT.engine_image, OF_THE_NEXT.agent_image, OF_THE_NEXT.operator_image} or (
            set(images(live)) == set(images(deployment))  # the spec names its image
        )
        assert labels.TEMPLATE in live["metadata"]["annotations"]


async def test_what_is_asked_anew_gets_the_pods_of_the_next_release() -> None:
    """The test of the test: the scenes do hold pods that a later release would make otherwise."""
    cluster = restored(HERE / newest() / "edge-nodes.yaml")
    for kind, name in list(cluster.objects):
        if kind == INFERENCE_SERVICES:
            cluster.put({**envelope(cluster.objects[kind, name]), "spec": {"engine": {"maxModelLen": 1024}}})
        if kind == NODES:  # out of sight, nothing would change there
            cluster.put({**cluster.objects[kind, name], "status": an_edge_node("any")["status"]})

    await reconciled(cluster, OF_THE_NEXT)

    found = {image for (kind, _), each in cluster.objects.items() if kind == DEPLOYMENTS for image in images(each)}
    assert OF_THE_NEXT.engine_image in found


def an_empty_cluster() -> InMemoryCluster:
    cluster = InMemoryCluster()
    cluster.offer(LEADER_WORKER_SETS, KNATIVE_SERVICES, SCALED_OBJECTS, INTERCEPTOR_ROUTES, HTTP_ROUTES, POD_MONITORS)
    cluster.offer(DEVICES)
    return cluster


def asked(scene: Path) -> Iterator[Manifest]:
    """The nodes of a golden scene, and its custom resources as the API server would store them."""
    nodes = scene / "nodes.yaml"
    yield from yaml.safe_load(nodes.read_text())["items"] if nodes.exists() else map(an_edge_node, ("box-1", "box-2"))
    for each in yaml.safe_load_all((scene / "in.yaml").read_text()):
        ours = our_crds().get(each["kind"])
        stored = with_defaults(ours.schema, each) if ours else each
        yield {**stored, "metadata": {"namespace": "default", **stored["metadata"]}}


def write(cluster: InMemoryCluster, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    found = [each for (kind, _), each in sorted(cluster.objects.items(), key=_order) if kind != EVENTS]
    plain = json.loads(json.dumps(found))
    path.write_text(yaml.safe_dump_all(plain, sort_keys=False, width=100_000), encoding="utf-8")


def restored(recording: Path) -> InMemoryCluster:
    cluster = an_empty_cluster()
    cluster.restore(yaml.safe_load_all(recording.read_text(encoding="utf-8")))
    return cluster


def children_of(cluster: InMemoryCluster) -> dict[str, Any]:
    """All that the operator made."""
    parents = {INFERENCE_SERVICES.name, SENSOR_GRAPHS.name, EDGE_SITES.name, DEVICES.name, "Node"}
    return {key: found for key, found in cluster.state().items() if key.split()[0] not in parents}


def images(deployment: Manifest) -> list[str]:
    pod = deployment["spec"]["template"]["spec"]
    return [container["image"] for container in (*pod.get("initContainers", ()), *pod["containers"])]


def newest() -> str:
    releases = [path.name for path in HERE.iterdir() if path.name[0].isdigit()]
    return max(releases, key=lambda release: [int(part) for part in release.split(".")])


def envelope(found: Manifest) -> Manifest:
    return {key: found[key] for key in ("apiVersion", "kind")} | {
        "metadata": {key: found["metadata"][key] for key in ("name", "namespace")}
    }


def _order(item: tuple[Any, Manifest]) -> tuple[str, str, str]:
    (kind, name), _ = item
    return name.namespace, kind.name, name.name
