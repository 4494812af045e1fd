"""The two real nodes: what runs there, what a cut link does, and that nothing stays behind."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster.cgroups import cgroup_exists
from tests.cluster.cluster import Cluster
from tests.cluster.instance import claim_instance
from tests.cluster.mounts import mounts_below
from tests.cluster.node import Node
from tests.cluster.process import until

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

PODS = "/api/v1/namespaces/default/pods"
# Answers each second on loopback, and says so in its log.
SERVER = ["python3", "-u", "-m", "http.server", "8099", "--bind", "127.0.0.1"]


def a_pod(name: str, node: Node) -> dict[str, object]:
    """An ordinary pod of the base image, not root, in the node's network."""
    restricted = {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "web", "image": "edgeglm.local/base:dev", "command": SERVER, "securityContext": restricted}
    tolerations = [{"operator": "Exists"}]
    spec = {"nodeName": node.name, "hostNetwork": True, "containers": [container], "tolerations": tolerations}
    return {"metadata": {"name": name}, "spec": spec}


def phase(cluster: Cluster, name: str) -> str:
    return str(cluster.api.get(f"{PODS}/{name}")["status"].get("phase"))


def end(cluster: Cluster, name: str, node: Node) -> None:
    """Delete a pod at once, and wait until its port is free: the API forgets it before its process has ended."""
    cluster.api.delete(f"{PODS}/{name}?gracePeriodSeconds=0")
    assert until(lambda: not answers_inside(node), 60)


def answers_inside(node: Node) -> bool:
    """Ask the pod from within the node's network."""
    ask = "import urllib.request as u; u.urlopen('http://127.0.0.1:8099', timeout=2)"
    return subprocess.run([*node.inside, "python3", "-c", ask], capture_output=True, check=False).returncode == 0


def test_a_pod_runs_on_each_node_and_the_nodes_are_told_apart(node_cluster: Cluster) -> None:
    """Both pods bind the same port of loopback: each node has a loopback of its own."""
    for node in node_cluster.nodes:
        node_cluster.api.create(PODS, a_pod(f"on-{node.name}", node))
    for node in node_cluster.nodes:
        assert until(lambda node=node: phase(node_cluster, f"on-{node.name}") == "Running", 60)  # type: ignore[misc]
        assert until(lambda node=node: answers_inside(node), 20)  # type: ignore[misc]
        end(node_cluster, f"on-{node.name}", node)
    edge = node_cluster.api.get("/api/v1/nodes/edge-1")["metadata"]["labels"]
    assert "node-role.kubernetes.io/edge" in edge


def test_a_pod_reaches_the_api_server_as_on_any_cluster(node_cluster: Cluster) -> None:
    """The operator runs as a pod: KUBERNETES_SERVICE_HOST must lead to the API server without help."""
    cloud, _ = node_cluster.nodes
    pod = a_pod("asks", cloud)
    spec = pod["spec"]
    assert isinstance(spec, dict)
    ask = (
        "import os, ssl, urllib.request as u;"
        "c = ssl.create_default_context(cafile='/var/run/secrets/kubernetes.io/serviceaccount/ca.crt');"
        "h, p = os.environ['KUBERNETES_SERVICE_HOST'], os.environ['KUBERNETES_SERVICE_PORT'];"
        "print(u.urlopen(f'https://{h}:{p}/version', context=c, timeout=5).status)"
    )
    spec |= {"hostNetwork": False, "restartPolicy": "Never"}
    spec["containers"][0]["command"] = ["python3", "-c", ask]
    node_cluster.api.create(PODS, pod)
    assert until(lambda: phase(node_cluster, "asks") in {"Succeeded", "Failed"}, 60)
    assert node_cluster.api.get(f"{PODS}/asks/log") == 200
    node_cluster.api.delete(f"{PODS}/asks?gracePeriodSeconds=0")


def test_an_edge_pod_outlives_a_cut_link(node_cluster: Cluster) -> None:
    """The cloud calls the node lost; at the site nothing happens; afterwards it is the same container."""
    _, edge = node_cluster.nodes
    node_cluster.api.create(PODS, a_pod("survivor", edge))
    assert until(lambda: answers_inside(edge), 60)
    assert until(lambda: phase(node_cluster, "survivor") == "Running", 20)
    before = node_cluster.api.get(f"{PODS}/survivor")["status"]["containerStatuses"][0]
    node_cluster.cut_link()
    try:
        assert until(lambda: not edge.ready(), 60)
        assert answers_inside(edge)
    finally:
        node_cluster.restore_link()
    assert until(edge.ready, 60)
    assert answers_inside(edge)
    after = node_cluster.api.get(f"{PODS}/survivor")["status"]["containerStatuses"][0]
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], before["restartCount"])
    end(node_cluster, "survivor", edge)


def test_down_leaves_nothing_behind(nodes: tuple[Node, Node]) -> None:
    """A second cluster beside the first, with a pod still running when it is taken down."""
    cluster = Cluster(claim_instance("away"))
    cluster.up_with_nodes()
    try:
        for node in cluster.nodes:
            cluster.api.create(PODS, a_pod(f"on-{node.name}", node))
            assert until(lambda node=node: phase(cluster, f"on-{node.name}") == "Running", 60)  # type: ignore[misc]
    finally:
        cluster.down()
    instance = cluster.instance
    assert not instance.directory.exists()
    assert mounts_below(instance.directory) == []
    assert processes_naming(instance.directory) == []
    assert not any(cgroup_exists(node.cgroup) for node in cluster.nodes)
    assert [link.name for link in Path("/sys/class/net").iterdir() if link.name.startswith("eg-away-")] == []
    assert not Path("/run/netns", instance.namespace).exists()
    assert all(node.ready() for node in nodes), "the first cluster must not notice"


def processes_naming(directory: Path) -> list[str]:
    """Processes with the directory on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in words:
            found.append(words)
    return found
