"""The CRDs as objects: what Kubernetes demands of them, and what we demand of ourselves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from edgeglm_operator.offline.cel_check import rule_faults
from edgeglm_operator.offline.crds import directory
from edgeglm_operator.offline.defaults import with_defaults
from edgeglm_operator.offline.schema_check import schema_faults

Schema = dict[str, Any]

FILES = sorted(directory().glob("*.yaml"))
SIZE_LIMIT_BYTES = 200_000
OF_KUBERNETES = {".spec.cloud.tolerations[].tolerationSeconds"}
"""Bounded by Kubernetes itself, or not at all."""
FORBIDDEN = {"$ref", "allOf", "oneOf", "not", "definitions", "patternProperties", "title", "nullable", "const"}


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def crd(request: pytest.FixtureRequest) -> Schema:
    found: Schema = yaml.safe_load(request.param.read_text(encoding="utf-8"))
    return found


def schema_of(crd: Schema) -> Schema:
    schema: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every node of a schema with its path."""
    yield path, schema
    for key, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{key}")
    for key, suffix in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield from nodes(schema[key], path + suffix)


def test_there_are_three() -> None:
    assert [path.stem for path in FILES] == ["edgesites", "inferenceservices", "sensorgraphs"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_stays_small(path: Path) -> None:
    """kubectl keeps a copy in an annotation, which holds 256 KiB."""
    assert path.stat().st_size < SIZE_LIMIT_BYTES


def test_kubernetes_knows_every_field_of_it(crd: Schema) -> None:
    kubernetes_validate.validate(crd, "1.36", strict=True)


def test_every_node_has_a_type_and_no_forbidden_word(crd: Schema) -> None:
    for path, schema in nodes(schema_of(crd)):
        assert "type" in schema or schema.get("x-kubernetes-int-or-string"), path
        assert not FORBIDDEN & schema.keys(), path
        if "properties" in schema:
            assert "additionalProperties" not in schema, path


def test_everything_has_a_bound(crd: Schema) -> None:
    """The API server reckons the cost of CEL rules from the bounds, and a site's bundle has one of its own."""
    for path, schema in nodes(schema_of(crd)):
        match schema.get("type"):
            case "string":
                assert schema.keys() & {"maxLength", "enum", "format"} or path in {".apiVersion", ".kind"}, path
            case "array":
                assert "maxItems" in schema, path
                assert "x-kubernetes-list-type" in schema, path
            case "object" if "additionalProperties" in schema:
                assert "maxProperties" in schema, path
            case "integer":
                assert "format" in schema, path
                bounded = {"minimum", "maximum"} <= schema.keys() or "enum" in schema
                assert bounded or path.startswith(".status") or path in OF_KUBERNETES, path


def test_every_field_is_described(crd: Schema) -> None:
    for path, schema in nodes(schema_of(crd)):
        last = path.rpartition(".")[2]
        if path in {"", ".metadata"} or last.endswith(("[]", "{}")):
            continue
        assert str(schema.get("description", "")).strip().endswith((".", ":")), path


def test_defaults_fit_their_own_schema(crd: Schema) -> None:
    for path, schema in nodes(schema_of(crd)):
        if "default" in schema:
            assert schema_faults(schema, with_defaults(schema, schema["default"])) == [], path


def test_rules_hold_for_a_default_as_it_is_written(crd: Schema) -> None:
    """The API server judges a default before the defaults of its parts are filled in (Kubernetes 1.36)."""
    for path, schema in nodes(schema_of(crd)):
        if "default" in schema and schema.get("type") == "object":
            assert rule_faults(schema, schema["default"]) == [], path


def test_no_default_beats_the_level_above(crd: Schema) -> None:
    """A default on an engine field or on replicas would overrule what spec.engine, a preset or an autoscaler says."""
    for path, schema in nodes(schema_of(crd)):
        if ".engine" in path or path.endswith(".replicas"):
            assert "default" not in schema, path


def test_every_rule_says_what_to_do(crd: Schema) -> None:
    for path, schema in nodes(schema_of(crd)):
        for rule in schema.get("x-kubernetes-validations", ()):
            assert rule["message"], path
            assert "\n" not in rule["message"], path


def test_conditions_are_those_of_kubernetes_and_merge_by_type(crd: Schema) -> None:
    status = schema_of(crd)["properties"]["status"]["properties"]
    conditions = status["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert set(conditions["items"]["properties"]) == {
        "type",
        "status",
        "reason",
        "message",
        "observedGeneration",
        "lastTransitionTime",
    }
    assert "observedGeneration" in status


def test_subresources_and_columns_point_at_fields(crd: Schema) -> None:
    (version,) = crd["spec"]["versions"]
    assert version["subresources"]["status"] == {}
    paths = {path for path, _ in nodes(schema_of(crd))} | {".metadata.creationTimestamp"}
    assert set(version["subresources"].get("scale", {}).values()) <= paths
    for column in version["additionalPrinterColumns"]:
        plain = column["jsonPath"].partition("[?")[0].replace("[*]", "[]")
        assert plain in paths, column


def test_names_are_short_and_free(crd: Schema) -> None:
    names = crd["spec"]["names"]
    assert names["shortNames"] in (["infsvc"], ["sgraph"], ["esite"])
    assert names["categories"] == ["edgeglm"]
    assert crd["metadata"]["name"] == f"{names['plural']}.{crd['spec']['group']}"
