"""The quick reader of JSON and the strict one: whatever comes, they say the same."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgeglm_agent.decode.json_payload import MAX_DEPTH, MAX_DIGITS, _parse_plain, _parse_strictly, parse_json
from edgeglm_agent.decode.refused import Reason, Refused

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
fragments = st.sampled_from(
    [*b'{}[]":,\\ \t\n0159.-+eE', *b"aun\xff\x00", b'"a":', b'"a" :1,', b"NaN", b"1e999", b'{"a":1}', b"0" * 41, b'":"']
).map(lambda piece: piece if isinstance(piece, bytes) else bytes([piece]))


def outcome(payload: bytes) -> tuple[str, str]:
    """Type by type: 1 and 1.0 and True are equal, but not the same."""
    try:
        return "says", repr(_parse_strictly(payload))
    except Refused as refusal:
        return "refused", refusal.reason


def assert_no_disagreement(payload: bytes) -> None:
    quick = _parse_plain(payload)
    assert quick is None or ("says", repr(quick)) == outcome(payload)


@given(documents, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r")]))
def test_the_readers_agree_on_every_document(document: Any, ascii_only: bool, between: tuple[str, str]) -> None:  # noqa: FBT001
    try:
        payload = json.dumps(document, ensure_ascii=ascii_only, separators=between).encode()
    except UnicodeEncodeError:
        payload = json.dumps(document).encode()
    assert_no_disagreement(payload)


@given(st.lists(fragments, max_size=24).map(b"".join))
@example(b'{"a":1,"a":2}')
@example(b'{"a":{"b":1,"b":1}}')
@example(b'[{"a":1},{"a":":","a":2}]')
@example(b'{"a":1, "\\u0061":2}')
@example(b'{"a" :":","a":1}')
@example(b'{"a":%s}' % (b"1" * 41))
@example(b'{"a":[%s1%s]}' % (b"[" * 40, b"]" * 40))
@example(b'["]","]",%s1%s]' % (b"[" * 40, b"]" * 40))
def test_the_readers_agree_on_whatever_looks_like_json(payload: bytes) -> None:
    assert_no_disagreement(payload)


@given(st.binary(max_size=40))
def test_the_readers_agree_on_any_bytes(payload: bytes) -> None:
    assert_no_disagreement(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"ts": 1795867800.123, "rms": 5.1, "unit": "mm/s"}',
        b'{"ts": "2026-11-28T00:00:00Z", "d": {"rms": 5, "tags": ["a", "b"]}}',
        b'[{"bn": "urn:dev:ow:01:", "n": "t", "v": 1}' + b', {"n": "t", "v": 2}' * 100 + b"]",
    ],
)
def test_what_devices_say_takes_the_quick_way(payload: bytes) -> None:
    assert _parse_plain(payload) == json.loads(payload)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"a": 1, "a": 1}', Reason.DUPLICATE_KEY),
        (b'{"a": %s}' % (b"7" * (MAX_DIGITS + 1)), Reason.TOO_MANY_DIGITS),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), Reason.TOO_DEEP),
        (b"[" + b"1," * 50_001 + b"1]", Reason.TOO_MANY),
        (b'{"a": NaN}', Reason.NOT_FINITE),
        (b'{"a": 01}', Reason.NOT_JSON),
    ],
)
def test_what_is_beyond_a_limit_is_refused_by_the_strict_one(payload: bytes, reason: Reason) -> None:
    with pytest.raises(Refused) as refusal:
        parse_json(payload)
    assert refusal.value.reason == reason
