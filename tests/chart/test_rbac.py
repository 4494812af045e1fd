"""What the chart grants, as written; test_install.py asks a real API server the same."""

from pathlib import Path
from typing import Any

from edgeglm_api.labels import MANAGED_BY, MANAGER, TOPOLOGY
from edgeglm_operator.kube.kinds import CONFIG_MAPS, TOPOLOGIES
from edgeglm_operator.resync import POLLED, SELECTORS
from tests.chart.rendering import RECEIVER, Manifest, each_value_set, named, of_kind, render, values_of

FORBIDDEN = {"serviceaccounts", "serviceaccounts/token", "pods/exec", "pods/attach", "roles", "clusterroles"}


@each_value_set
def test_no_rule_has_a_wildcard(value_set: Path) -> None:
    for rule in _rules(values_of(value_set)):
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
        assert not any("*" in resource for resource in rule["resources"])


@each_value_set
def test_no_rule_reaches_what_could_be_used_to_gain_more(value_set: Path) -> None:
    """Secrets, tokens, exec and the roles themselves."""
    for rule in _rules_of_the_operator(values_of(value_set)):
        assert not FORBIDDEN & set(rule["resources"])
        assert not {"escalate", "bind", "impersonate", "deletecollection"} & set(rule["verbs"])


@each_value_set
def test_secrets_are_made_at_most_and_only_for_sites_that_report(value_set: Path) -> None:
    values = values_of(value_set)
    verbs = [rule["verbs"] for rule in _rules_of_the_operator(values) if "secrets" in rule["resources"]]
    reports = values.get("receiver", {}).get("enabled") and values.get("rbac", {}).get("create", True)
    assert verbs == ([["create"]] if reports else [])


def test_the_receiver_may_reach_the_status_of_sites_and_nothing_else() -> None:
    role = named(render(RECEIVER), "ClusterRole", "edgeglm-receiver")
    assert role["rules"] == [
        {"apiGroups": ["edgeglm.io"], "resources": ["edgesites/status"], "verbs": ["get", "patch"]}
    ]
    bound = [each for each in of_kind(render(RECEIVER), "ClusterRoleBinding") if "-receiver" in str(each["subjects"])]
    assert [each["roleRef"]["name"] for each in bound] == ["edgeglm-receiver"]


def test_a_receiver_of_two_namespaces_has_its_right_in_these_two_only() -> None:
    manifests = render(RECEIVER | {"watchNamespaces": ["plant-a", "plant-b"]})
    assert not any("-receiver" in each["metadata"]["name"] for each in of_kind(manifests, "ClusterRoleBinding"))
    bound = [each for each in of_kind(manifests, "RoleBinding") if each["roleRef"]["name"] == "edgeglm-receiver"]
    assert [each["metadata"]["namespace"] for each in bound] == ["plant-a", "plant-b"]


def test_the_operator_never_writes_a_spec_of_what_users_write() -> None:
    for rule in _rules_of("edgeglm-operator"):
        if {"inferenceservices", "sensorgraphs"} & set(rule["resources"]):
            assert set(rule["verbs"]) <= {"get", "list", "watch"}


def test_topologies_of_users_need_no_right_beyond_what_bundles_need() -> None:
    """They are listed by their label with the right that is there; none is fetched, watched or written."""
    rules = [rule for rule in _rules_of("edgeglm-operator") if "configmaps" in rule["resources"]]
    assert rules == [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch", "create", "patch"]}
    ]
    assert POLLED[TOPOLOGIES] == TOPOLOGY
    assert SELECTORS[CONFIG_MAPS] == f"{MANAGED_BY}={MANAGER}"


def test_devices_may_be_listed_where_that_is_switched_on_and_nothing_else() -> None:
    """The right stands in the role of the namespaces that are watched: with two of them, in these two."""
    assert not any("devices.kubeedge.io" in rule["apiGroups"] for rule in _rules({}))
    rules = [rule for rule in _rules({"rbac": {"devices": True}}) if "devices.kubeedge.io" in rule["apiGroups"]]
    assert rules == [{"apiGroups": ["devices.kubeedge.io"], "resources": ["devices"], "verbs": ["list"]}]


def test_users_never_write_a_status() -> None:
    writing = {"create", "update", "patch", "delete"}
    for name in ("edgeglm-view", "edgeglm-edit"):
        for rule in _rules_of(name):
            assert not (writing & set(rule["verbs"]) and any(each.endswith("/status") for each in rule["resources"]))


def test_watching_two_namespaces_gives_rights_in_these_two_only() -> None:
    manifests = render({"watchNamespaces": ["plant-a", "plant-b"], "rbac": {"nodes": False}})
    assert of_kind(manifests, "ClusterRoleBinding") == []
    assert [each["metadata"]["namespace"] for each in of_kind(manifests, "RoleBinding")] == [
        "edgeglm-system",
        "plant-a",
        "plant-b",
    ]


def test_without_the_right_to_read_nodes_nothing_speaks_of_nodes() -> None:
    assert not any("nodes" in rule["resources"] for rule in _rules({"rbac": {"nodes": False}}))


def test_a_team_may_bind_everything_by_hand() -> None:
    kinds = {each["kind"] for each in render({"rbac": {"create": False}})}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


def _rules(values: dict[str, Any]) -> list[Manifest]:
    roles = [each for each in render(values) if each["kind"] in {"ClusterRole", "Role"}]
    return [rule for role in roles for rule in role["rules"]]


def _rules_of_the_operator(values: dict[str, Any]) -> list[Manifest]:
    users = ("-view", "-edit")
    roles = [each for each in render(values) if each["kind"] in {"ClusterRole", "Role"}]
    return [rule for role in roles if not role["metadata"]["name"].endswith(users) for rule in role["rules"]]


def _rules_of(name: str) -> list[Manifest]:
    rules: list[Manifest] = named(render(), "ClusterRole", name)["rules"]
    return rules
