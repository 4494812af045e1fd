"""What KubeEdge needs of a pod at a site, engine or agent: the rules O1 to O13, and the issues they come from."""

from typing import Any

import pytest

from edgeglm_operator.resources.agent_deployment import agent_address, make_agent_deployment
from edgeglm_operator.resources.agent_secrets import AgentSecrets
from edgeglm_operator.resources.broker_secrets import BrokerSecret
from edgeglm_operator.resources.edge_deployment import make_edge_deployment
from edgeglm_operator.resources.endpoint_secrets import EndpointSecret
from edgeglm_operator.settings import Settings
from tests.unit.operator.builders import a_target, an_edge_site, an_inference_service

BROKER_SECRETS = (BrokerSecret("credentials", "me"), BrokerSecret("trust", "me"))
ENDPOINT_SECRETS = (EndpointSecret("keys", "me", ("llm",)), EndpointSecret("trust", "me", ("ca.crt",)))


def an_engine() -> dict[str, Any]:
    target = a_target(accelerator={"count": 1}, model={"uri": "file:///var/lib/edgeglm/models/glm"})
    service = an_inference_service(edge=[target], auth={"apiKeySecretRef": {"name": "keys", "key": "llm"}})
    return make_edge_deployment(service, service.spec.edge[0], "box-1", Settings())


def an_agent() -> dict[str, Any]:
    return make_agent_deployment(an_edge_site(), Settings(), AgentSecrets(("keys",), BROKER_SECRETS, ENDPOINT_SECRETS))


@pytest.fixture(params=[an_engine, an_agent])
def deployment(request: pytest.FixtureRequest) -> dict[str, Any]:
    made: dict[str, Any] = request.param()
    return made


@pytest.fixture
def pod(deployment: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def test_an_agent_s_image_may_want_a_login_and_where_it_wants_none_nothing_is_asked() -> None:
    plain, with_login = (
        make_agent_deployment(an_edge_site(), Settings(agent_pull_secrets=names)) for names in ((), ("mirror", "other"))
    )
    assert "imagePullSecrets" not in plain["spec"]["template"]["spec"]
    assert with_login["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "mirror"}, {"name": "other"}]
    # Else an agent that waits for its image would keep the template that cannot bring it.
    assert plain["metadata"]["annotations"] != with_login["metadata"]["annotations"]


def test_o1_it_is_kept_on_the_node_by_affinity_and_never_by_node_name(pod: dict[str, Any]) -> None:
    """KubeEdge #3735, #6540: nodeName skips the scheduler and makes copies without end on a dark node."""
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "node-role.kubernetes.io/edge", "operator": "Exists"}]
    assert term["matchFields"] == [{"key": "metadata.name", "operator": "In", "values": ["box-1"]}]
    assert "nodeName" not in pod


def test_o2_it_stays_through_a_broken_link_without_limit_of_time(pod: dict[str, Any]) -> None:
    for taint in ("not-ready", "unreachable"):
        toleration = {"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute"}
        assert toleration in pod["tolerations"]
    assert {"key": "node-role.kubernetes.io/edge", "operator": "Exists"} in pod["tolerations"]
    assert not any("tolerationSeconds" in toleration for toleration in pod["tolerations"])


def test_o3_it_has_no_token_that_could_run_out_offline(pod: dict[str, Any]) -> None:
    """KubeEdge #6414: after a reboot without a link, a pod with a projected token never starts."""
    assert pod["automountServiceAccountToken"] is False
    assert not any("projected" in volume for volume in pod["volumes"])


def test_o4_it_asks_for_no_runtime_class(pod: dict[str, Any]) -> None:
    """KubeEdge #7106: lookups of runtime classes fail at the edge."""
    assert "runtimeClassName" not in pod


def test_o5_it_needs_no_list_of_services(pod: dict[str, Any]) -> None:
    assert pod["enableServiceLinks"] is False


def test_o6_the_old_pod_goes_before_the_new_one_comes(deployment: dict[str, Any]) -> None:
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_o7_it_mounts_no_claim(pod: dict[str, Any]) -> None:
    assert not any("persistentVolumeClaim" in volume for volume in pod["volumes"])


def test_o8_a_restart_needs_no_registry(pod: dict[str, Any]) -> None:
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        assert container["imagePullPolicy"] == "IfNotPresent"


def test_o9_nothing_it_refers_to_is_optional(pod: dict[str, Any]) -> None:
    """KubeEdge #3813: an object that is missing blocks the pod for good, optional or not.

    But for the Secrets of brokers and of graphs' own endpoints: elsewhere a missing one must not stop the graphs that
    have others.
    """
    others = [volume for volume in pod["volumes"] if not volume["name"].startswith(("broker-", "endpoint-"))]
    assert "optional" not in str({**pod, "volumes": others})
    assert "imagePullSecrets" not in pod


def test_o10_config_is_mounted_as_directories_into_containers_that_run(pod: dict[str, Any]) -> None:
    mounts = [mount for container in pod["containers"] for mount in container["volumeMounts"]]
    assert not any("subPath" in mount or "subPathExpr" in mount for mount in mounts)
    synced = {volume["name"] for volume in pod["volumes"] if "configMap" in volume or "secret" in volume}
    assert synced <= {mount["name"] for mount in mounts}
    for container in pod.get("initContainers", []):
        assert not {mount["name"] for mount in container["volumeMounts"]} & synced


def test_o12_o13_it_is_reached_and_probed_on_the_nodes_loopback(pod: dict[str, Any]) -> None:
    assert pod["hostNetwork"] is True
    assert pod["dnsPolicy"] == "Default"
    (container,) = pod["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["host"].startswith("127.")
    for port in container["ports"]:
        assert port["hostIP"].startswith("127.")
        assert port["hostPort"] == port["containerPort"]


def test_nothing_of_it_waits_for_a_dark_site(deployment: dict[str, Any]) -> None:
    """KubeEdge #3410: what is deleted stays until the link is back; nothing may be blocked by that."""
    (owner,) = deployment["metadata"]["ownerReferences"]
    assert owner["blockOwnerDeletion"] is False
    assert "finalizers" not in deployment["metadata"]


def test_only_the_init_container_is_root_with_one_capability_and_one_directory() -> None:
    pod = an_agent()["spec"]["template"]["spec"]
    (own,) = pod["initContainers"]
    assert own["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["CHOWN"]}
    assert own["securityContext"]["readOnlyRootFilesystem"] is True
    assert [mount["name"] for mount in own["volumeMounts"]] == ["data"]
    assert pod["containers"][0]["securityContext"]["runAsNonRoot"] is True


def test_agents_of_two_namespaces_share_a_node_without_sharing_an_address() -> None:
    addresses = {agent_address(f"plant-{number}") for number in range(500)}
    assert len(addresses) == 500
    assert all(address.startswith("127.") and not address.startswith("127.0.") for address in addresses)


def test_a_site_made_anew_does_not_meet_the_data_of_the_one_before() -> None:
    site = an_edge_site()
    volumes = make_agent_deployment(site, Settings())["spec"]["template"]["spec"]["volumes"]
    (data,) = (volume["hostPath"] for volume in volumes if volume["name"] == "data")
    assert data == {"path": f"/var/lib/edgeglm/data/plant/{site.metadata.uid}", "type": "DirectoryOrCreate"}


def test_a_secret_with_dots_in_its_name_can_be_mounted() -> None:
    secrets = AgentSecrets(keys=("keys.plant.example",))
    pod = make_agent_deployment(an_edge_site(), Settings(), secrets)["spec"]["template"]["spec"]
    volume = pod["volumes"][-1]
    mount = pod["containers"][0]["volumeMounts"][-1]
    assert volume["secret"]["secretName"] == "keys.plant.example"
    assert "." not in volume["name"]
    assert mount == {"name": volume["name"], "mountPath": "/etc/edgeglm/keys/keys.plant.example", "readOnly": True}


@pytest.mark.parametrize(
    ("whose", "seen"),
    [
        ("broker", [["username", "password", "tls.crt", "tls.key"], ["ca.crt"]]),
        ("endpoint", [["llm"], ["ca.crt"]]),
    ],
)
def test_a_missing_secret_does_not_keep_the_agent_from_starting(whose: str, seen: list[list[str]]) -> None:
    """The other graphs may have another broker or endpoint, and the agent tells what it misses."""
    pod = an_agent()["spec"]["template"]["spec"]
    volumes = [volume["secret"] for volume in pod["volumes"] if volume["name"].startswith(f"{whose}-")]
    assert [volume["optional"] for volume in volumes] == [True, True]
    keys = [[item["key"] for item in volume["items"]] for volume in volumes]
    assert keys == seen, "an authority's own key stays away"


def test_one_secret_may_be_both_the_authority_and_the_identity() -> None:
    """As cert-manager makes it: ca.crt, tls.crt and tls.key in one."""
    pod = an_agent()["spec"]["template"]["spec"]
    names = [volume["name"] for volume in pod["volumes"]]
    assert len(names) == len(set(names))
    paths = [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
    assert paths[-4:-2] == ["/etc/edgeglm/brokers/credentials/me", "/etc/edgeglm/brokers/trust/me"]
    assert paths[-2:] == ["/etc/edgeglm/endpoints/keys/me", "/etc/edgeglm/endpoints/trust/me"]
