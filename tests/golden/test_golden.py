"""Custom resources in, manifests out: each case is a folder with in.yaml, perhaps nodes.yaml, and what is expected.

Every manifest is also held against Kubernetes' own schema and the Pod Security Standard.
"""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from edgeglm_operator.cli import main
from edgeglm_operator.kube.kinds import AUTOSCALERS, KNATIVE_SERVICES, OPTIONAL_CHILD_KINDS, kind_of
from edgeglm_operator.offline.cel_check import rule_faults
from edgeglm_operator.offline.check import check
from edgeglm_operator.offline.crds import our_crds
from edgeglm_operator.offline.defaults import with_defaults
from edgeglm_operator.offline.documents import Document
from tests.crd.rows import mount
from tests.golden.pod_standard import violations

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/in.yaml"))
OF_OTHERS = set(OPTIONAL_CHILD_KINDS) - {AUTOSCALERS}
"""Kinds that are not Kubernetes' own."""
ON_THE_HOST = {"hostNetwork", "hostPath", "hostPort", "probe.host"}
"""What a pod at the edge cannot do without."""
ROOT_ONCE = ("runAsNonRoot", "runAsUser", "capabilities.add")
"""What the one container that runs as root needs to give a directory away."""


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def rendered(case: Path, capsys: pytest.CaptureFixture[str]) -> str:
    nodes = case / "nodes.yaml"
    options = ["--prometheus-url", "http://prometheus.monitoring:9090"]
    options += ["--nodes", str(nodes)] if nodes.exists() else []
    status = main(["render", "-f", str(case / "in.yaml"), *options])
    output = capsys.readouterr()
    notes = "".join(f"# note: {line}\n" for line in output.err.splitlines() if "passed over" not in line)
    assert status == (1 if notes else 0)
    return notes + output.out


def expected(case: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((case / "out.yaml").read_text(encoding="utf-8")))


def test_rendering_gives_what_is_expected(
    case: Path, capsys: pytest.CaptureFixture[str], *, update_golden: bool
) -> None:
    text = rendered(case, capsys)
    if update_golden:
        (case / "out.yaml").write_text(text, encoding="utf-8")
    assert text == (case / "out.yaml").read_text(encoding="utf-8")
    assert text == rendered(case, capsys)


def test_kubernetes_knows_every_field(case: Path) -> None:
    for manifest in expected(case):
        if manifest["apiVersion"].startswith("edgeglm.io/"):
            check([Document("out.yaml", manifest)])
        elif kind_of(manifest["apiVersion"], manifest["kind"]) in OF_OTHERS:
            # tests/chart/test_optional_apis.py asks a real API server with their CRDs.
            for pod in pods_of(manifest):
                as_pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod}
                kubernetes_validate.validate(as_pod, "1.36", strict=True)
        else:
            kubernetes_validate.validate(manifest, "1.36", strict=True)


def test_pods_keep_to_restricted_but_for_the_host_at_the_edge(case: Path) -> None:
    made = [(manifest, pod) for manifest in expected(case) for pod in pods_of(manifest)]
    for manifest, pod in made:
        labels = manifest["metadata"]["labels"]
        found = violations(pod)
        if labels["app.kubernetes.io/component"] == "agent":
            assert found == ON_THE_HOST | {f"own-data.{field}" for field in ROOT_ONCE}
        elif labels.get("edgeglm.io/place") == "edge":
            assert found <= ON_THE_HOST | {f"own-cache.{field}" for field in ROOT_ONCE}
        elif case.name == "cache-on-node" and labels["app.kubernetes.io/component"] == "engine":
            assert found == {"hostPath", *(f"own-cache.{field}" for field in ROOT_ONCE)}
        else:
            assert found == set()


def test_nobody_can_mount_over_what_the_operator_mounts(case: Path) -> None:
    """Nor under it: what the CRD refuses must keep up with what pods have."""
    schema = our_crds()["InferenceService"].schema
    for manifest in expected(case):
        if manifest["metadata"]["labels"].get("edgeglm.io/place") != "cloud" or manifest["kind"] != "Deployment":
            continue
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        ours = [each["mountPath"] for each in container["volumeMounts"] if not each["name"].startswith("user-")]
        for path in ours:
            assert rule_faults(schema, with_defaults(schema, mount(path))), path
            assert rule_faults(schema, with_defaults(schema, mount(f"{path}/x"))), path


def test_each_child_can_be_found_and_pruned(case: Path) -> None:
    for manifest in expected(case):
        metadata = manifest["metadata"]
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "edgeglm-operator"
        assert all(owner["blockOwnerDeletion"] is False for owner in metadata["ownerReferences"])
        if manifest["kind"] == "EdgeSite":
            assert not any(owner["controller"] for owner in metadata["ownerReferences"])
        else:
            assert [owner["controller"] for owner in metadata["ownerReferences"]] == [True]
        if manifest["kind"] == "Deployment":
            spec = manifest["spec"]
            assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def pods_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The pods that it has made, of each kind one."""
    match manifest["kind"]:
        case "Deployment" | "Job":
            return [manifest["spec"]["template"]["spec"]]
        case "LeaderWorkerSet":
            templates = manifest["spec"]["leaderWorkerTemplate"]
            return [templates[which]["spec"] for which in ("leaderTemplate", "workerTemplate")]
        case "Service" if manifest["apiVersion"] == KNATIVE_SERVICES.api_version:
            of_knative = {"containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds"}
            revision = manifest["spec"]["template"]["spec"]
            return [{field: value for field, value in revision.items() if field not in of_knative}]
    return []


def test_selectors_do_not_meet() -> None:
    """A Service must never send requests to an edge replica or a Job, nor a Deployment count another's pods."""
    for case in CASES:
        with_pods = [manifest for manifest in expected(case) if manifest["kind"] in {"Deployment", "Job"}]
        for one in (manifest for manifest in with_pods if manifest["kind"] == "Deployment"):
            assert [other["metadata"]["name"] for other in with_pods if selects(one, other)] == [
                one["metadata"]["name"]
            ]


def selects(one: dict[str, Any], other: dict[str, Any]) -> bool:
    selector, labels = one["spec"]["selector"]["matchLabels"], other["spec"]["template"]["metadata"]["labels"]
    same_namespace = one["metadata"]["namespace"] == other["metadata"]["namespace"]
    return same_namespace and bool(selector.items() <= labels.items())
