"""A model that comes as an image, in a real pod: a real kubelet and containerd mount it, and nothing is downloaded."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeglm_operator.observed import Pod, pod_from
from edgeglm_operator.reconcile.status.inference_service import expected_in_cloud
from edgeglm_operator.reconcile.status.trouble import trouble_of
from edgeglm_operator.resources.cloud_deployment import make_cloud_deployment
from edgeglm_operator.settings import Settings
from tests.cluster.cluster import Cluster
from tests.cluster.oci_archive import write_image
from tests.cluster.process import until
from tests.unit.operator.builders import NOW, an_inference_service

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

SETTINGS = Settings(engine_image="edgeglm.local/base:dev")
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods?labelSelector=edgeglm.io/inference-service%3D"
CONFIG = b'{"model_type": "glm"}'

# Serves only if it finds the model where vLLM is told that it is, and cannot write beside it.
ENGINE = f"""
import http.server, pathlib, sys
model = pathlib.Path(sys.argv[1])
assert (model / "config.json").read_bytes() == {CONFIG!r}
try:
    (model / "mine").write_text("x")
    sys.exit("the weights can be written")
except OSError:
    pass
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("0.0.0.0", 8000), Answer).serve_forever()
"""

EXPECTED = expected_in_cloud(
    an_inference_service(
        "missing", model={"uri": "oci://127.0.0.1:1/models/none:1"}, cloud={"cache": {"imageVolume": {}}}
    )
)

Deploy = Callable[[str, str], Callable[[], Pod | None]]


def the_pod(cluster: Cluster, name: str) -> Pod | None:
    found = cluster.api.get(f"{PODS}{name}")["items"]
    return next((pod for pod in map(pod_from, found) if not pod.deleting), None)


@pytest.fixture
def deploy(node_cluster: Cluster) -> Iterator[Deploy]:
    """Make the replica of a service whose model is an image; returns how to look at its pod."""
    made: list[str] = []

    def make(name: str, image: str) -> Callable[[], Pod | None]:
        service = an_inference_service(
            name,
            namespace="default",
            model={"uri": f"oci://{image}"},
            cloud={"cache": {"imageVolume": {}}},
            timeouts={"drainSeconds": 0},
        )
        deployment = make_cloud_deployment(service, SETTINGS)
        engine = deployment["spec"]["template"]["spec"]["containers"][0]
        engine |= {"command": ["python3", "-c"], "args": [ENGINE, engine["args"][0]]}
        del deployment["metadata"]["ownerReferences"]
        node_cluster.api.create(DEPLOYMENTS, deployment)
        made.append(name)
        return lambda: the_pod(node_cluster, name)

    yield make
    for name in made:
        node_cluster.api.delete(f"{DEPLOYMENTS}/{name}")
    assert until(lambda: not any(the_pod(node_cluster, name) for name in made), 120)


def test_the_kubelet_mounts_the_model_where_the_engine_looks(
    node_cluster: Cluster, deploy: Deploy, tmp_path: Path
) -> None:
    """Below the directory that downloaded models are kept in, and read-only."""
    cloud, _ = node_cluster.nodes
    write_image(tmp_path / "model.tar", "edgeglm.local/models/tiny:1", {"models/config.json": CONFIG})
    cloud.load([tmp_path / "model.tar"])
    pod = deploy("mounted", "edgeglm.local/models/tiny:1")

    def serves() -> bool:
        found = pod()
        return found is not None and found.ready and not any(container.init for container in found.containers)

    assert until(serves, 120), pod()


def test_an_image_that_cannot_be_pulled_is_told_with_the_field_that_names_it(deploy: Deploy) -> None:
    pod = deploy("missing", "127.0.0.1:1/models/none:1")

    def is_told() -> bool:
        found = pod()
        trouble = trouble_of(found, EXPECTED, NOW) if found else None
        return trouble is not None and trouble.reason == "ImagePull" and "name in spec.model.uri" in trouble.message

    assert until(is_told, 120), pod()
