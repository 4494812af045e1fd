"""How the typed models are read and written: camelCase on the wire, defaults left out, unknown fields passed over.

The API server has already refused what the CRD does not allow, so a field that a newer CRD added must not stop an older
reader.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Model(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The parent of every model. Each child repeats `frozen` (for mypy) and `kw_only` (for msgspec)."""


class InvalidObject(ValueError):  # noqa: N818 - it names the object's state, as the API's own `Invalid` does
    """The object does not have the shape of its kind; `field` says where, as a path from the root."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message


def read(raw: Mapping[str, Any], kind: type[T]) -> T:
    """Turn an object as it came from JSON into its model.

    Raises InvalidObject with the path of the first field that does not fit.
    """
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at ")
        raise InvalidObject(message, path.strip("`").removeprefix("$.")) from error


def write(value: object) -> Any:  # noqa: ANN401 - the shape of JSON
    """Turn a model into plain dictionaries and lists, ready for JSON."""
    return msgspec.to_builtins(value)
