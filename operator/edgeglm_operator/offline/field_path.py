"""Where a field stands: `spec.edge[plants].port`, with a list's items by name where they have one."""

import re
from collections.abc import Iterable
from typing import Any, Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")


def field_path(root: Any, keys: Iterable[str | int]) -> str:  # noqa: ANN401 - the shape of JSON
    """The path of keys and indices from the root of an object."""
    path, value = "", root
    for key in keys:
        value = value[key]
        path = step(path, key, value)
    return path


def step(path: str, key: str | int, value: Any = None) -> str:  # noqa: ANN401 - the shape of JSON
    """A path, one key or one item further; `value` is what stands there."""
    if isinstance(key, int):
        name = value.get("name") if isinstance(value, dict) else None
        return f"{path}[{name if isinstance(name, str) and name else key}]"
    if not _PLAIN.fullmatch(key):
        return f"{path}[{key!r}]"
    return f"{path}.{key}" if path else key
