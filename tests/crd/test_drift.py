"""The typed models and the CRDs say the same, in both directions: fields, types, words, defaults, what is required."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest
from msgspec import inspect

from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.offline.crds import our_crds

Schema = dict[str, Any]

KINDS: Final = {"InferenceService": InferenceService, "SensorGraph": SensorGraph, "EdgeSite": EdgeSite}
ENVELOPE: Final = {"apiVersion", "kind", "metadata"}
"""Of the object as such; `metadata` is Kubernetes' own."""

SCALARS: Final = {
    inspect.StrType: "string",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
}


@pytest.mark.parametrize("kind", KINDS)
def test_model_and_crd_say_the_same(kind: str) -> None:
    crd = our_crds()[kind].schema
    schema = {**crd, "properties": {key: child for key, child in crd["properties"].items() if key not in ENVELOPE}}
    assert list(_differences(inspect.type_info(KINDS[kind]), schema, kind)) == []


def test_a_difference_is_seen() -> None:
    """The test of the test: a field too many, one of another type, another default, another word."""

    class Model(msgspec.Struct):
        name: str
        size: int = 3
        extra: bool = False

    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "integer"},
            "size": {"type": "integer", "default": 4},
            "missing": {"type": "string"},
        },
    }
    assert list(_differences(inspect.type_info(Model), schema, "x")) == [
        "x: only the model has extra",
        "x: only the CRD has missing",
        "x.name: the model has string, the CRD integer",
        "x.name: required by the model, not by the CRD",
        "x.size: the model's default is 3, the CRD's 4",
    ]


def _differences(kind: inspect.Type, schema: Schema, path: str) -> Iterator[str]:
    match _without_none(kind):
        case inspect.StructType() as struct:
            yield from _struct(struct, schema, path)
        case inspect.VarTupleType(item_type=item):
            yield from _is(schema, "array", path)
            yield from _differences(item, schema.get("items", {}), f"{path}[]")
        case inspect.DictType(value_type=value):
            yield from _is(schema, "object", path)
            # Anything goes in the model where Kubernetes itself is the judge.
            if not isinstance(value, inspect.AnyType):
                yield from _differences(value, schema.get("additionalProperties", {}), f"{path}{{}}")
        case inspect.LiteralType(values=values):
            if set(values) != set(schema.get("enum", ())):
                yield f"{path}: the model has the words {sorted(map(str, values))}, the CRD {schema.get('enum')}"
        case inspect.UnionType():
            if not schema.get("x-kubernetes-int-or-string"):
                yield f"{path}: the model takes several types, the CRD {schema.get('type')}"
        case scalar:
            yield from _is(schema, SCALARS[type(scalar)], path)


def _struct(struct: inspect.StructType, schema: Schema, path: str) -> Iterator[str]:
    yield from _is(schema, "object", path)
    envelope = ENVELOPE if path in KINDS else set()
    fields = {field.encode_name: field for field in struct.fields if field.encode_name not in envelope}
    properties = schema.get("properties", {})
    yield from (f"{path}: only the model has {name}" for name in sorted(fields.keys() - properties.keys()))
    yield from (f"{path}: only the CRD has {name}" for name in sorted(properties.keys() - fields.keys()))
    for name in sorted(fields.keys() & properties.keys()):
        field, child, where = fields[name], properties[name], f"{path}.{name}"
        yield from _differences(field.type, child, where)
        if field.required and name not in schema.get("required", ()):
            yield f"{where}: required by the model, not by the CRD"
        yield from _defaults(field, child, where)


def _defaults(field: inspect.Field, schema: Schema, path: str) -> Iterator[str]:
    """An empty default in the model is how it reads an absent field; any other must be the CRD's own."""
    default = field.default if field.default is not msgspec.NODEFAULT else None
    theirs = schema.get("default")
    if schema.get("type") == "object" or (default in {None, "", ()} and theirs is None):
        return
    if path.split(".")[1] != "status" and default != theirs:
        yield f"{path}: the model's default is {default}, the CRD's {theirs}"


def _is(schema: Schema, kind: str, path: str) -> Iterator[str]:
    if schema.get("type") != kind:
        yield f"{path}: the model has {kind}, the CRD {schema.get('type')}"


def _without_none(kind: inspect.Type) -> inspect.Type:
    if not isinstance(kind, inspect.UnionType):
        return kind
    rest = tuple(each for each in kind.types if not isinstance(each, inspect.NoneType))
    return rest[0] if len(rest) == 1 else inspect.UnionType(rest)
