"""JSON from strangers: bounded in depth, strict about duplicate keys and about numbers that are none.

RFC 8259 leaves duplicate keys to the reader. Two readers that disagree on them disagree on the measurement, so they
are refused.
"""

import json
import re
from typing import Any, Final, NoReturn

from edgeglm_agent.decode.refused import Reason, Refused

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 50_000
MAX_DIGITS: Final = 40
"""Of one number; an IEEE double has 17 that mean anything, and Python's integers take any number of them."""
NUMERIC: Final = frozenset({int, float})
"""The types of JSON's numbers. Asked by `type(value) in`: true and false are of neither, though bool is an int."""
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_LONG_NUMBER: Final = re.compile(rb"[0-9]{%d}" % (MAX_DIGITS + 1))


def parse_json(payload: bytes) -> Any:  # noqa: ANN401 - the shape of JSON
    """Parse a payload, or raise Refused."""
    if _looks_large(payload):
        _refuse_large(_STRINGS.sub(b'""', payload))
    try:
        return _DECODER.decode(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Refused(Reason.NOT_JSON) from error


def _looks_large(payload: bytes) -> bool:
    """Tell quickly whether a closer look is due; what stands in strings may mislead it."""
    return (
        payload.count(b"{") + payload.count(b"[") > MAX_DEPTH
        or payload.count(b",") > MAX_VALUES
        or _LONG_NUMBER.search(payload) is not None
    )


def _refuse_large(outside_strings: bytes) -> None:
    if _depth(outside_strings) > MAX_DEPTH:
        raise Refused(Reason.TOO_DEEP)
    # Every value but the first of a list or object has a comma before it; the first has a bracket.
    if sum(map(outside_strings.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise Refused(Reason.TOO_MANY)
    if _LONG_NUMBER.search(outside_strings):
        raise Refused(Reason.TOO_MANY_DIGITS)


def _depth(outside_strings: bytes) -> int:
    depth = deepest = 0
    for byte in outside_strings:
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused(Reason.DUPLICATE_KEY)
    return members


def _constant(_name: str) -> NoReturn:
    raise Refused(Reason.NOT_FINITE)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
