"""The control plane that other tests stand on."""

from collections.abc import Iterator

import pytest

from tests.cluster.api import Api, ApiError
from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import AnyCluster

pytestmark = pytest.mark.cluster


@pytest.fixture
def ours(cluster: AnyCluster) -> Cluster:
    if not isinstance(cluster, Cluster):
        pytest.skip("EDGEGLM_KUBECONFIG names somebody's cluster, whose own parts are not tested here")
    return cluster


@pytest.fixture
def namespace(ours: Cluster) -> Iterator[str]:
    made = ours.api.create("/api/v1/namespaces", {"metadata": {"generateName": "lab-"}})
    name = made["metadata"]["name"]
    yield name
    ours.api.delete(f"/api/v1/namespaces/{name}")


def test_it_says_the_version_it_was_built_from(ours: Cluster) -> None:
    """Without the version set at link time, discovery and feature gates misbehave."""
    version = ours.api.get("/version")
    assert version["gitVersion"].startswith(f"v{version['major']}.{version['minor']}.")


def test_rbac_refuses_an_account_that_nobody_bound(ours: Cluster, namespace: str) -> None:
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    ours.api.create(account, {"metadata": {"name": "nobody"}})
    token = ours.api.create(f"{account}/nobody/token", {"spec": {"expirationSeconds": 600}})["status"]["token"]
    nobody = Api(ours.server, ours.control_plane.authority.cert, token=token)
    with pytest.raises(ApiError, match="cannot list resource") as refused:
        nobody.get(f"/api/v1/namespaces/{namespace}/pods")
    assert refused.value.status == 403


def test_pod_security_refuses_a_privileged_pod(ours: Cluster, namespace: str) -> None:
    """The admission plugins of an ordinary cluster are on."""
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    ours.api.apply(f"/api/v1/namespaces/{namespace}", {"apiVersion": "v1", "kind": "Namespace", **label})
    container = {"name": "c", "image": "i", "securityContext": {"privileged": True}}
    with pytest.raises(ApiError, match="PodSecurity"):
        ours.api.create(
            f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": "p"}, "spec": {"containers": [container]}}
        )


def test_a_restarted_api_server_has_its_data_and_its_address(ours: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    ours.api.create(path, {"metadata": {"name": "kept"}, "data": {"a": "b"}})
    server = ours.server
    ours.stop_apiserver()
    assert not ours.api.healthy()
    ours.start_apiserver()
    assert ours.server == server
    assert ours.api.get(f"{path}/kept")["data"] == {"a": "b"}
