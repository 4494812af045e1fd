"""What a person said of a finding: that they know, or that they do not want to hear of it for a while. Pure.

Either holds until the finding gets worse than it was then: whoever shelves a warning has not seen the alarm.
"""

from typing import Literal

import msgspec

from edgeglm_api.answer import Severity

MAX_BY_CHARS = 64
MAX_NOTE_CHARS = 256
MAX_SHELVED_SECONDS = 30 * 86_400
"""Nobody remembers for longer what they did not want to hear."""

_RANKS: dict[Severity, int] = {"Info": 0, "Warning": 1, "Critical": 2}


class Word(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who said what, and for how long."""

    kind: Literal["Acknowledged", "Shelved"]
    by: str
    said_ns: int
    severity: Severity
    """Of the finding at that time."""
    until_ns: int = 0
    """0: until the finding is over."""
    note: str = ""


def holds(word: Word | None, severity: Severity, now_ns: int) -> bool:
    """Tell whether a word still counts for a finding that is this bad by now."""
    if word is None or worse(severity, word.severity):
        return False
    return not word.until_ns or now_ns < word.until_ns


def worse(one: Severity, other: Severity) -> bool:
    """Tell whether one severity is above another."""
    return _RANKS[one] > _RANKS[other]
