"""The admission policies, judged by a real API server."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import yaml

from edgeglm_operator.resources.edge_deployment import make_edge_deployment
from edgeglm_operator.settings import Settings
from tests.chart.conftest import EDGE_NAMESPACE, OPERATOR, PLAIN_NAMESPACE
from tests.chart.kubectl import Kubectl, Manifest, Refused
from tests.cluster.crds import crd_file
from tests.cluster.process import until
from tests.unit.operator.builders import a_target, an_inference_service

pytestmark = pytest.mark.cluster

CONFINED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
ROOT_THAT_CHOWNS = {
    "runAsUser": 0,
    "runAsNonRoot": False,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]},
}


A_CONTAINER = {"name": "engine", "image": "engine:dev"}
A_HOST_PORT = {"ports": [{"containerPort": 8000, "hostPort": 8000}]}


def a_pod_spec(*, container: dict[str, Any] | None = None, **spec: Any) -> Manifest:
    """What the operator makes for an edge node: its network and directories, in a container that can gain nothing."""
    engine = {**A_CONTAINER, "securityContext": CONFINED, **(container or {})}
    return {
        "hostNetwork": True,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"ports": [{"containerPort": 8000}], **engine}],
        "volumes": [a_host_path("/var/lib/edgeglm/models")],
        **spec,
    }


def a_host_path(path: str) -> Manifest:
    return {"name": "host", "hostPath": {"path": path}}


def an_ordinary_pod_spec() -> Manifest:
    return {"containers": [{**A_CONTAINER, "ports": [{"containerPort": 8000}]}]}


def an_init_container(context: Manifest, **fields: Any) -> Manifest:
    return {"name": "init", "image": "i", "securityContext": context, **fields}


def an_engine_that_downloads() -> Manifest:
    """As the operator makes it: its init containers hand a directory over and write into it."""
    service = an_inference_service(edge=[a_target()])
    made = make_edge_deployment(service, service.spec.edge[0], "box-1", Settings())
    spec: Manifest = made["spec"]["template"]["spec"]
    return spec


ALLOWED = {
    "within the lists": a_pod_spec(),
    "the prefix itself": a_pod_spec(volumes=[a_host_path("/var/lib/edgeglm")]),
    "no volumes": a_pod_spec(volumes=[]),
    "no ports": a_pod_spec(container={"ports": []}),
    "a host port without the host's network": a_pod_spec(
        hostNetwork=False, container={"ports": [{"containerPort": 80, "hostPort": 8099}]}
    ),
    "any container port without the host's network": a_pod_spec(
        hostNetwork=False, container={"ports": [{"containerPort": 80}]}
    ),
    "an init container within the lists": a_pod_spec(initContainers=[an_init_container(CONFINED)]),
    "an init container that hands a directory over": a_pod_spec(initContainers=[an_init_container(ROOT_THAT_CHOWNS)]),
    "an engine that downloads its model": an_engine_that_downloads(),
    "the agent's port": a_pod_spec(container={"ports": [{"containerPort": 9464}]}),
    "AppArmor and /proc as by default": a_pod_spec(
        container={
            "securityContext": {**CONFINED, "appArmorProfile": {"type": "RuntimeDefault"}, "procMount": "Default"}
        }
    ),
}

REFUSED_TO_ALL = {
    "another directory": (a_pod_spec(volumes=[a_host_path("/etc")]), "the pod mounts /etc of its node"),
    "the root": (a_pod_spec(volumes=[a_host_path("/")]), "the pod mounts / of its node"),
    "a directory whose name begins alike": (
        a_pod_spec(volumes=[a_host_path("/var/lib/edgeglm-backup")]),
        "the pod mounts /var/lib/edgeglm-backup of its node",
    ),
    "a way back up": (a_pod_spec(volumes=[a_host_path("/var/lib/edgeglm/../../etc")]), "must not contain '..'"),
    "a port of the node": (a_pod_spec(container={"ports": [{"containerPort": 22}]}), "listens on a port of its node"),
    "a port of the node by name": (
        a_pod_spec(hostNetwork=False, container={"ports": [{"containerPort": 8000, "hostPort": 22}]}),
        "listens on a port of its node",
    ),
    "a port beyond the range": (
        a_pod_spec(container={"ports": [{"containerPort": 8100}]}),
        "listens on a port of its node",
    ),
    "a port in an init container": (
        a_pod_spec(initContainers=[an_init_container(CONFINED, ports=[{"containerPort": 22}])]),
        "listens on a port of its node",
    ),
    "the host's processes": (a_pod_spec(hostPID=True), "hostPID and hostIPC are not"),
    "the host's memory": (a_pod_spec(hostIPC=True), "hostPID and hostIPC are not"),
}

REFUSED_TO_PODS = {
    "a privileged container": (
        a_pod_spec(container={"securityContext": {"privileged": True}}),
        "each container sets allowPrivilegeEscalation to false",
    ),
    "a capability": (
        a_pod_spec(container={"securityContext": {**CONFINED, "capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}}}),
        "no container adds a capability",
    ),
    "the capability to hand over, for good": (
        a_pod_spec(container={"securityContext": ROOT_THAT_CHOWNS | {"runAsNonRoot": True}}),
        "no container adds a capability",
    ),
    "a sidecar that is root": (
        a_pod_spec(initContainers=[an_init_container({**CONFINED, "runAsNonRoot": False}, restartPolicy="Always")]),
        "sets runAsNonRoot to true",
    ),
    "an init container with more than it needs": (
        a_pod_spec(
            initContainers=[
                an_init_container({**CONFINED, "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "SYS_ADMIN"]}})
            ]
        ),
        "no container adds a capability",
    ),
    "no security context": (
        a_pod_spec(initContainers=[{"name": "init", "image": "i"}]),
        "each container sets allowPrivilegeEscalation to false",
    ),
    "root": (
        a_pod_spec(container={"securityContext": {**CONFINED, "runAsNonRoot": False}}),
        "sets runAsNonRoot to true",
    ),
    "perhaps root": (
        a_pod_spec(securityContext={"seccompProfile": {"type": "RuntimeDefault"}}),
        "sets runAsNonRoot to true",
    ),
    "any system call": (a_pod_spec(securityContext={"runAsNonRoot": True}), "sets a seccompProfile"),
    "any system call, by name": (
        a_pod_spec(container={"securityContext": {**CONFINED, "seccompProfile": {"type": "Unconfined"}}}),
        "sets a seccompProfile",
    ),
    "no AppArmor in a container": (
        a_pod_spec(container={"securityContext": {**CONFINED, "appArmorProfile": {"type": "Unconfined"}}}),
        "no appArmorProfile is Unconfined",
    ),
    "no AppArmor in the pod": (
        a_pod_spec(
            securityContext={
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
                "appArmorProfile": {"type": "Unconfined"},
            }
        ),
        "no appArmorProfile is Unconfined",
    ),
    "the whole of /proc": (
        a_pod_spec(
            hostNetwork=False,
            hostUsers=False,
            container={"securityContext": {**CONFINED, "procMount": "Unmasked"}},
        ),
        "no procMount is other than Default",
    ),
}


@pytest.mark.parametrize("spec", ALLOWED.values(), ids=ALLOWED)
def test_the_operator_may_reach_the_node_within_the_lists(guarded: Kubectl, spec: Manifest) -> None:
    apply_deployment(guarded.as_user(OPERATOR), spec, EDGE_NAMESPACE)


@pytest.mark.parametrize(("spec", "message"), REFUSED_TO_ALL.values(), ids=REFUSED_TO_ALL)
def test_the_operator_may_not_reach_further(guarded: Kubectl, spec: Manifest, message: str) -> None:
    """Whoever may write an InferenceService must not get at the node through the operator's rights."""
    with pytest.raises(Refused, match=message):
        apply_deployment(guarded.as_user(OPERATOR), spec, EDGE_NAMESPACE)


@pytest.mark.parametrize(
    "spec",
    [
        a_pod_spec(),
        a_pod_spec(hostNetwork=False),
        a_pod_spec(volumes=[]),
        an_ordinary_pod_spec() | {"containers": [A_CONTAINER | A_HOST_PORT]},
        an_ordinary_pod_spec() | {"initContainers": [an_init_container(CONFINED, **A_HOST_PORT)]},
    ],
    ids=["network and directory", "directory", "network", "port", "port of an init container"],
)
def test_the_operator_reaches_no_node_from_a_namespace_that_is_not_open(guarded: Kubectl, spec: Manifest) -> None:
    with pytest.raises(Refused, match=f"namespace {PLAIN_NAMESPACE} is not open to edge pods"):
        apply_deployment(guarded.as_user(OPERATOR), spec, PLAIN_NAMESPACE)


@pytest.mark.parametrize("of_the_host", ["hostPID", "hostIPC"])
def test_the_operator_shares_nothing_else_of_a_node(guarded: Kubectl, of_the_host: str) -> None:
    with pytest.raises(Refused, match="hostPID and hostIPC are not"):
        apply_deployment(guarded.as_user(OPERATOR), an_ordinary_pod_spec() | {of_the_host: True}, PLAIN_NAMESPACE)


def test_the_operator_makes_cloud_pods_in_any_namespace(guarded: Kubectl) -> None:
    apply_deployment(guarded.as_user(OPERATOR), an_ordinary_pod_spec(), PLAIN_NAMESPACE)


def test_the_operator_s_jobs_keep_to_the_same_rules(guarded: Kubectl) -> None:
    """Or its right to make them would reach what its right to make Deployments does not."""
    operator = guarded.as_user(OPERATOR)
    create_job(operator, an_ordinary_pod_spec(), PLAIN_NAMESPACE)
    with pytest.raises(Refused, match=f"namespace {PLAIN_NAMESPACE} is not open to edge pods"):
        create_job(operator, a_pod_spec(), PLAIN_NAMESPACE)
    with pytest.raises(Refused, match="the pod mounts /etc of its node"):
        create_job(operator, a_pod_spec(volumes=[a_host_path("/etc")]), EDGE_NAMESPACE)


@pytest.fixture(scope="module")
def with_groups(guarded: Kubectl) -> Iterator[Kubectl]:
    """LeaderWorkerSets and Knative's Services are served, but nobody makes pods of them."""
    files = [crd_file(kind) for kind in ("LeaderWorkerSet", "KnativeService")]
    for file in files:
        guarded.install(file)
    yield guarded
    for file in files:
        guarded.run("delete", "--wait=false", "-f", str(file))


@pytest.mark.parametrize("part", ["leaderTemplate", "workerTemplate"])
def test_the_operator_s_groups_keep_to_the_same_rules(with_groups: Kubectl, part: str) -> None:
    operator = with_groups.as_user(OPERATOR)
    apply_group(operator, {part: a_pod_spec()}, EDGE_NAMESPACE)
    assert refuses(lambda: apply_group(operator, {part: a_pod_spec()}, PLAIN_NAMESPACE), "is not open to edge pods")
    stray = {part: a_pod_spec(volumes=[a_host_path("/etc")])}
    assert refuses(lambda: apply_group(operator, stray, EDGE_NAMESPACE), "the pod mounts /etc of its node")
    apply_group(operator, {}, PLAIN_NAMESPACE)


def test_the_operator_s_knative_services_keep_to_the_same_rules(with_groups: Kubectl) -> None:
    operator = with_groups.as_user(OPERATOR)
    apply_knative_service(operator, an_ordinary_pod_spec(), PLAIN_NAMESPACE)
    shared = an_ordinary_pod_spec() | {"hostNetwork": True}
    assert refuses(lambda: apply_knative_service(operator, shared, PLAIN_NAMESPACE), "is not open to edge pods")


def refuses(apply: Callable[[], None], message: str) -> bool:
    """Whether it comes to be refused so: for a kind that is new the server finds its policies after a moment."""

    def refused() -> bool:
        try:
            apply()
        except Refused as error:
            return message in str(error)
        return False

    return until(refused, 30)


def test_other_people_s_deployments_are_none_of_the_operator_s_policy(guarded: Kubectl) -> None:
    apply_deployment(guarded, a_pod_spec(volumes=[a_host_path("/etc")]), PLAIN_NAMESPACE)


@pytest.mark.parametrize("spec", ALLOWED.values(), ids=ALLOWED)
def test_a_pod_of_an_open_namespace_may_reach_the_node_within_the_lists(guarded: Kubectl, spec: Manifest) -> None:
    apply_pod(guarded, spec, EDGE_NAMESPACE)


@pytest.mark.parametrize(
    ("spec", "message"), [*REFUSED_TO_ALL.values(), *REFUSED_TO_PODS.values()], ids=[*REFUSED_TO_ALL, *REFUSED_TO_PODS]
)
def test_a_pod_of_an_open_namespace_may_do_no_more(guarded: Kubectl, spec: Manifest, message: str) -> None:
    """Even for an administrator: Pod Security `privileged` alone would let all of these in."""
    with pytest.raises(Refused, match=message):
        apply_pod(guarded, spec, EDGE_NAMESPACE)


def test_pods_elsewhere_are_left_alone(guarded: Kubectl) -> None:
    apply_pod(guarded, a_pod_spec(hostPID=True), PLAIN_NAMESPACE)


def test_a_debug_container_keeps_to_the_same_rules(guarded: Kubectl) -> None:
    """`kubectl debug` adds a container to a pod that was admitted long ago."""
    guarded.apply([a_pod("debugged", a_pod_spec(), EDGE_NAMESPACE)])
    debug = ("debug", "debugged", "-n", EDGE_NAMESPACE, "--image=busybox:1", "--attach=false")
    with pytest.raises(Refused, match="each container sets allowPrivilegeEscalation to false"):
        guarded.run(*debug, "--profile=sysadmin")
    guarded.run(*debug, "--profile=restricted")


def apply_deployment(kubectl: Kubectl, spec: Manifest, namespace: str) -> None:
    labels = {"app": "engine"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "engine", "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    kubectl.apply([deployment], "--dry-run=server")


def create_job(kubectl: Kubectl, spec: Manifest, namespace: str) -> None:
    template = {"spec": {"restartPolicy": "Never", **spec}}
    metadata = {"name": "verify", "namespace": namespace}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}
    kubectl.run("create", "--dry-run=server", "-f", "-", text=yaml.safe_dump(job))


def apply_group(kubectl: Kubectl, specs: Mapping[str, Manifest], namespace: str) -> None:
    parts = {part: {"spec": an_ordinary_pod_spec()} for part in ("leaderTemplate", "workerTemplate")}
    parts |= {part: {"spec": spec} for part, spec in specs.items()}
    apply_custom(kubectl, "leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", {"leaderWorkerTemplate": parts}, namespace)


def apply_knative_service(kubectl: Kubectl, spec: Manifest, namespace: str) -> None:
    apply_custom(kubectl, "serving.knative.dev/v1", "Service", {"template": {"spec": spec}}, namespace)


def apply_custom(kubectl: Kubectl, api_version: str, kind: str, spec: Manifest, namespace: str) -> None:
    metadata = {"name": "engine", "namespace": namespace}
    made = {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
    kubectl.apply([made], "--dry-run=server")


def apply_pod(kubectl: Kubectl, spec: Manifest, namespace: str) -> None:
    kubectl.apply([a_pod("engine", spec, namespace)], "--dry-run=server")


def a_pod(name: str, spec: Manifest, namespace: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}
