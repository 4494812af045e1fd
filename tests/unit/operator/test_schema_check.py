"""Structural schemas as JSON Schema, defaults as the API server puts them in."""

import re

import pytest

from edgeglm_operator.offline.defaults import with_defaults
from edgeglm_operator.offline.field_path import field_path
from edgeglm_operator.offline.schema_check import go_pattern, schema_faults

SCHEMA = {
    "type": "object",
    "required": ["a"],
    "properties": {
        "a": {"type": "integer", "default": 3},
        "deep": {"type": "object", "default": {}, "properties": {"b": {"type": "string", "default": "x"}}},
        "free": {"type": "object"},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"c": {"default": 1}}}},
        "names": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "code": {"type": "string", "pattern": "^[a-z]+$"},
    },
}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({}, {"a": 3, "deep": {"b": "x"}}),
        ({"a": None, "deep": None}, {"a": 3, "deep": {"b": "x"}}),
        ({"a": 1, "deep": {"b": "y"}}, {"a": 1, "deep": {"b": "y"}}),
        ({"map": {"k": {}}}, {"a": 3, "deep": {"b": "x"}, "map": {"k": {"c": 1}}}),
        ("not an object", "not an object"),
    ],
)
def test_nulls_go_and_defaults_come(given: object, stored: object) -> None:
    assert with_defaults(SCHEMA, given) == stored


def test_a_default_is_never_shared() -> None:
    with_defaults(SCHEMA, {})["deep"]["b"] = "changed"
    assert with_defaults(SCHEMA, {})["deep"] == {"b": "x"}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"a": 1, "free": {"anything": [1]}}, None),
        ({}, ("a", "is required")),
        ({"a": 1, "b": 2}, ("b", "is not a field; allowed are a, code, deep, free, map, names")),
        ({"a": True}, ("a", "is true; it must be of type integer")),
        ({"a": 1, "names": ["x", "x"]}, ("names", '"x" stands 2 times')),
        ({"a": 1, "code": "abc\n"}, ("code", 'is "abc\\n"; it must match ^[a-z]+$')),
        ({"a": 1, "map": {"a.b": 3}}, ("map['a.b']", "is 3; it must be of type object")),
    ],
)
def test_a_fault_has_its_path_and_its_words(value: object, fault: tuple[str, str] | None) -> None:
    assert schema_faults(SCHEMA, value) == ([] if fault is None else [fault])


def test_the_end_of_a_pattern_is_the_very_end() -> None:
    assert re.search("^a$", "a\n")
    assert not re.search(go_pattern("^a$"), "a\n")
    assert go_pattern(r"a\$") == r"a\$"


def test_items_are_called_by_name_where_they_have_one() -> None:
    root = {"edge": [{"name": "plants", "port": 1}, {"port": 2}]}
    assert field_path(root, ["edge", 0, "port"]) == "edge[plants].port"
    assert field_path(root, ["edge", 1, "port"]) == "edge[1].port"
