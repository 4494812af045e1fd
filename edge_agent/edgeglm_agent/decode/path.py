"""Paths into a payload, after RFC 9535 (JSONPath), as far as they name one value.

`$` is the payload and `@` the item that `forEach` stands at; then `.name`, `['any name']` and `[0]`, one after the
other. The path of `forEach` itself may have `[*]`: every element of a list, or every value of an object.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from edgeglm_agent.decode.refused import Reason, Refused

MAX_ITEMS: Final = 10_000
"""Of one payload; what has more is no message but a file."""
_STEP: Final = re.compile(
    r"\.(?P<name>[A-Za-z_][\w-]*)|\[(?P<index>\d{1,6})\]|\['(?P<quoted>[^']+)'\]|(?P<every>\[\*\])"
)


class Place(msgspec.Struct, frozen=True):
    """Where in a payload we are."""

    payload: Any
    item: Any


Getter = Callable[[Place], Any]


class BadPath(ValueError):  # noqa: N818 - names what it is about
    """The text is not a path."""


def compile_path(text: str) -> Getter:
    """Turn a path into a function that finds the value, or raises Refused.

    Raises BadPath when the text is not one.
    """
    steps = _steps(text)
    if None in steps:
        raise BadPath(f"{text!r} names many values; `[*]` is for forEach")
    of_item = text.startswith("@")

    def get(place: Place) -> Any:  # noqa: ANN401 - the shape of JSON
        value = place.item if of_item else place.payload
        for step in steps:
            value = _child(value, step)
        return value

    return get


def member_of(text: str) -> str | None:
    """Return the name that a path of one step has, `rms` of `$.rms`; None for longer ones and for indices."""
    steps = _steps(text)
    return steps[0] if len(steps) == 1 and isinstance(steps[0], str) else None


def compile_for_each(text: str) -> Callable[[Any], list[Any]]:
    """Turn the path of `forEach` into a function that lists the items, or raises Refused.

    Raises BadPath when the text is not one.
    """
    steps = _steps(text)
    if text.startswith("@") or None not in steps:
        raise BadPath(f"{text!r} does not name many values; write it like `$.items[*]`")

    def items(payload: Any) -> list[Any]:  # noqa: ANN401 - the shape of JSON
        found = [payload]
        for step in steps:
            found = [child for value in found for child in _children(value, step)]
            if len(found) > MAX_ITEMS:
                raise Refused(Reason.TOO_MANY)
        return found

    return items


def _steps(text: str) -> tuple[str | int | None, ...]:
    """Return names and indices; None stands for every one."""
    if not text.startswith(("$", "@")):
        raise BadPath(f"{text!r} does not start with `$`; write it like `$.a.b[0]`")
    return tuple(_read_steps(text))


def _read_steps(text: str) -> Iterator[str | int | None]:
    at = 1
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise BadPath(f"{text!r} cannot be read from character {at} on; write it like `$.a.b[0]` or `$['a b']`")
        index = match["index"]
        if match["every"]:
            yield None
        else:
            yield int(index) if index is not None else match["name"] or match["quoted"]
        at = match.end()


def _children(value: Any, step: str | int | None) -> list[Any]:  # noqa: ANN401 - the shape of JSON
    if step is not None:
        return [_child(value, step)]
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return list(value.values())
    raise Refused(Reason.MISSING)


def _child(value: Any, step: str | int | None) -> Any:  # noqa: ANN401 - the shape of JSON
    if isinstance(step, int):
        if isinstance(value, list) and step < len(value):
            return value[step]
    elif isinstance(value, dict) and step in value:
        return value[step]
    raise Refused(Reason.MISSING)
