"""Words in a payload: what `map`, `quality` and the like compare with."""

from typing import Any, Final

from edgeglm_agent.decode.refused import Reason, Refused

MAX_WORD_CHARS: Final = 64


def word_of(value: Any) -> str:  # noqa: ANN401 - the shape of JSON
    """Return a value as a word: a text as it is, `true`, `3`, `2.5`; raises Refused for what is none.

    3 and 3.0 are one word: the same device may write either.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value) if isinstance(value, int) else f"{value:.15g}"
    if not isinstance(value, str) or not 0 < len(value) <= MAX_WORD_CHARS or not value.isprintable():
        raise Refused(Reason.NOT_A_WORD)
    return value
