"""Evaluating a CRD's own rules (`x-kubernetes-validations`) without an API server.

The evaluator is not the API server's, so the tests run the same table of objects through both.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import cel

from edgeglm_operator.offline.crds import Schema
from edgeglm_operator.offline.field_path import step
from edgeglm_operator.offline.schema_check import Fault

_ABSENT: Final = object()


def rule_faults(schema: Schema, value: Any, old: Any = _ABSENT) -> list[Fault]:  # noqa: ANN401 - the shape of JSON
    """All rules that are broken. With `old`, the rules about changes are checked too."""
    return list(_faults(schema, value, old, ""))


def _faults(schema: Schema, value: Any, old: Any, path: str) -> Iterator[Fault]:  # noqa: ANN401 - the shape of JSON
    yield from _broken(schema, value, old, path)
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties") or {}
        for key, item in value.items():
            yield from _faults(properties.get(key, others), item, _child(old, key), step(path, key))
    elif isinstance(value, list):
        keys = schema.get("x-kubernetes-list-map-keys")
        for index, item in enumerate(value):
            # Only the items of a list-map can be told apart, so only they have a before.
            before = _twin(old, item, keys) if keys else _ABSENT
            yield from _faults(schema.get("items", {}), item, before, step(path, index, item))


def _broken(schema: Schema, value: Any, old: Any, path: str) -> Iterator[Fault]:  # noqa: ANN401 - the shape of JSON
    for rule in schema.get("x-kubernetes-validations", ()):
        program = _compiled(rule["rule"])
        about_change = "oldSelf" in program.variables()
        if about_change and old is _ABSENT:
            continue
        names = {"self": value, "oldSelf": old} if about_change else {"self": value}
        if program.execute(names) is not True:
            yield path, rule["message"]


def _child(old: Any, key: str) -> Any:  # noqa: ANN401 - the shape of JSON
    return old.get(key, _ABSENT) if isinstance(old, dict) else _ABSENT


def _twin(old: Any, item: Any, keys: list[str]) -> Any:  # noqa: ANN401 - the shape of JSON
    if not isinstance(old, list):
        return _ABSENT
    identity = [item.get(key) for key in keys]
    return next((other for other in old if [other.get(key) for key in keys] == identity), _ABSENT)


@cache
def _compiled(rule: str) -> cel.Program:
    return cel.compile(rule)
