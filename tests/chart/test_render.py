"""What the chart renders, without a cluster."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helm_python import HelmRenderError, lint

from edgeglm_operator.flags import parser, settings_of
from tests.chart.rendering import (
    CHART,
    RECEIVER,
    Manifest,
    each_value_set,
    named,
    of_kind,
    of_others,
    operator_pod,
    pods,
    render,
    render_files,
    values_of,
)

KUBERNETES = ("1.30", "1.32", "1.34", "1.37")
OWNER = {
    "app.kubernetes.io/name": "edgeglm",
    "app.kubernetes.io/instance": "edgeglm",
    "app.kubernetes.io/part-of": "edgeglm",
}


@each_value_set
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_fits_the_schema_of_each_kubernetes_that_the_chart_admits(value_set: Path, version: str) -> None:
    for manifest in (each for each in render(values_of(value_set)) if not of_others(each)):
        kubernetes_validate.validate(manifest, version, strict=True)


@each_value_set
def test_rendering_twice_gives_the_same_bytes(value_set: Path) -> None:
    """Whatever differs between two renderings is a difference that Argo CD reports for ever."""
    assert render_files(values_of(value_set)) == render_files(values_of(value_set))


@each_value_set
def test_lint_has_nothing_against_it(value_set: Path) -> None:
    assert lint(CHART, values_of(value_set), strict=True)["errors"] == []


@each_value_set
def test_no_name_is_given_twice(value_set: Path) -> None:
    """Two objects of one kind and name would overwrite each other without a word."""
    seen = [_identity(manifest) for manifest in render(values_of(value_set))]
    assert sorted(set(seen)) == sorted(seen)


@each_value_set
def test_everything_says_what_it_belongs_to(value_set: Path) -> None:
    for manifest in render(values_of(value_set)):
        assert manifest["metadata"]["labels"].items() >= OWNER.items()


WITHOUT_PODS = {
    ("", "configmaps"),
    ("", "services"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("edgeglm.io", "edgesites"),
    ("events.k8s.io", "events"),
    ("gateway.networking.k8s.io", "httproutes"),
    ("http.keda.sh", "interceptorroutes"),
    ("inference.networking.k8s.io", "inferencepools"),
    ("keda.sh", "scaledobjects"),
    ("monitoring.coreos.com", "podmonitors"),
    ("networking.k8s.io", "networkpolicies"),
    ("policy", "poddisruptionbudgets"),
}
"""What the operator may make that nobody makes pods of."""


def test_the_operator_is_told_which_images_to_use() -> None:
    values = {"engine": {"image": "engine:1"}, "agent": {"image": "agent:2"}}
    assert [argument for argument in _arguments(values) if "-image=" in argument] == [
        "--engine-image=engine:1",
        "--agent-image=agent:2",
        f"--operator-image=edgeglm/operator:{_app_version()}",
    ]


def test_the_agent_is_of_the_chart_s_own_release_when_none_is_named() -> None:
    assert f"--agent-image=edgeglm/agent:{_app_version()}" in _arguments({})


def test_a_mirror_is_where_the_agent_comes_from_too_unless_its_image_is_named() -> None:
    mirror = {"image": {"registry": "mirror.example:5000"}}
    assert f"--agent-image=mirror.example:5000/edgeglm/agent:{_app_version()}" in _arguments(mirror)
    assert "--agent-image=agent:2" in _arguments(mirror | {"agent": {"image": "agent:2"}})


@pytest.mark.parametrize(
    ("agent", "flags"),
    [
        ({}, ["--agent-max-unavailable=1"]),
        ({"maxUnavailable": 10_000}, ["--agent-max-unavailable=10000"]),
        ({"maxUnavailable": "10%", "followRelease": True}, ["--agent-max-unavailable=10%", "--agents-follow-release"]),
    ],
    ids=["default", "number", "percentage"],
)
def test_how_agents_change_is_said_in_words_that_the_operator_knows(agent: dict[str, Any], flags: list[str]) -> None:
    found = [argument for argument in _arguments({"agent": agent}) if argument.startswith(("--agent-max", "--agents"))]
    assert found == flags
    settings = settings_of(parser().parse_args(found))
    assert str(settings.agent_max_unavailable) == str(agent.get("maxUnavailable", 1))
    assert settings.agents_follow_release is agent.get("followRelease", False)


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, "edgeglm/operator:0.1.0"),
        ({"tag": "1.2.3"}, "edgeglm/operator:1.2.3"),
        ({"registry": "mirror.example:5000"}, "mirror.example:5000/edgeglm/operator:0.1.0"),
        ({"tag": "1.2.3", "digest": "sha256:" + "a" * 64}, "edgeglm/operator@sha256:" + "a" * 64),
    ],
    ids=["default", "tag", "mirror", "digest wins"],
)
def test_the_image_reference(image: dict[str, str], reference: str) -> None:
    assert _container({"image": image})["image"] == reference


def test_the_default_tag_is_a_release_of_the_distribution() -> None:
    """The chart, the images and the Python distribution are released together."""
    pyproject = (CHART.parents[1] / "pyproject.toml").read_text()
    assert f'\nversion = "{_app_version()}"\n' in pyproject


def test_the_watched_namespaces_are_flags_one_each() -> None:
    watched = [argument for argument in _arguments({"watchNamespaces": ["a", "b"]}) if "watch" in argument]
    assert watched == ["--watch-namespace=a", "--watch-namespace=b"]


def test_the_labels_to_watch_for_are_a_flag() -> None:
    assert "--watch-label-selector=edgeglm.io/shard=a" in _arguments({"watchLabelSelector": "edgeglm.io/shard=a"})
    assert "--watch-label-selector=!edgeglm.io/shard,a=b" in _arguments({"watchLabelSelector": "!edgeglm.io/shard,a=b"})
    assert not any("selector" in argument for argument in _arguments({}))


def test_each_release_has_a_lease_of_its_own_and_a_right_to_that_alone() -> None:
    for release, lease in (("edgeglm", "edgeglm-operator"), ("east", "east-edgeglm-operator")):
        manifests = render(release=release)
        deployment = next(each for each in manifests if each["kind"] == "Deployment")
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        assert f"--lease-name={lease}" in container["args"]
        rules = [rule for each in manifests if each["kind"] == "Role" for rule in each["rules"]]
        assert [rule["resourceNames"] for rule in rules if "resourceNames" in rule] == [[lease]]


def test_two_releases_share_no_object_but_the_crds() -> None:
    first, second = render(release="east"), render({"crds": {"install": False}}, release="west")
    assert not {_identity(each) for each in first} & {_identity(each) for each in second}


def test_a_pod_template_holds_nothing_that_changes_with_the_chart_alone() -> None:
    """A new chart around the same operator must not restart it."""
    assert _chart_version() not in yaml.safe_dump(operator_pod({"image": {"tag": "x"}, "agent": {"image": "y"}}))


def test_of_itself_it_needs_nobody_else_s_kind() -> None:
    assert not any(of_others(each) for each in render())
    assert of_kind(render(), "ConfigMap") == []


def test_the_rules_and_the_dashboard_are_the_files_as_they_stand() -> None:
    """Helm would take what is in braces in them for its own."""
    made = render({"prometheus": {"rules": True}, "grafana": {"dashboard": True}})
    [rule], [dashboard] = of_kind(made, "PrometheusRule"), of_kind(made, "ConfigMap")
    assert rule["spec"] == yaml.safe_load((CHART / "files" / "rules.yaml").read_text())
    assert json.loads(dashboard["data"]["edgeglm.json"]) == json.loads((CHART / "files" / "dashboard.json").read_text())
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_pod_monitors_find_the_pods_and_their_port() -> None:
    values = {**RECEIVER, "prometheus": {"podMonitor": True}}
    for monitor, component in zip(of_kind(render(values), "PodMonitor"), ("operator", "receiver"), strict=True):
        [pod] = pods(values, component=component)
        assert pod["metadata"]["labels"].items() >= monitor["spec"]["selector"]["matchLabels"].items()
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["port"] in {port["name"] for port in pod["spec"]["containers"][0]["ports"]}


def test_the_operator_keeps_off_edge_nodes() -> None:
    [term] = operator_pod()["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert {"key": "node-role.kubernetes.io/edge", "operator": "DoesNotExist"} in term["matchExpressions"]


def test_a_foreign_service_account_must_be_named() -> None:
    with pytest.raises(HelmRenderError, match=r"serviceAccount\.name is needed"):
        render({"serviceAccount": {"create": False}})


def test_the_policies_bind_the_service_account_that_the_pod_runs_under() -> None:
    manifests = render({"serviceAccount": {"name": "glm"}})
    for policy in policies_of_the_operator(manifests):
        condition = policy["spec"]["matchConditions"][0]
        assert "'system:serviceaccount:edgeglm-system:glm'" in condition["expression"]
    assert operator_pod({"serviceAccount": {"name": "glm"}})["spec"]["serviceAccountName"] == "glm"


def test_all_that_the_operator_may_make_pods_by_is_under_its_policies() -> None:
    """Or whoever may write an InferenceService would reach nodes through the kind that was forgotten."""
    manifests = render()
    role = named(manifests, "ClusterRole", "edgeglm-operator")
    may_make = {
        (group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if "create" in rule["verbs"] and (group, resource) not in WITHOUT_PODS
    }
    bound = {
        (rule["apiGroups"][0], rule["resources"][0])
        for policy in policies_of_the_operator(manifests)
        for rule in policy["spec"]["matchConstraints"]["resourceRules"]
    }
    assert may_make == bound


def policies_of_the_operator(manifests: list[Manifest]) -> list[Manifest]:
    found = of_kind(manifests, "ValidatingAdmissionPolicy")
    return [each for each in found if each["metadata"]["name"].startswith("edgeglm-operator")]


def _identity(manifest: Manifest) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def _container(values: dict[str, Any]) -> Manifest:
    [container] = operator_pod(values)["spec"]["containers"]
    found: Manifest = container
    return found


def _arguments(values: dict[str, Any]) -> list[str]:
    return list(_container(values)["args"])


def _metadata() -> Manifest:
    metadata: Manifest = yaml.safe_load((CHART / "Chart.yaml").read_text())
    return metadata


def _app_version() -> str:
    return str(_metadata()["appVersion"])


def _chart_version() -> str:
    return f"edgeglm-{_metadata()['version']}"
