"""Checking an object against a CRD's structural schema, as strictly as `kubectl apply`: unknown fields are faults."""

import difflib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from edgeglm_operator.offline.crds import Schema
from edgeglm_operator.offline.field_path import field_path, step

_VERY_END: Final = r"\Z"

Fault = tuple[str, str]
"""A field's path, and what is wrong with it."""


def schema_faults(schema: Schema, value: Any) -> list[Fault]:  # noqa: ANN401 - the shape of JSON
    """All faults, by path."""
    errors = Draft202012Validator(translated(schema)).iter_errors(value)
    faults = {fault for error in errors for fault in _faults(value, error)}
    return sorted(faults) + list(_duplicates(schema, value, ""))


def translated(schema: Schema) -> dict[str, Any]:
    """A structural schema as JSON Schema: closed objects, and patterns as Kubernetes reads them."""
    result = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if "properties" in schema:
        result["properties"] = {key: translated(child) for key, child in schema["properties"].items()}
        result.setdefault("additionalProperties", False)
    if isinstance(schema.get("additionalProperties"), Mapping):
        result["additionalProperties"] = translated(schema["additionalProperties"])
    if "items" in schema:
        result["items"] = translated(schema["items"])
    if "pattern" in schema:
        result["pattern"] = go_pattern(schema["pattern"])
    return result


def go_pattern(pattern: str) -> str:
    r"""A pattern for Python that means what it means to Go, where `$` is the very end, never before a last newline."""
    return pattern[:-1] + _VERY_END if pattern.endswith("$") and not pattern.endswith(r"\$") else pattern


def _faults(root: Any, error: ValidationError) -> Iterator[Fault]:  # noqa: ANN401 - the shape of JSON
    path = field_path(root, error.absolute_path)
    instance: Any = error.instance
    limit: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "additionalProperties":
            allowed = sorted(schema.get("properties", {}))
            yield from ((step(path, name), _unknown(name, allowed)) for name in instance if name not in allowed)
        case "required":
            yield from ((step(path, name), "is required") for name in limit if name not in instance)
        case "pattern":
            yield path, f"is {_shown(instance)}; it must match {_go_pattern_of(schema)}"
        case validator:
            say = _MESSAGES.get(str(validator))
            yield path, say(instance, limit) if say else error.message


_MESSAGES: Final[Mapping[str, Callable[[Any, Any], str]]] = {
    "type": lambda value, kind: f"is {_shown(value)}; it must be of type {kind}",
    "enum": lambda value, allowed: f"is {_shown(value)}; allowed are {_listed(allowed)}",
    "minimum": lambda value, least: f"is {value}; it must be at least {least}",
    "maximum": lambda value, most: f"is {value}; it must be at most {most}",
    "minLength": lambda value, least: f"is {_shown(value)}; it must have at least {least} characters",
    "maxLength": lambda value, most: f"has {len(value)} characters; {most} is the most",
    "minItems": lambda value, least: f"has {len(value)} items; {least} is the least",
    "maxItems": lambda value, most: f"has {len(value)} items; {most} is the most",
    "minProperties": lambda value, least: f"has {len(value)} entries; {least} is the least",
    "maxProperties": lambda value, most: f"has {len(value)} entries; {most} is the most",
    "anyOf": lambda value, _: f"is {_shown(value)}; it must be a number or a text",
}


def _unknown(name: str, allowed: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, allowed, n=1)
    guess = f", did you mean {near[0]}" if near else ""
    return f"is not a field{guess}; allowed are {_listed(allowed)}"


def _go_pattern_of(schema: Schema) -> str:
    return str(schema["pattern"]).replace(_VERY_END, "$")


def _duplicates(schema: Schema, value: Any, path: str) -> Iterator[Fault]:  # noqa: ANN401 - the shape of JSON
    """What JSON Schema cannot say: a list's items must differ in their keys."""
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties") or {}
        for key, item in value.items():
            yield from _duplicates(properties.get(key, others), item, step(path, key))
    elif isinstance(value, list):
        yield from _twins(schema, value, path)
        for index, item in enumerate(value):
            yield from _duplicates(schema.get("items", {}), item, step(path, index, item))


def _twins(schema: Schema, items: Sequence[Any], path: str) -> Iterator[Fault]:
    match schema.get("x-kubernetes-list-type"):
        case "set":
            seen = Counter(_shown(item) for item in items)
        case "map":
            keys = schema["x-kubernetes-list-map-keys"]
            seen = Counter(
                ", ".join(f"{key} {_shown(item.get(key))}" for key in keys) for item in items if isinstance(item, dict)
            )
        case _:
            return
    yield from ((path, f"{identity} stands {count} times") for identity, count in seen.items() if count > 1)


def _shown(value: Any) -> str:  # noqa: ANN401 - the shape of JSON
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in values)
