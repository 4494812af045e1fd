"""What only a real kubelet can tell of our pods; programs of a few lines stand in for engine and agent."""

import time
from pathlib import Path
from typing import Any

import pytest

from edgeglm_api.bundle import BUNDLE_FILE
from edgeglm_operator.observed import Pod, pod_from
from edgeglm_operator.reconcile.status.trouble import Expectation, trouble_of
from edgeglm_operator.resources.agent_deployment import DATA, agent_address, make_agent_deployment
from edgeglm_operator.resources.edge_deployment import make_edge_deployment
from edgeglm_operator.resources.names import bundle_name
from edgeglm_operator.settings import Settings
from tests.cluster.cluster import Cluster
from tests.cluster.process import until
from tests.unit.operator.builders import NOW, a_target, an_edge_site, an_inference_service

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

IMAGE = "edgeglm.local/base:dev"
SETTINGS = Settings(engine_image=IMAGE, agent_image=IMAGE)
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MUCH_LATER = "2099-01-01T00:00:00Z"
PODS = "/api/v1/namespaces/default/pods"

# Logs its end as vLLM does, then prints more than the kubelet would keep of its output.
DYING_ENGINE = """
import json, logging.config, os, sys
logging.config.dictConfig(json.load(open(os.environ["VLLM_LOGGING_CONFIG_PATH"])))
logging.getLogger("vllm.v1.engine.core").error("torch.OutOfMemoryError: CUDA out of memory.")
print("Traceback of somebody else\\n" * 200, file=sys.stderr)
sys.exit(1)
"""

# Writes into its data directory, and answers the probes if it could.
WRITING_AGENT = f"""
import http.server, os, pathlib
pathlib.Path("{DATA}/written").write_text(str(os.getuid()))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("{agent_address("default")}", 9464), Answer).serve_forever()
"""


def a_running(deployment: dict[str, Any], program: str) -> dict[str, Any]:
    """The Deployment with a program in place of its own, and without an owner whom the garbage collector would miss."""
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["command"], container["args"] = ["python3", "-c"], [program]
    del deployment["metadata"]["ownerReferences"]
    return deployment


def the_pod(cluster: Cluster, component: str) -> Pod | None:
    found = cluster.api.get(f"{PODS}?labelSelector=app.kubernetes.io/component%3D{component}")["items"]
    pods = [pod for pod in map(pod_from, found) if not pod.deleting]
    return pods[0] if pods else None


def test_the_engines_last_words_reach_the_status(node_cluster: Cluster) -> None:
    service = an_inference_service(
        namespace="default", edge=[a_target(nodes=("edge-1",), model={"uri": "file:///tmp"})]
    )
    made = make_edge_deployment(service, service.spec.edge[0], "edge-1", SETTINGS)
    node_cluster.api.create(DEPLOYMENTS, a_running(made, DYING_ENGINE))
    expected = Expectation(startup_seconds=60, deadline_seconds=600, logs="…")

    def is_told() -> bool:
        pod = the_pod(node_cluster, "engine")
        trouble = trouble_of(pod, expected, NOW) if pod else None
        return trouble is not None and trouble.reason == "OutOfGPUMemory"

    try:
        assert until(is_told, 90), the_pod(node_cluster, "engine")
    finally:
        node_cluster.api.delete(f"{DEPLOYMENTS}/{made['metadata']['name']}")


def test_weights_that_are_not_on_the_node_are_told_by_a_sandbox_that_is_never_begun(node_cluster: Cluster) -> None:
    """A failing mount is told by events alone, which the operator does not read."""
    target = a_target("missing", nodes=("edge-1",), model={"uri": "file:///no/such/model"}, port=8001)
    service = an_inference_service(namespace="default", edge=[target])
    made = make_edge_deployment(service, service.spec.edge[0], "edge-1", SETTINGS)
    node_cluster.api.create(DEPLOYMENTS, a_running(made, DYING_ENGINE))
    expected = Expectation(startup_seconds=60, deadline_seconds=600, logs="…", weights="file:///no/such/model")

    def is_told() -> bool:
        pod = the_pod(node_cluster, "engine")
        trouble = trouble_of(pod, expected, MUCH_LATER) if pod and pod.started else None
        return trouble is not None and trouble.reason == "WeightsMissing"

    try:
        assert until(is_told, 60), the_pod(node_cluster, "engine")
        # A pod whose volumes are there has its sandbox within a second or two.
        time.sleep(10)
        assert is_told(), the_pod(node_cluster, "engine")
    finally:
        node_cluster.api.delete(f"{DEPLOYMENTS}/{made['metadata']['name']}")


def test_the_agent_owns_its_data_and_is_probed_on_loopback(node_cluster: Cluster, tmp_path: Path) -> None:
    site = an_edge_site("edge-1", namespace="default")
    made = make_agent_deployment(site, SETTINGS)
    volumes = made["spec"]["template"]["spec"]["volumes"]
    [data] = [volume["hostPath"] for volume in volumes if volume["name"] == "data"]
    # Where it may be left behind: this machine's own disk is the node's.
    data["path"] = str(tmp_path / "data")
    bundle = {"metadata": {"name": bundle_name("edge-1")}, "data": {BUNDLE_FILE: "{}"}}
    node_cluster.api.create("/api/v1/namespaces/default/configmaps", bundle)
    node_cluster.api.create(DEPLOYMENTS, a_running(made, WRITING_AGENT))

    def is_ready() -> bool:
        pod = the_pod(node_cluster, "agent")
        return pod is not None and pod.ready

    try:
        assert until(is_ready, 90), the_pod(node_cluster, "agent")
    finally:
        node_cluster.api.delete(f"{DEPLOYMENTS}/{made['metadata']['name']}")
        node_cluster.api.delete(f"/api/v1/namespaces/default/configmaps/{bundle_name('edge-1')}")
