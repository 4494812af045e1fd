"""The chart on a real API server: installed, judged, upgraded, taken away."""

from collections.abc import Callable, Iterator

import pytest
from helm_python import Chart, Config

from tests.chart.conftest import NAMESPACE, OPERATOR
from tests.chart.kubectl import Kubectl, Refused, Right
from tests.chart.rendering import CHART, RECEIVER, ROOT, pods
from tests.cluster.fixtures import AnyCluster
from tests.cluster.process import until

pytestmark = pytest.mark.cluster

RELEASE = "helmed"
WITHIN_SECONDS = 30
CRDS = ("inferenceservices.edgeglm.io", "sensorgraphs.edgeglm.io", "edgesites.edgeglm.io")
USERS_KINDS = ("inferenceservices.edgeglm.io", "sensorgraphs.edgeglm.io")
SITES = "edgesites.edgeglm.io"
STATUSES = ("inferenceservices/status.edgeglm.io", "sensorgraphs/status.edgeglm.io", "edgesites/status.edgeglm.io")
JOBS = "jobs.batch"
MADE_AND_PRUNED = ("deployments.apps", "services", "poddisruptionbudgets.policy", "networkpolicies.networking.k8s.io")
CHILDREN = (*MADE_AND_PRUNED, "configmaps")
BESIDE = (
    *("horizontalpodautoscalers.autoscaling", "scaledobjects.keda.sh"),
    *("podmonitors.monitoring.coreos.com", "httproutes.gateway.networking.k8s.io"),
    "inferencepools.inference.networking.k8s.io",
)
LEASES = "leases.coordination.k8s.io"
OBSERVE = ("list", "watch")
MAKE = ("create", "patch", "delete")

GRANTED = [
    *(Right(verb, kind) for kind in (*USERS_KINDS, SITES, *CHILDREN, "pods", "nodes") for verb in OBSERVE),
    *(Right(verb, kind) for kind in (SITES, *MADE_AND_PRUNED) for verb in MAKE),
    *(Right(verb, "configmaps") for verb in ("create", "patch")),
    *(Right(verb, JOBS) for verb in ("get", *OBSERVE, "create", "delete")),
    *(Right("get", kind) for kind in ("inferenceservices.edgeglm.io", SITES, *CHILDREN)),
    *(Right("patch", kind) for kind in STATUSES),
    *(Right(verb, kind) for kind in BESIDE for verb in ("get", "list", *MAKE)),
    Right("create", "events.events.k8s.io"),
]
WITHHELD = [
    *(Right(verb, kind) for kind in BESIDE for verb in ("watch", "update", "deletecollection")),
    Right("list", "gateways.gateway.networking.k8s.io"),
    Right("patch", "deployments/scale.apps"),
    *(Right(verb, kind) for kind in USERS_KINDS for verb in ("update", *MAKE)),
    *(Right(verb, "secrets") for verb in ("get", *OBSERVE, *MAKE)),
    *(Right(verb, LEASES) for verb in ("get", "create", "update")),
    *(Right(verb, "pods") for verb in ("get", *MAKE)),
    *(Right(verb, "nodes") for verb in ("get", "update", *MAKE)),
    *(Right("delete", kind) for kind in ("configmaps", *STATUSES)),
    *(Right(verb, JOBS) for verb in ("patch", "update")),
    Right("create", "pods/exec"),
    Right("create", "serviceaccounts/token"),
    Right("create", "namespaces"),
    Right("list", "namespaces"),
    Right("list", "customresourcedefinitions.apiextensions.k8s.io"),
    Right("patch", "customresourcedefinitions.apiextensions.k8s.io"),
    Right("create", "clusterrolebindings.rbac.authorization.k8s.io"),
    Right("impersonate", "users"),
]


def test_the_operator_may_do_what_it_does(installed: Kubectl) -> None:
    rights = installed.rights(OPERATOR, GRANTED)
    assert [right for right, allowed in rights.items() if not allowed] == []


def test_the_operator_may_do_nothing_else(installed: Kubectl) -> None:
    rights = installed.rights(OPERATOR, WITHHELD)
    assert [right for right, allowed in rights.items() if allowed] == []


def test_one_lease_is_the_operator_s_in_its_own_namespace(installed: Kubectl) -> None:
    ours = [Right(verb, LEASES, "edgeglm-operator") for verb in ("get", "update")]
    others = [Right(verb, LEASES, "somebody-else") for verb in ("get", "update", "delete")]
    rights = installed.rights(OPERATOR, [Right("create", LEASES), *ours, *others], NAMESPACE)
    assert [right for right, allowed in rights.items() if allowed] == [Right("create", LEASES), *ours]


PEOPLE = {
    "view": {
        Right("get", "inferenceservices.edgeglm.io"): True,
        Right("get", "inferenceservices/status.edgeglm.io"): True,
        Right("create", "inferenceservices.edgeglm.io"): False,
        Right("patch", "inferenceservices/scale.edgeglm.io"): False,
    },
    "edit": {
        Right("create", "inferenceservices.edgeglm.io"): True,
        Right("patch", "edgesites.edgeglm.io"): True,
        Right("patch", "inferenceservices/scale.edgeglm.io"): True,
        # Only the operator says what it observed.
        Right("patch", "inferenceservices/status.edgeglm.io"): False,
    },
    "admin": {
        Right("delete", "sensorgraphs.edgeglm.io"): True,
        Right("update", "edgesites/status.edgeglm.io"): False,
    },
}


@pytest.mark.parametrize("role", PEOPLE)
def test_the_cluster_s_own_roles_reach_our_kinds(people: Kubectl, role: str) -> None:
    """`view`, `edit` and `admin` aggregate the chart's rules; the controller manager takes a moment for it."""
    eventually(lambda: people.rights(role, PEOPLE[role], NAMESPACE) == PEOPLE[role])


@pytest.fixture
def people(installed: Kubectl) -> Iterator[Kubectl]:
    """A user for each of the cluster's own roles, named like it."""
    for role in PEOPLE:
        binding = ("create", "rolebinding", f"chart-{role}", f"--clusterrole={role}", f"--user={role}")
        installed.run(*binding, "-n", NAMESPACE)
    yield installed
    installed.run("delete", "rolebinding", *(f"chart-{role}" for role in PEOPLE), "-n", NAMESPACE)


def test_the_pod_is_let_in_where_restricted_is_enforced(installed: Kubectl) -> None:
    """The fixture's namespace enforces Pod Security `restricted`: the ReplicaSet could not make the pod otherwise."""
    eventually(lambda: bool(installed.run("get", "pods", "-n", NAMESPACE, "-o", "name")))


@pytest.mark.parametrize("component", ["operator", "receiver"])
def test_with_a_receiver_both_pods_are_let_in_there(installed: Kubectl, component: str) -> None:
    [template] = pods(RECEIVER, component=component)
    # The receiver's own account comes with it; which one a pod has is nothing to Pod Security.
    spec = template["spec"] | {"serviceAccountName": "edgeglm"}
    metadata = {"name": f"{component}-probe", "namespace": NAMESPACE}
    installed.apply([{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}], "--dry-run=server")


@pytest.fixture
def helm(installed: Kubectl, cluster: AnyCluster) -> Iterator[Config]:
    """Helm, where the CRDs were applied by kubectl before: it takes them over as docs/guide/install.md describes."""
    installed.run("apply", "--server-side", "-f", str(ROOT / "crds"))
    installed.run("label", "--overwrite", "crd", *CRDS, "app.kubernetes.io/managed-by=Helm")
    owner = (f"meta.helm.sh/release-name={RELEASE}", f"meta.helm.sh/release-namespace={RELEASE}")
    installed.run("annotate", "--overwrite", "crd", *CRDS, *owner)
    with Config(kubeconfig_path=str(cluster.kubeconfig), namespace=RELEASE) as config:
        yield config
        config.uninstall(RELEASE, ignore_not_found=True)
    installed.run("delete", "namespace", RELEASE, "--ignore-not-found", "--wait=false")


def test_helm_installs_upgrades_and_leaves_the_crds(helm: Config, installed: Kubectl) -> None:
    with Chart.load(CHART) as chart:
        assert helm.install(chart, RELEASE, {}, namespace=RELEASE, create_namespace=True)["status"] == "deployed"
        assert helm.upgrade(chart, RELEASE, {"replicas": 2}, namespace=RELEASE)["status"] == "deployed"
    assert installed.get("deployment", f"{RELEASE}-edgeglm", RELEASE)["spec"]["replicas"] == 2
    helm.uninstall(RELEASE)
    with pytest.raises(Refused, match="not found"):
        installed.get("deployment", f"{RELEASE}-edgeglm", RELEASE)
    for crd in CRDS:
        assert installed.get("crd", crd)["metadata"].get("deletionTimestamp") is None


def eventually(holds: Callable[[], bool]) -> None:
    assert until(holds, WITHIN_SECONDS), f"it did not come about within {WITHIN_SECONDS} s"
