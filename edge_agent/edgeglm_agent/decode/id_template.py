"""Ids made of what a message says: `{line}/{machine}` from the topic, `{$.machine}` and `{@.id}` from the payload."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from edgeglm_agent.decode.path import Place, compile_path
from edgeglm_agent.decode.refused import Reason, Refused

MAX_ID_CHARS: Final = 128
_PLACE: Final = re.compile(r"\{([^{}]*)\}")

Captures = Mapping[str, str]


class BadTemplate(ValueError):  # noqa: N818 - names what it is about
    """The template asks for something that a message does not offer."""


def check_template(template: str, known: Collection[str]) -> None:
    """Raise BadTemplate when a template asks for a capture that there is not, and BadPath for a path that is none."""
    for name in _PLACE.findall(template):
        if _is_path(name):
            compile_path(name)
        elif name not in known:
            offered = ", ".join(sorted(known)) or "nothing"
            raise BadTemplate(f"{template!r} asks for {{{name}}}, but the topic captures {offered}")


class IdTemplate:
    """A template, compiled. Make it only of a text that passed the check."""

    def __init__(self, template: str) -> None:
        self._pieces = _PLACE.split(template)
        """Text and place by turns."""
        names = self._pieces[1::2]
        self._places = tuple((name, compile_path(name) if _is_path(name) else None) for name in names)

    @property
    def of_topic(self) -> bool:
        """Whether the topic alone says it."""
        return all(get is None for _, get in self._places)

    def words(self, captures: Captures, place: Place) -> tuple[str, ...]:
        """Return what a message says in the places of the template; raises Refused when that is no text."""
        return tuple(_text(captures[name] if get is None else get(place)) for name, get in self._places)

    def fill(self, words: tuple[str, ...]) -> str:
        """Return the id, or raise Refused when what a stranger put into topic or payload makes a bad one."""
        if not all(word and word.isprintable() for word in words):
            raise Refused(Reason.ENTITY)
        pieces = list(self._pieces)
        pieces[1::2] = words
        text = "".join(pieces)
        if not text or len(text) > MAX_ID_CHARS:
            raise Refused(Reason.ENTITY)
        return text


def _is_path(name: str) -> bool:
    return name.startswith(("$", "@"))


def _text(value: Any) -> str:  # noqa: ANN401 - the shape of JSON
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    raise Refused(Reason.ENTITY)
