"""A packed bundle is its files again, and other bytes are never mistaken for one; keys survive PEM."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_api.key_pem import BadKey, private_key, private_pem, public_keys, public_pem
from edgeglm_api.packed import Files, pack, unpack

WORDS = st.text("abcdefABCDEF0123456789+/=", min_size=1, max_size=88)


@given(st.binary(max_size=300), WORDS, st.lists(WORDS, max_size=8))
def test_what_is_packed_is_unpacked(raw: bytes, digest: str, signatures: list[str]) -> None:
    files = Files(raw, f"{digest}\n", "".join(f"{each}\n" for each in signatures))
    assert unpack(pack(files)) == Files(raw, digest, " ".join(signatures))


@given(st.binary(max_size=300))
def test_any_bytes_are_unpacked_into_something(data: bytes) -> None:
    files = unpack(data)
    assert len(files.raw) <= len(data)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_keys_survive_pem(one: bytes, other: bytes) -> None:
    assert public_keys(public_pem(one) + "# another\n" + public_pem(other)) == (one, other)
    assert private_key(private_pem(one)) == one
    with pytest.raises(BadKey):
        private_key(public_pem(one))


@given(st.text(max_size=300))
def test_any_text_is_keys_or_a_sentence(text: str) -> None:
    with pytest.raises(BadKey):
        public_keys(text)
