"""In which form an engine takes a question: vLLM's own, one with a plainer schema, or no schema at all.

Engines differ in the words of JSON schema that they know, and answer 400 to others. The prompt says what the answer
must look like, and the check holds in every form; with less of a form, fewer answers pass it at the first try.
"""

from enum import IntEnum
from typing import Any, Final, Literal

Body = dict[str, Any]

_VLLM_FIELDS: Final = ("chat_template_kwargs", "priority")
_PLAIN_WORDS: Final = frozenset({"type", "properties", "required", "additionalProperties", "items", "enum"})


class Form(IntEnum):
    """From the best to the plainest."""

    FULL = 0
    PLAIN_SCHEMA = 1
    """Without bounds, and without fields that are vLLM's own."""
    JSON = 2
    TEXT = 3


def for_scheduling(body: Body, scheduling: Literal["FCFS", "Priority"]) -> Body:
    """Return the body without a priority, unless the engine goes by it."""
    if scheduling == "Priority":
        return body
    return {name: value for name, value in body.items() if name != "priority"}


def in_form(body: Body, form: Form) -> Body:
    """Return the body as an engine of that form takes it."""
    if form is Form.FULL:
        return body
    plain = {name: value for name, value in body.items() if name not in (*_VLLM_FIELDS, "response_format")}
    if form is Form.PLAIN_SCHEMA:
        wanted = body["response_format"]["json_schema"]
        schema = wanted | {"schema": _plain(wanted["schema"])}
        return plain | {"response_format": {"type": "json_schema", "json_schema": schema}}
    return plain | {"response_format": {"type": "json_object"}} if form is Form.JSON else plain


def _plain(schema: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(schema, dict):
        return schema
    kept = {word: value for word, value in schema.items() if word in _PLAIN_WORDS}
    if "properties" in kept:
        kept["properties"] = {name: _plain(child) for name, child in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _plain(kept["items"])
    if "enum" in kept:
        kept["type"] = "string"
    return kept
