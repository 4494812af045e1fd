"""values.schema.json refuses what would otherwise be ignored in silence."""

import json
from typing import Any

import pytest
from helm_python import HelmValuesError

from tests.chart.rendering import CHART, VALUE_SETS, render, values_of


@pytest.mark.parametrize(
    "values",
    [
        {"replica": 2},
        {"image": {"repo": "edgeglm/operator"}},
        {"image": {"tag": "latest"}},
        {"image": {"digest": "sha256:short"}},
        {"image": {"pullPolicy": "Sometimes"}},
        {"engine": {"images": "vllm/vllm-openai:v0.32.0"}},
        {"engine": {"image": ""}},
        {"agent": {"followReleases": True}},
        {"agent": {"maxUnavailable": 0}},
        {"agent": {"maxUnavailable": "0%"}},
        {"agent": {"maxUnavailable": "101%"}},
        {"agent": {"maxUnavailable": "3"}},
        {"verification": {"concurrency": -1}},
        {"verification": {"parallel": 4}},
        {"rbac": {"node": False}},
        {"rbac": {"nodes": "false"}},
        {"rbac": {"devices": "true"}},
        {"serviceAccount": {"names": "glm"}},
        {"watchNamespaces": ["Plant_A"]},
        {"watchNamespaces": "plant-a"},
        {"watchLabelSelector": "shard in (a, b)"},
        {"watchLabelSelector": "shard=a,"},
        {"crds": {"enabled": True}},
        {"resources": {"limit": {"memory": "1Gi"}}},
        {"edge": {"hostPathPrefix": ["/var/lib/edgeglm/"]}},
        {"edge": {"hostPorts": [{"from": 8000}]}},
        {"edge": {"hostPorts": [{"from": 0, "to": 80}]}},
        {"edge": {"admission": {"pod": True}}},
        {"extraEnv": [{"name": "A", "val": "b"}]},
        {"receiver": {"enable": True}},
        {"receiver": {"externalURL": "http://plain.example"}},
        {"receiver": {"externalURL": "https://host/path"}},
        {"receiver": {"epoch": 0}},
        {"receiver": {"tls": {"ca": "ca.crt"}}},
    ],
    ids=json.dumps,
)
def test_a_typo_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(HelmValuesError):
        render(values)


@pytest.mark.parametrize(
    "prefix", ["/", "/var/lib/edgeglm", "var/lib/", "/var/lib/../", "//", "/var/./", "/var/lib/'x'/"]
)
def test_a_host_path_prefix_is_a_directory_below_the_root(prefix: str) -> None:
    """Without the slash at its end, /var/lib/edgeglm would let /var/lib/edgeglm-of-somebody-else in."""
    with pytest.raises(HelmValuesError):
        render({"edge": {"hostPathPrefixes": [prefix]}})


def test_every_object_in_the_schema_is_closed_or_a_free_map() -> None:
    """An object that lists its properties admits no others."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    open_objects = [
        path
        for path, node in _objects(schema, "$")
        if "properties" in node and node.get("additionalProperties") is not False
    ]
    assert open_objects == []


def test_every_value_has_a_default_and_every_default_a_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = values_of(CHART / "values.yaml")
    # Helm itself hands `global` to every chart.
    assert set(schema["properties"]) - {"global"} == set(defaults)


def test_the_value_sets_touch_every_value() -> None:
    """So that no template stays unrendered in the tests."""
    touched = {key for path in VALUE_SETS for key in values_of(path)}
    assert set(values_of(CHART / "values.yaml")) == touched


def _objects(node: Any, path: str) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(node, dict):
        return []
    found = [(path, node)] if node.get("type") == "object" else []
    return found + [each for key, child in node.items() for each in _objects(child, f"{path}.{key}")]
