"""Names with captures: `urn:dev:mac:{mac}:temperature`. A capture holds letters, digits, `-`, `_` and `.`."""

import re
from typing import Final

_CAPTURE: Final = re.compile(r"\{([a-z][A-Za-z0-9_]*)\}")


class BadName(ValueError):  # noqa: N818 - names what it is about
    """The text is not a name with captures."""


class NamePattern:
    """A compiled name; raises BadName."""

    def __init__(self, text: str) -> None:
        literals_and_names = _CAPTURE.split(text)
        literals, names = literals_and_names[::2], literals_and_names[1::2]
        if not text or any(set(literal) & set("{}") for literal in literals):
            raise BadName(f"{text!r} cannot be read; write it like `urn:dev:mac:{{mac}}:temperature`")
        if len(set(names)) < len(names):
            raise BadName(f"{text!r} names a capture twice")
        if "" in literals[1:-1]:
            raise BadName(f"{text!r}: something must stand between two captures")
        self.captures = frozenset(names)
        groups = (f"(?P<{name}>[A-Za-z0-9_.-]+)" for name in names)
        self._regex = re.compile("".join(re.escape(text) + next(groups, "") for text in literals))

    def match(self, name: str) -> dict[str, str] | None:
        """Return the captures of a name, or None when it is another one."""
        found = self._regex.fullmatch(name)
        return found.groupdict() if found else None
