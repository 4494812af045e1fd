"""What the operator takes from an answer of the API server."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeglm_operator.kube.answer import decode_answer

BOOK = [{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
# Hypothesis tries words of the code that it tests, and the book's own name is one of them.
names = st.text().filter(lambda name: name != "managedFields")
objects = st.fixed_dictionaries(
    {"metadata": st.dictionaries(names, json_values, max_size=4)},
    optional={"kind": st.just("Thing"), "spec": json_values, "data": json_values},
)


def with_book(thing: dict[str, Any]) -> dict[str, Any]:
    return {**thing, "metadata": {**thing["metadata"], "managedFields": BOOK}}


@settings(deadline=None)
@given(objects)
def test_an_object_is_as_it_was_sent_but_for_the_book_of_fields(thing: dict[str, Any]) -> None:
    assert decode_answer(msgspec.json.encode(with_book(thing))) == thing


@settings(deadline=None)
@given(st.lists(objects, max_size=3))
def test_so_are_the_items_of_a_list(things: list[dict[str, Any]]) -> None:
    page = {"kind": "ThingList", "metadata": {"continue": "next"}, "items": [with_book(each) for each in things]}

    assert decode_answer(msgspec.json.encode(page)) == {**page, "items": things}


def test_a_list_may_be_empty_in_two_ways() -> None:
    assert decode_answer(b'{"items": null}') == {"items": []}
    assert decode_answer(b'{"items": []}') == {"items": []}


def test_a_template_inside_keeps_all_its_metadata() -> None:
    thing = {"metadata": {"name": "x"}, "spec": {"template": {"metadata": {"managedFields": BOOK}}}}

    assert decode_answer(msgspec.json.encode(thing)) == thing


@pytest.mark.parametrize("words", [b"upstream timed out", b"", b'"words"', b"[1]", b'{"metadata": 1}', b"\xff\xfe"])
def test_words_of_a_proxy_become_the_message(words: bytes) -> None:
    assert decode_answer(words) == {"message": words.decode(errors="replace")}
