"""Fields that the models do not have. The API server refuses them; a file on a disk has nobody to do so."""

from collections.abc import Iterator
from typing import Any

from msgspec import inspect


def unknown_fields(raw: Any, kind: type) -> list[str]:  # noqa: ANN401 - the shape of JSON
    """Return the paths of the fields in `raw` that a model does not have."""
    return list(_unknown(raw, inspect.type_info(kind), ""))


def _unknown(raw: Any, kind: inspect.Type, path: str) -> Iterator[str]:  # noqa: ANN401 - the shape of JSON
    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _unknown(raw, each, path)
    elif isinstance(kind, inspect.VarTupleType) and isinstance(raw, list):
        for at, item in enumerate(raw):
            yield from _unknown(item, kind.item_type, f"{path}[{at}]")
    elif isinstance(kind, inspect.StructType) and isinstance(raw, dict):
        fields = {field.encode_name: field.type for field in kind.fields}
        for name, value in raw.items():
            where = f"{path}.{name}" if path else name
            if name not in fields:
                yield where
            else:
                yield from _unknown(value, fields[name], where)
