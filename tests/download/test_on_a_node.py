"""Downloads in real pods: the operator's image, a real kubelet, a hub that the site reaches over its link."""

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from edgeglm_operator.observed import Pod, pod_from
from edgeglm_operator.reconcile.status.trouble import Expectation, trouble_of
from edgeglm_operator.resources.edge_deployment import make_edge_deployment
from edgeglm_operator.settings import Settings
from images.make import archive
from images.recipes import OPERATOR
from tests.cluster.cluster import Cluster
from tests.cluster.network import CLOUD, node_address
from tests.cluster.node import Node
from tests.cluster.process import until
from tests.demo.stage import HOST, take_host
from tests.download.stub_hub import REPOSITORY, StubHub
from tests.unit.operator.builders import NOW, a_target, an_inference_service

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]

SETTINGS = Settings(engine_image="edgeglm.local/base:dev", operator_image=OPERATOR.reference)
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
EXPECTED = Expectation(startup_seconds=600, deadline_seconds=3600, logs="…")
FILES = {"config.json": b'{"model_type": "glm"}', "model.safetensors": bytes(range(256)) * 40_000}

# Serves only if it finds the whole model, and cannot write beside it.
ENGINE = f"""
import http.server, pathlib, sys
model = pathlib.Path("/cache/model")
assert (model / "config.json").read_bytes() == {FILES["config.json"]!r}
assert (model / "model.safetensors").stat().st_size == {len(FILES["model.safetensors"])}
try:
    (model / "config.json").write_text("mine")
    sys.exit("the weights can be written")
except OSError:
    pass
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", 8050), Answer).serve_forever()
"""


@pytest.fixture(scope="module")
def edge(node_cluster: Cluster) -> Iterator[Node]:
    """The edge node, with the operator's image. It shares this machine's disk, which is left as it was."""
    _, edge = node_cluster.nodes
    edge.load([archive(OPERATOR)])
    take_host()
    yield edge
    shutil.rmtree(HOST)


@pytest.fixture
def hub(node_cluster: Cluster) -> Iterator[StubHub]:
    with StubHub(dict(FILES), host=node_address(node_cluster.instance, CLOUD)) as hub:
        yield hub


def the_pod(cluster: Cluster) -> Pod | None:
    found = cluster.api.get(f"{PODS}?labelSelector=app.kubernetes.io/component%3Dengine")["items"]
    pods = [pod for pod in map(pod_from, found) if not pod.deleting]
    return pods[0] if pods else None


def told(cluster: Cluster) -> tuple[str, str]:
    """The reason and the message that the status would have."""
    pod = the_pod(cluster)
    trouble = trouble_of(pod, EXPECTED, NOW) if pod else None
    return (trouble.reason, trouble.message) if trouble else ("", "")


@pytest.fixture
def deploy(node_cluster: Cluster, edge: Node, hub: StubHub) -> Iterator[Any]:
    """Make the Deployment of one target whose model is on the hub."""
    made: list[str] = []

    def make(name: str) -> None:
        target = a_target("hub", nodes=("edge-1",), port=8050)
        model = {"uri": f"hf://{REPOSITORY}", "endpoint": hub.url}
        # No drain: the pod must be gone before the next one gets its port.
        waits = {"drainSeconds": 0}
        service = an_inference_service(name, namespace="default", model=model, edge=[target], timeouts=waits)
        deployment = make_edge_deployment(service, service.spec.edge[0], "edge-1", SETTINGS)
        pod = deployment["spec"]["template"]["spec"]
        pod["containers"][0] |= {"command": ["python3", "-c"], "args": [ENGINE]}
        del deployment["metadata"]["ownerReferences"]
        node_cluster.api.create(DEPLOYMENTS, deployment)
        made.append(deployment["metadata"]["name"])

    yield make
    hub.gate.set()
    for name in made:
        node_cluster.api.delete(f"{DEPLOYMENTS}/{name}")
    assert until(lambda: the_pod(node_cluster) is None, 120)


def test_the_way_of_a_model_to_a_site_is_told_step_by_step(node_cluster: Cluster, hub: StubHub, deploy: Any) -> None:
    hub.gate.clear()
    deploy("steps")
    # What was said last stands until the next share is there, and the hub holds the last one back.
    assert until(lambda: re.search(r"[1-9]\d % of 0\.0 GB are there", told(node_cluster)[1]) is not None, 180)
    assert told(node_cluster)[0] == "Downloading"
    hub.gate.set()

    def is_ready() -> bool:
        pod = the_pod(node_cluster)
        return pod is not None and pod.ready

    assert until(is_ready, 180), the_pod(node_cluster)


def test_a_refusal_reaches_the_status_with_its_word(node_cluster: Cluster, hub: StubHub, deploy: Any) -> None:
    hub.token = "of-the-hub"  # noqa: S105 - a stub's
    deploy("refused")
    assert until(lambda: told(node_cluster)[0] == "CredentialsMissing", 180), told(node_cluster)
    assert "Access to it is restricted" in told(node_cluster)[1]
