"""JSON from strangers: bounded in depth, strict about duplicate keys and about numbers that are none.

RFC 8259 leaves duplicate keys to the reader. Two readers that disagree on them disagree on the measurement, so they
are refused.

There are two readers here. The quick one takes what is plain to see to be within all limits, one payload or many at
once; what it leaves, the strict one judges, which alone says why something is refused. A property test demands that
they never disagree.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import msgspec

from edgeglm_agent.decode.refused import Reason, Refused

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 50_000
MAX_DIGITS: Final = 40
"""Of one number; an IEEE double has 17 that mean anything, and Python's integers take any number of them."""
NUMERIC: Final = frozenset({int, float})
"""The types of JSON's numbers. Asked by `type(value) in`: true and false are of neither, though bool is an int."""
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_LONG_NUMBER: Final = re.compile(rb"[0-9]{%d}" % (MAX_DIGITS + 1))
_DIGITS: Final = b"0123456789"
_DIGITS_TO_ZEROS: Final = bytes.maketrans(_DIGITS, b"0" * 10)
_LONG_ZEROS: Final = b"0" * (MAX_DIGITS + 1)
_BEFORE_COLONS: Final = (b'":', b" :", b"\t:", b"\n:", b"\r:")
"""What may stand before the colon of a key: the end of its name, or white space."""


def parse_json(payload: bytes) -> Any:  # noqa: ANN401 - the shape of JSON
    """Parse a payload, or raise Refused."""
    document = _parse_plain(payload)
    return _parse_strictly(payload) if document is None else document


def parse_flat_objects(payloads: Sequence[bytes]) -> list[dict[str, Any]] | None:
    """Parse payloads of which each is one object without lists and objects in it; None when any may be anything else.

    They are read as one list, a payload a line. When all line ends are ours and each stands between two brackets, every
    payload begins and ends with its only bracket. Two can run into one then, by a string that does not end, but none
    can be two: there are as many documents as payloads only when each payload is a document.
    """
    lines = b"[" + b",\n".join(payloads) + b"]"
    between = len(payloads) - 1
    if (
        max(map(len, payloads)) > MAX_VALUES
        or not lines.count(b"},\n{") == lines.count(b"\n") == between
        or not lines.startswith(b"[{")
        or not lines.endswith(b"}]")
        or not lines.count(b"{") == lines.count(b"}") == len(payloads)
        or lines.count(b"[") > 1
        or may_have_long_number(lines)
    ):
        return None
    documents: list[dict[str, Any]] | None = _decode_quickly(lines)
    if documents is None or len(documents) != len(payloads):
        return None
    return documents if are_all_keys(sum(map(len, documents)), lines) else None


def _parse_plain(payload: bytes) -> Any:  # noqa: ANN401 - the shape of JSON
    """Parse a payload that is plain to see to be within all limits; None for all others, and for a mere null."""
    # Every value has a byte; to count them is for the other reader.
    if len(payload) > MAX_VALUES or may_have_long_number(payload):
        return None
    document = _decode_quickly(payload)
    keys = _count_keys(document, payload.count(b"{") + payload.count(b"["))
    return document if are_all_keys(keys, payload) else None


def _decode_quickly(payload: bytes) -> Any:  # noqa: ANN401 - the shape of JSON
    """Decode JSON, of equal keys the last; None for what is none, and for a mere null."""
    try:
        return _QUICK.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def are_all_keys(keys: int, payload: bytes) -> bool:
    """Tell whether so many different keys are all that there are; of equal ones the quick decoder takes the last."""
    # None are equal when no more colons stand there than keys came out.
    return keys == payload.count(b":") or keys == sum(map(payload.count, _BEFORE_COLONS))


def may_have_long_number(payload: bytes) -> bool:
    """Tell quickly whether a closer look at the numbers is due."""
    digits = len(payload) - len(payload.translate(None, _DIGITS))
    return digits > MAX_DIGITS and _LONG_ZEROS in payload.translate(_DIGITS_TO_ZEROS)


def _count_keys(document: Any, brackets: int) -> int:  # noqa: ANN401 - the shape of JSON
    """Count the keys of a document that has so many brackets; -1 when it may be too deep."""
    if brackets == 1 and type(document) is dict:
        return len(document)
    if type(document) is list and brackets == 1 + len(document) and set(map(type, document)) == {dict}:
        return sum(map(len, document))
    return _keys_within(document) if brackets <= MAX_DEPTH else -1


def _keys_within(value: Any) -> int:  # noqa: ANN401 - the shape of JSON
    if type(value) is dict:
        return len(value) + sum(map(_keys_within, value.values()))
    return sum(map(_keys_within, value)) if type(value) is list else 0


def _parse_strictly(payload: bytes) -> Any:  # noqa: ANN401 - the shape of JSON
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
_QUICK: Final = msgspec.json.Decoder()
