"""The JSON schema that bounds the model's answer: ids are enumerated when few, every list and text has an end.

Small on purpose: no recursion, no `anyOf`. What it cannot say (whose evidence a finding cites) the check says.
"""

from collections.abc import Iterable
from typing import Any, Final

from edgeglm_agent.reason.said import MAX_COMMENT_CHARS, MAX_FINDINGS, MAX_ID_CHARS

Schema = dict[str, Any]

FEW_IDS: Final = 64
"""More of them make a grammar that is slow to compile; the check refuses strangers in any case."""


def answer_schema(found: str, finding: Schema | None) -> Schema:
    """Return the schema of a whole answer; without anything that could be claimed, no finding is possible."""
    if finding is None:
        return object_of(assessment=one_of(["normal", "unsure"]), findings={"type": "array", "maxItems": 0})
    return object_of(
        assessment=one_of([found, "normal", "unsure"]),
        findings={"type": "array", "items": finding, "maxItems": MAX_FINDINGS},
    )


def claim_schema(evidence: Schema, **named: Schema) -> Schema:
    """Return the schema of one claim: what it names, then what every claim has."""
    return object_of(
        **named,
        evidence=evidence,
        confidence=one_of(["Low", "Medium", "High"]),
        comment={"type": "string", "maxLength": MAX_COMMENT_CHARS},
    )


def one_of(ids: Iterable[str]) -> Schema:
    """Return the schema of one of these."""
    known = list(dict.fromkeys(ids))
    return {"enum": known} if len(known) <= FEW_IDS else {"type": "string", "maxLength": MAX_ID_CHARS}


def some_of(ids: Iterable[str], *, least: int, most: int) -> Schema:
    """Return the schema of a list of these."""
    known = list(dict.fromkeys(ids))
    if not known:
        return {"type": "array", "maxItems": 0}
    return {"type": "array", "items": one_of(known), "minItems": least, "maxItems": min(most, len(known))}


def object_of(**properties: Schema) -> Schema:
    """Return the schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
