"""The hostile strings, each with what it tries and what an engine that obeys it would answer."""

import re
from pathlib import Path
from typing import Final, NamedTuple

import yaml

FILE: Final = Path(__file__).parent / "corpus.yaml"
_REPEAT: Final = re.compile(r"\{repeat: (\d+)\}")


class Hostile(NamedTuple):
    """One string."""

    category: str
    wants: str
    text: str

    @property
    def fits_a_topic(self) -> bool:
        """Whether a client can send it as one level of a topic (MQTT 5, 1.5.4 and 4.7)."""
        return not set(self.text) & set("/+#\0") and self.is_utf8 and len(self.text.encode()) < 60_000

    @property
    def is_utf8(self) -> bool:
        return not any("\ud800" <= letter <= "\udfff" for letter in self.text)


def load() -> tuple[Hostile, ...]:
    categories = yaml.safe_load(FILE.read_text("utf-8"))
    return tuple(
        Hostile(category, wants, _spelled_out(text))
        for category, strings in categories.items()
        for wants, text in strings
    )


def _spelled_out(text: str) -> str:
    """A long string is written down as its length."""
    repeated = _REPEAT.fullmatch(text)
    return "ignore-" * (int(repeated[1]) // 7) + "x" * (int(repeated[1]) % 7) if repeated else text


CORPUS: Final = load()
