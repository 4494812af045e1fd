"""Topics with captures: `plant/{line}/{machine}/vibration`. Each capture is one level; `+` and `#` may stand too."""

import re
from typing import Final

import msgspec

MAX_KNOWN_TOPICS: Final = 4096
MAX_KNOWN_TOPIC_CHARS: Final = 256
"""What is known of a topic is remembered, since the same ones come again and again; but strangers may send on any
number of topics, of 64 KiB each: a longer one is looked at each time."""
_CAPTURE: Final = re.compile(r"\{([A-Za-z_]\w*)\}")


class BadTopic(ValueError):  # noqa: N818 - names what it is about
    """The text is not a topic pattern."""


class TopicPattern(msgspec.Struct, frozen=True):
    """A compiled topic with captures."""

    levels: tuple[str, ...]

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return (self.filter,)

    @property
    def filter(self) -> str:
        """The pattern in the broker's words."""
        return "/".join("+" if _CAPTURE.fullmatch(level) else level for level in self.levels)

    @property
    def captures(self) -> frozenset[str]:
        """The names that a match yields."""
        return frozenset(match[1] for level in self.levels if (match := _CAPTURE.fullmatch(level)))

    def match(self, topic: str) -> dict[str, str] | None:
        """Return the captures of a topic, or None when it is not of this pattern."""
        found: dict[str, str] = {}
        heard = topic.split("/")
        for at, level in enumerate(self.levels):
            if level == "#":
                return found
            if at >= len(heard):
                return None
            if level.startswith("{"):
                found[level[1:-1]] = heard[at]
            elif level not in {"+", heard[at]}:
                return None
        return found if len(heard) == len(self.levels) else None


def compile_topic(text: str) -> TopicPattern:
    """Read a topic with captures; raises BadTopic when it is none."""
    levels = tuple(text.split("/"))
    for at, level in enumerate(levels):
        if _CAPTURE.fullmatch(level) or level == "+":
            continue
        if level == "#":
            if at != len(levels) - 1:
                raise BadTopic(f"{text!r}: `#` may only be the last level")
        elif set(level) & set("{}+#\0"):
            raise BadTopic(f"{text!r}: level {level!r} must be plain text or one whole capture like {{machine}}")
    names = [level for level in levels if level.startswith("{")]
    if len(set(names)) != len(names):
        raise BadTopic(f"{text!r} names a capture twice")
    return TopicPattern(levels)
