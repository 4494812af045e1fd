"""What the model said, read strictly: claims of the task's own kind, each with its evidence."""

import re
from typing import Annotated, Final, Generic, Literal, TypeVar

import msgspec

from edgeglm_api.answer import Confidence

MAX_FINDINGS: Final = 3
MAX_EVIDENCE: Final = 8
MAX_COMMENT_CHARS: Final = 120
MAX_ID_CHARS: Final = 128
MAX_PROBLEM_CHARS: Final = 400
"""Of a sentence about what cannot be used: it may quote the model."""
_FENCE: Final = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)
_THOUGHT_BEGINS: Final = "<think>"
_THOUGHT_ENDS: Final = "</think>"

Assessment = Literal["anomaly", "found", "normal", "unsure"]
Id = Annotated[str, msgspec.Meta(max_length=MAX_ID_CHARS)]


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every claim has, whatever it is about."""

    evidence: Annotated[tuple[Id, ...], msgspec.Meta(max_length=MAX_EVIDENCE)]
    confidence: Confidence
    comment: str

    @property
    def named(self) -> tuple[str, ...]:
        """The nodes that it names."""
        raise NotImplementedError


C = TypeVar("C", bound=Claim)


class Said(msgspec.Struct, Generic[C], frozen=True, forbid_unknown_fields=True):
    """The whole of it."""

    assessment: Assessment
    findings: Annotated[tuple[C, ...], msgspec.Meta(max_length=MAX_FINDINGS)]


class Unreadable(ValueError):  # noqa: N818 - names what the text is
    """The text is not of the schema."""


def read_said(text: str, said: type[Said[C]]) -> Said[C]:
    """Read the model's text; raises Unreadable with what is wrong."""
    try:
        return msgspec.json.decode(_answer_in(text), type=said)
    except msgspec.MsgspecError as error:
        raise Unreadable(str(error)) from error
    except (UnicodeError, RecursionError) as error:
        raise Unreadable("is not text that can be read") from error


def _answer_in(text: str) -> str:
    """Leave out what a thinking model says to itself before the answer, and the fence around it.

    Chat templates may open the thought themselves, so that only its end stands in the text.
    """
    bare = text.strip()
    if not bare:
        raise Unreadable("is empty")
    if not bare.startswith(("{", "`")):
        thought, end, bare = bare.rpartition(_THOUGHT_ENDS)
        if not end and bare.startswith(_THOUGHT_BEGINS):
            raise Unreadable("is thinking that came to no answer")
        del thought
    fenced = _FENCE.match(bare)
    return fenced[1] if fenced else bare
