"""APIs that a cluster may have or not, with their real CRDs on a real API server.

No KEDA, no gateway and no Prometheus runs here: the test writes what their controllers would. KEDA itself runs in
tests/cluster/operator/test_operator_keda.py.
"""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgeglm_api.group import API_VERSION
from tests.chart.conftest import NAMESPACE
from tests.chart.kubectl import Kubectl, Manifest, Refused
from tests.chart.operator_process import OperatorProcess, names, running_operator
from tests.chart.rendering import RECEIVER, ROOT, of_others, render
from tests.chart.replicas import every_number_of_replicas
from tests.cluster.crds import FILES, crd_file
from tests.cluster.process import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

HERE = f"optional-{secrets.token_hex(3)}"
COMPANIONS = ("ScaledObject", "PodMonitor", "HTTPRoute", "InferencePool")
BESIDE = "scaledobjects,podmonitors,httproutes,inferencepools"
ACTIVATOR = "InterceptorRoute"
GROUPS = "LeaderWorkerSet"
KNATIVE = "KnativeService"
KSVC = "services.serving.knative.dev"
OF_OTHERS = (*COMPANIONS, ACTIVATOR, GROUPS, KNATIVE)
FOLLOWS_LOAD = {"minReplicas": 2, "maxReplicas": 8}
SLEEPS = {**FOLLOWS_LOAD, "scaleToZero": {"activator": "HTTPAddon"}}
SEEN_WITHIN_SECONDS = 120
"""Some rounds of the autoscaler of Kubernetes itself."""

COLLECTED_SECONDS = 300
"""Kubernetes' garbage collector looks for kinds each half minute, and begins anew while kinds come and go under it."""

POD_METRICS: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "metricvaluelists.custom.metrics.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "unapproved, stands in for a metrics adapter"},
    },
    "spec": {
        "group": "custom.metrics.k8s.io",
        "scope": "Namespaced",
        "names": {"kind": "MetricValueList", "plural": "metricvaluelists"},
        "versions": [
            {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}
"""The group alone, with no figure in it: an adapter that finds no metrics."""


@pytest.fixture(scope="module")
def account(installed: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kubeconfig of the chart's service account, and a namespace for the tests."""
    installed.run("create", "namespace", HERE)
    yield installed.kubeconfig_of("edgeglm", NAMESPACE, tmp_path_factory.mktemp("account"))
    installed.run("delete", "namespace", HERE, "--wait=false")


@pytest.fixture
def operator(account: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    flags = (f"--namespace={NAMESPACE}", "--prometheus-url=http://prometheus.monitoring:9090", "--discovery-seconds=3")
    with running_operator(account, tmp_path / "operator.log", *flags) as process:
        yield process
        # A kind that is being removed refuses to be made, with the same status; `vanish` has looked at these before.
        assert [refusal for refusal in process.refusals() if 'verb="patch"' not in refusal] == []


@pytest.fixture
def admin(installed: Kubectl, account: Path) -> Iterator[Kubectl]:
    """As the administrator, in the namespace that `account` made; no optional API is there before or after."""
    assert account.exists()
    yield installed
    installed.run("delete", "infsvc", "--all", "-n", HERE)
    assert until(lambda: not names(installed, "deployments", HERE), COLLECTED_SECONDS)
    # All at once, and then all are waited for: one after the other, those of one file alone may take a minute.
    for kind in FILES:
        installed.run("delete", "--ignore-not-found", "--wait=false", "-f", str(crd_file(kind)))
    assert until(lambda: not any(_is_there(installed, kind) for kind in FILES), COLLECTED_SECONDS)


def _is_there(installed: Kubectl, kind: str) -> bool:
    return bool(installed.run("get", "--ignore-not-found", "-o", "name", "-f", str(crd_file(kind))).strip())


def test_apis_that_come_and_go_take_no_replica_with_them(operator: OperatorProcess, admin: Kubectl) -> None:
    """None is there, then all are, then KEDA vanishes under load."""
    routing = {"httpRoute": {"parentRefs": [{"name": "public"}]}, "inferencePool": {"endpointPicker": {"name": "epp"}}}
    beside = {"routing": routing, "monitoring": {"podMonitor": True}}
    admin.apply([a_service(cloud={"autoscaling": FOLLOWS_LOAD}, **beside)])
    operator.await_that(lambda: condition(admin, "AutoscalingReady") == ("False", "NoAutoscaler"))
    assert condition(admin, "RouteReady") == ("False", "GatewayAPIMissing")
    assert condition(admin, "PoolReady") == ("False", "InferenceExtensionMissing")
    assert condition(admin, "MonitoringReady") == ("False", "PrometheusOperatorMissing")
    assert replicas(admin) == 2

    for kind in COMPANIONS:
        install(admin, kind)
    operator.await_that(lambda: len(names(admin, BESIDE, HERE)) == len(COMPANIONS))
    operator.await_that(lambda: condition(admin, "AutoscalingReady") == ("Unknown", "WaitingForAutoscaler"))
    assert replicas(admin) == 2
    assert "edgeglm-operator" not in owners_of_replicas(admin)

    admin.run("scale", "deployment", "llm", "-n", HERE, "--replicas=6")
    says(admin, "scaledobject", {"conditions": [spoken("Ready", "True")]})
    parent: Manifest = {"parentRef": {"name": "public"}, "controllerName": "example.com/gateway"}
    generation = admin.get("httproute", "llm", HERE)["metadata"]["generation"]
    parent["conditions"] = [{**spoken("Accepted", "True"), "observedGeneration": generation}]
    says(admin, "httproute", {"parents": [parent]})
    operator.await_that(lambda: condition(admin, "AutoscalingReady") == ("True", "Scaling"))
    operator.await_that(lambda: condition(admin, "RouteReady") == ("True", "RouteAccepted"))
    assert replicas(admin) == 6

    vanish(operator, admin, "ScaledObject")
    operator.await_that(lambda: condition(admin, "AutoscalingReady") == ("False", "NoAutoscaler"))
    assert replicas(admin) == 6
    assert condition(admin, "RouteReady") == ("True", "RouteAccepted")


def test_the_number_is_handed_over_in_both_directions(
    operator: OperatorProcess, admin: Kubectl, tmp_path: Path
) -> None:
    install(admin, "ScaledObject")
    admin.apply([a_service(cloud={"replicas": 5})])
    operator.await_that(lambda: "deployment.apps/llm" in names(admin, "deployments", HERE))
    with every_number_of_replicas(admin, HERE, tmp_path / "replicas") as seen:
        admin.apply([a_service(cloud={"autoscaling": FOLLOWS_LOAD})])
        # One that the operator knew at its start, or comes to know.
        operator.await_that(lambda: names(admin, "scaledobjects", HERE) == {"scaledobject.keda.sh/llm"})
        assert owners_of_replicas(admin) == {"edgeglm-handover"}
        admin.run("scale", "deployment", "llm", "-n", HERE, "--replicas=7")
        admin.apply([a_service(cloud={"replicas": 7})])
        operator.await_that(lambda: names(admin, "scaledobjects", HERE) == set())
        assert "edgeglm-operator" in owners_of_replicas(admin)
        assert until(lambda: "7" in seen(), 30)
        assert set(seen()) == {"5", "7"}


def test_replicas_sleep_only_while_somebody_wakes_them(operator: OperatorProcess, admin: Kubectl) -> None:
    """KEDA's HTTP Add-on comes later, and vanishes while all replicas sleep."""
    install(admin, "ScaledObject")
    admin.apply([a_service(cloud={"autoscaling": SLEEPS})])
    operator.await_that(lambda: names(admin, "scaledobjects", HERE) == {"scaledobject.keda.sh/llm"})
    operator.await_that(lambda: condition(admin, "ActivatorReady") == ("False", "HTTPAddonMissing"))
    assert idle_replicas(admin) is None

    install(admin, ACTIVATOR)
    operator.await_that(lambda: names(admin, "interceptorroutes", HERE) == {"interceptorroute.http.keda.sh/llm"})
    operator.await_that(lambda: idle_replicas(admin) == 0)
    says(admin, "scaledobject", {"conditions": [spoken("Ready", "True")]})
    says(admin, "interceptorroute", {"conditions": [spoken("Ready", "True")]})
    admin.run("scale", "deployment", "llm", "-n", HERE, "--replicas=0")
    operator.await_that(lambda: condition(admin, "AutoscalingReady") == ("True", "ScaledToZero"))
    operator.await_that(lambda: condition(admin, "ActivatorReady") == ("True", "Activating"))
    operator.await_that(lambda: condition(admin, "Ready") == ("True", "ScaledToZero"))
    assert replicas(admin) == 0

    vanish(operator, admin, ACTIVATOR)
    operator.await_that(lambda: replicas(admin) == 2)
    operator.await_that(lambda: condition(admin, "ActivatorReady") == ("False", "HTTPAddonMissing"))
    assert idle_replicas(admin) is None


def test_a_replica_over_several_nodes_needs_an_api_that_may_come_and_go(
    operator: OperatorProcess, admin: Kubectl
) -> None:
    """What ran on one node goes on until it can be replaced. The test speaks for the API's controller."""
    accelerator = {"count": 1}
    admin.apply([a_service(cloud={"accelerator": accelerator})])
    operator.await_that(lambda: names(admin, "deployments", HERE) == {"deployment.apps/llm"})
    admin.apply([a_service(cloud={"accelerator": accelerator, "nodesPerReplica": 2})])
    operator.await_that(lambda: condition(admin, "CloudReady") == ("False", "LeaderWorkerSetMissing"))
    assert names(admin, "deployments", HERE) == {"deployment.apps/llm"}

    install(admin, GROUPS)
    groups = {"leaderworkerset.leaderworkerset.x-k8s.io/llm-nodes"}
    operator.await_that(lambda: names(admin, "leaderworkersets", HERE) == groups)
    operator.await_that(lambda: names(admin, "deployments", HERE) == set())
    status = {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}
    says(admin, "leaderworkerset", {**status, "conditions": [spoken("Available", "True")]}, name="llm-nodes")
    operator.await_that(lambda: condition(admin, "Ready") == ("True", "Serving"))
    assert names(admin, "networkpolicies", HERE) == {"networkpolicy.networking.k8s.io/llm-nodes"}

    vanish(operator, admin, GROUPS)
    operator.await_that(lambda: condition(admin, "CloudReady") == ("False", "LeaderWorkerSetMissing"))


def test_what_knative_makes_needs_an_api_that_may_come_and_go(operator: OperatorProcess, admin: Kubectl) -> None:
    """What ran before goes on until it can be replaced. The test speaks for Knative, and removes what it would."""
    admin.apply([a_service(cloud={"replicas": 2})])
    operator.await_that(lambda: names(admin, "deployments", HERE) == {"deployment.apps/llm"})
    admin.apply([a_service(cloud={"replicas": 2, "deploymentMode": "Knative"})])
    operator.await_that(lambda: condition(admin, "KnativeFits") == ("False", "KnativeMissing"))
    assert names(admin, "deployments", HERE) == {"deployment.apps/llm"}
    assert names(admin, "services", HERE) == {"service/llm"}

    install(admin, KNATIVE)
    operator.await_that(lambda: names(admin, KSVC, HERE) == {"service.serving.knative.dev/llm"})
    operator.await_that(lambda: names(admin, "deployments,services,poddisruptionbudgets", HERE) == set())
    operator.await_that(lambda: condition(admin, "CloudReady") == ("Unknown", "WaitingForKnative"))
    address = {"url": f"http://llm.{HERE}.svc.cluster.local"}
    says(admin, KSVC, {"observedGeneration": 1, "address": address, "conditions": [spoken("Ready", "True")]})
    operator.await_that(lambda: condition(admin, "Ready") == ("True", "ScaledToZero"))
    assert admin.get("infsvc", "llm", HERE)["status"]["url"] == address["url"]
    with pytest.raises(Refused, match=r"set spec\.suspend"):
        admin.run("scale", "infsvc", "llm", "-n", HERE, "--replicas=0")
    admin.run("scale", "infsvc", "llm", "-n", HERE, "--replicas=3")
    operator.await_that(lambda: scale_in_knative(admin) == "3")

    vanish(operator, admin, KNATIVE)
    operator.await_that(lambda: condition(admin, "CloudReady") == ("False", "KnativeMissing"))


def test_kubectl_scale_is_refused_while_an_autoscaler_is_asked_for(admin: Kubectl) -> None:
    admin.apply([a_service(cloud={"autoscaling": FOLLOWS_LOAD})])
    with pytest.raises(Refused, match="replicas"):
        admin.run("scale", "infsvc", "llm", "-n", HERE, "--replicas=3")
    with pytest.raises(Refused, match="drop autoscaling first"):
        admin.run("patch", "infsvc", "llm", "-n", HERE, "--type=merge", "-p", '{"spec":{"cloud":{"replicas":3}}}')


def test_where_pod_metrics_are_served_kubernetes_own_autoscaler_scales(
    operator: OperatorProcess, admin: Kubectl
) -> None:
    """The real controller finds no figures, and what it says is told."""
    admin.apply([POD_METRICS])
    try:
        admin.apply([a_service(cloud={"autoscaling": FOLLOWS_LOAD})])
        operator.await_that(lambda: names(admin, "hpa", HERE) == {"horizontalpodautoscaler.autoscaling/llm"})
        assert until(
            lambda: condition(admin, "AutoscalingReady") == ("False", "AutoscalerFailing"), SEEN_WITHIN_SECONDS
        ), admin.get("hpa", "llm", HERE)
        # It brought the one replica that there was to the least that there may be.
        assert replicas(admin) == 2
    finally:
        admin.run("delete", "crd", POD_METRICS["metadata"]["name"])


def test_the_real_crds_take_what_is_made(admin: Kubectl) -> None:
    """Every golden manifest of their kinds, field by field."""
    golden = [
        manifest
        for path in (ROOT / "tests" / "golden").glob("*/out.yaml")
        for manifest in yaml.safe_load_all(path.read_text())
        if crd_of(manifest) in OF_OTHERS
    ]
    assert {crd_of(manifest) for manifest in golden} == set(OF_OTHERS)
    for kind in OF_OTHERS:
        install(admin, kind)
    for manifest in golden:
        manifest["metadata"]["namespace"] = HERE
    admin.apply(golden, "--dry-run=server", "--validate=strict")


def test_the_real_crds_take_what_the_chart_makes_for_prometheus(admin: Kubectl) -> None:
    values = {**RECEIVER, "prometheus": {"podMonitor": True, "rules": True}}
    made = [manifest for manifest in render(values) if of_others(manifest)]
    assert {manifest["kind"] for manifest in made} == {"PodMonitor", "PrometheusRule"}
    for kind in ("PodMonitor", "PrometheusRule"):
        install(admin, kind)
    for manifest in made:
        manifest["metadata"]["namespace"] = HERE
    admin.apply(made, "--dry-run=server", "--validate=strict")


@pytest.mark.parametrize(("kind", "example"), [("BackendTrafficPolicy", "envoy-gateway"), ("EnvoyFilter", "istio")])
def test_the_limits_before_a_model_are_taken_as_they_stand(admin: Kubectl, kind: str, example: str) -> None:
    install(admin, kind)
    manifests = list(yaml.safe_load_all((ROOT / "examples" / "gateways" / f"{example}.yaml").read_text()))
    for manifest in manifests:
        manifest["metadata"]["namespace"] = HERE
    admin.apply(manifests, "--dry-run=server", "--validate=strict")


def crd_of(manifest: Manifest) -> str:
    """By what name its CRD goes here: Knative's Service is not Kubernetes' own."""
    return KNATIVE if manifest["apiVersion"].startswith("serving.knative.dev/") else manifest["kind"]


def install(kubectl: Kubectl, kind: str) -> None:
    kubectl.install(crd_file(kind))


def vanish(operator: OperatorProcess, kubectl: Kubectl, kind: str) -> None:
    """Remove a CRD; until then the operator was allowed all that it did."""
    assert operator.refusals() == []
    kubectl.run("delete", "-f", str(crd_file(kind)))


def a_service(**spec: Any) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": "InferenceService",
        "metadata": {"name": "llm", "namespace": HERE},
        "spec": {"model": {"uri": "hf://owner/model"}, **spec},
    }


def spoken(kind: str, status: str) -> Manifest:
    moment = {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    return {"type": kind, "status": status, "reason": "Because", "message": "so it is", **moment}


def says(kubectl: Kubectl, kind: str, status: Manifest, *, name: str = "llm") -> None:
    """As the kind's own controller."""
    patch = json.dumps({"status": status})
    kubectl.run("patch", kind, name, "-n", HERE, "--subresource=status", "--type=merge", "-p", patch)


def condition(kubectl: Kubectl, of: str) -> tuple[str, str] | None:
    found = kubectl.get("infsvc", "llm", HERE).get("status", {}).get("conditions", [])
    return next(((each["status"], each["reason"]) for each in found if each["type"] == of), None)


def replicas(kubectl: Kubectl) -> int:
    found: int = kubectl.get("deployment", "llm", HERE)["spec"]["replicas"]
    return found


def scale_in_knative(kubectl: Kubectl) -> str:
    """The most that Knative may make."""
    template = kubectl.get(KSVC, "llm", HERE)["spec"]["template"]
    found: str = template["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"]
    return found


def idle_replicas(kubectl: Kubectl) -> int | None:
    """How many KEDA leaves while nothing asks; None where there are always some."""
    found: int | None = kubectl.get("scaledobject", "llm", HERE)["spec"].get("idleReplicaCount")
    return found


def owners_of_replicas(kubectl: Kubectl) -> set[str]:
    """Who holds the field, by the server's own book."""
    found = json.loads(kubectl.run("get", "deployment", "llm", "-n", HERE, "-o", "json", "--show-managed-fields"))
    entries = found["metadata"]["managedFields"]
    return {each["manager"] for each in entries if "f:replicas" in each["fieldsV1"].get("f:spec", {})}
