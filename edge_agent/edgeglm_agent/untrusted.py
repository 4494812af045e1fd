"""Text that strangers chose, as it stands in prompts, sentences and answers.

Names and words come from sensors, and comments from a model that reads them. A text that looks like more than a name,
that reads as another one, or that a chat template takes for a turn of the conversation, stands in quotes and escaped as
in JSON: a reader sees where it begins and ends, and a model that copies it into its answer has said the very name.
"""

import json
import re
import unicodedata
from typing import Final

_NAME: Final = re.compile(r"[\w%‰°℃℉€](?:[\w./:@%‰°℃℉€·+^-]*[\w%‰°℃℉€+])?")
_INVISIBLE: Final = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that are not drawn: Default_Ignorable_Code_Point of Unicode. The rest of them is not printable."""
_LATIN: Final = re.compile(r"[A-Za-z]")
_LOOKS_LATIN: Final = re.compile(r"[асеорхуѕіјһԁԛԝАВЕЅЗІЈКМНОРСТХУοαινρτυκΑΒΕΖΗΙΚΜΝΟΡΤΥΧ\uff01-\uff5e]")
"""Of Cyrillic, Greek and the full-width forms. A word all in one script is a word of that script."""
_ACTIVE: Final = frozenset("<>[]{}|&`")
"""What chat templates and markup begin with."""
_BEGINS_A_TURN: Final = re.compile(r"<|\[(?=[A-Za-z/])")
_BLANKS: Final = re.compile(r"\s+")


def spelled(text: str) -> str:
    """Return a name or a word as it is, or quoted and escaped where it could pass for something else."""
    return text if _NAME.fullmatch(text) and not _deceives(text) else quoted(text)


def quoted(text: str) -> str:
    """Return a text in quotes, escaped: a reader sees where it begins and ends, and nothing in it is active."""
    written = json.dumps(text, ensure_ascii=_deceives(text))
    return "".join(_escaped(char) if char in _ACTIVE or not char.isprintable() else char for char in written)


def cleaned(text: str, *, most: int) -> str:
    """Return a text on one line, of so many characters, without what cannot be seen."""
    seen = "".join(letter if letter.isprintable() else " " for letter in _INVISIBLE.sub(" ", text))
    return _BLANKS.sub(" ", seen).strip()[:most]


def defused(text: str) -> str:
    """Return a text in which no chat template finds the begin of a turn; JSON stays JSON."""
    return _BEGINS_A_TURN.sub(r"\g<0> ", text)


def _deceives(text: str) -> bool:
    if text.isascii():
        return False
    mixed = _LATIN.search(text) and (_LOOKS_LATIN.search(text) or any(map(unicodedata.combining, text)))
    return bool(mixed or _INVISIBLE.search(text)) or not unicodedata.is_normalized("NFC", text)


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) > 0x7F else f"\\u{ord(char):04x}"
