"""What the API server does to an object before it validates it: nulls go, defaults come."""

from copy import deepcopy
from typing import Any

from edgeglm_operator.offline.crds import Schema


def with_defaults(schema: Schema, value: Any) -> Any:  # noqa: ANN401 - the shape of JSON
    """A copy of a value as the API server would store it. What does not fit the schema is left for validation."""
    if isinstance(value, dict):
        return _object(schema, value)
    if isinstance(value, list):
        return [with_defaults(schema.get("items", {}), item) for item in value]
    return value


def without_unknown(schema: Schema, value: Any) -> Any:  # noqa: ANN401 - the shape of JSON
    """A copy of a value without the fields that the schema does not have, as the API server would store it."""
    if isinstance(value, list):
        return [without_unknown(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    properties, others = schema.get("properties"), schema.get("additionalProperties", {})
    if properties is None:
        return {key: without_unknown(others, item) for key, item in value.items()}
    return {key: without_unknown(properties[key], item) for key, item in value.items() if key in properties}


def _object(schema: Schema, value: dict[str, Any]) -> dict[str, Any]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    present = {key: item for key, item in value.items() if item is not None or key not in properties}
    missing = {
        key: deepcopy(child["default"])
        for key, child in properties.items()
        if "default" in child and key not in present
    }
    return {key: with_defaults(properties.get(key, others), item) for key, item in (present | missing).items()}
