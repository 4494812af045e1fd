"""`edgeglm explain NAME`, as somebody with Kubernetes' own role `view` in one namespace and nothing else."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.chart.kubectl import Kubectl
from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import AnyCluster
from tests.cluster.operator.conftest import address_of, kubeconfig_for
from tests.cluster.operator.objects import Scene, eventually
from tests.cluster.operator.process import OperatorProcess
from tests.reconcile.builders import a_sensor_graph, an_edge_target, an_inference_service

Explain = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def scene(installed: Kubectl, namespace: str, shared_operator: OperatorProcess) -> Scene:
    """A namespace that an operator looks after; no node takes a pod."""
    assert shared_operator.is_running, shared_operator.log()
    return Scene(installed, namespace)


@pytest.fixture
def explain(scene: Scene, cluster: AnyCluster, tmp_path: Path) -> Explain:
    """The command, with the kubeconfig of the viewer, whose context names the namespace."""
    scene.run("create", "serviceaccount", "viewer")
    scene.run("create", "rolebinding", "viewer", "--clusterrole=view", f"--serviceaccount={scene.namespace}:viewer")
    server, ca = address_of(cluster.kubeconfig, tmp_path)
    config = kubeconfig_for(server, scene.run("create", "token", "viewer").strip())
    config["clusters"][0]["cluster"]["certificate-authority"] = str(ca)
    config["contexts"][0]["context"]["namespace"] = scene.namespace
    path = tmp_path / "viewer.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return lambda *arguments: run_explain(path, *arguments)


def run_explain(kubeconfig: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-m", "edgeglm_operator.cli", "explain", "--kubeconfig", str(kubeconfig)]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.cluster
def test_a_viewer_is_led_from_the_condition_to_the_scheduler_s_words(scene: Scene, explain: Explain) -> None:
    scene.apply(an_inference_service(cloud={"replicas": 2}))
    assert eventually(lambda: scene.condition("infsvc", "llm", "Ready").get("reason") == "Unschedulable")
    assert eventually(lambda: "FailedScheduling" in scene.run("get", "events"))

    done = explain("llm")

    assert (done.returncode, done.stderr) == (1, "")
    found = done.stdout.splitlines()
    assert found[0].startswith(f"InferenceService {scene.namespace}/llm: Ready=Unknown Unschedulable since ")
    assert found[1].startswith("  CloudReady=Unknown Unschedulable since ")
    assert found[2] == "    Deployment llm: 0 of 2 replicas ready, 2 of the present spec"
    assert found[3].startswith("      Pod llm-")
    assert found[3].endswith(": Pending, on no node (and 1 more like it)")
    assert found[4].startswith("        event FailedScheduling: ")
    assert found[5].startswith("        => Unschedulable: no node can take it: ")


@pytest.mark.cluster
def test_a_graph_leads_to_the_agent_s_pod_and_what_a_viewer_may_not_see_is_said(
    scene: Scene, explain: Explain, edge_node: str
) -> None:
    scene.apply(an_inference_service(edge=[an_edge_target(edge_node)]), a_sensor_graph("line", edge_node))
    assert eventually(lambda: scene.condition("esite", edge_node, "Connected").get("status") == "False")

    graph, site = explain("sgraph/line"), explain(f"esite/{edge_node}")

    assert graph.returncode == site.returncode == 1
    assert graph.stderr == "you may not list nodes, so what they would tell is missing\n"
    assert f"  EdgeSite {scene.namespace}/{edge_node} (node {edge_node}): not ready\n" in graph.stdout
    assert "Connected=False SiteDisconnected" in site.stdout


@pytest.mark.cluster
def test_what_is_not_there_and_what_is_hidden_end_with_status_2(scene: Scene, explain: Explain) -> None:
    assert explain("none").returncode == 2
    assert "not found" in explain("none").stderr
    hidden = explain("llm", "-n", "default")
    assert hidden.returncode == 2
    assert "forbidden" in hidden.stderr


@pytest.mark.node
@pytest.mark.timeout(300)
def test_an_image_that_a_real_node_cannot_pull(node_cluster: Cluster, tmp_path: Path) -> None:
    kubectl = Kubectl(node_cluster.kubeconfig)
    crds = Path(__file__).parents[3] / "crds"
    kubectl.run("apply", "--server-side", "-f", str(crds))
    kubectl.run("wait", "--for=condition=Established", "--timeout=30s", "-f", str(crds))
    scene = Scene(kubectl, "default")
    operator = OperatorProcess(node_cluster.kubeconfig, tmp_path / "log", "--namespace", "default")
    operator.start()
    try:
        scene.apply(an_inference_service("unpulled", cloud={}, engine={"image": "nowhere.invalid/vllm:none"}))
        assert eventually(lambda: scene.condition("infsvc", "unpulled", "Ready").get("reason") == "ImagePull", 120)

        done = run_explain(node_cluster.kubeconfig, "unpulled", "-n", "default")
    finally:
        scene.run("delete", "infsvc", "unpulled", "--ignore-not-found")
        assert operator.stop() == 0, operator.log()

    assert (done.returncode, done.stderr) == (1, "")
    assert "  container engine: waiting, " in done.stdout
    assert "  event Failed" in done.stdout
    assert "  => ImagePull: the image cannot be pulled on node cloud-1: " in done.stdout
    assert "check its name in spec.engine.image" in done.stdout
