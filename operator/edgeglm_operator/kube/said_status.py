"""A status in the form in which it is applied."""

from functools import cache
from typing import Any

import msgspec


def said_status(value: object) -> Any:  # noqa: ANN401 - the shape of JSON
    """A status as plain data, its zeros included.

    Server-side apply turns a map whose fields all went into null, which the CRD refuses: counts that fall to nothing
    must be said, not left out. And `kubectl get` shows a 0 where there would be a blank.
    """
    match value:
        case msgspec.Struct():
            fields = ((field, getattr(value, field.name)) for field in _fields(type(value)))
            said = ((field, each) for field, each in fields if field.required or each not in (None, "", ()))
            return {field.encode_name: said_status(each) for field, each in said}
        case tuple():
            return [said_status(each) for each in value]
        case _:
            return value


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)
