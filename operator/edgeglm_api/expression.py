"""Arithmetic over properties: `flow_in - flow_out`, `max(a, b) / 2`. Read by a parser of its own, never run as code.

sum     = product {("+" | "-") product}
product = factor {("*" | "/") factor}
factor  = "-" factor | number | property | function "(" sum {"," sum} ")" | "(" sum ")"
"""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

MAX_CHARS: Final = 256
MAX_DEPTH: Final = 32

_TOKEN: Final = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Za-z][A-Za-z0-9_]*)|([-+*/(),]))")
_FUNCTIONS: Final[dict[str, tuple[int, Callable[..., float]]]] = {"abs": (1, abs), "min": (2, min), "max": (2, max)}
"""With how many arguments at least; `abs` takes no more."""
_OPERATORS: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}

Known = Mapping[str, float]
_Value = Callable[[Known], float]


class BadExpression(ValueError):  # noqa: N818 - names what it is about
    """The text is no arithmetic over properties."""


class Expression:
    """One expression, read; raises BadExpression."""

    def __init__(self, text: str) -> None:
        reader = _Reader(text)
        self._value = reader.whole()
        self.names = frozenset(reader.names)
        """The properties that it is made of."""

    def value(self, known: Known) -> float | None:
        """Return what it comes to; None when that is no finite number, as after a division by zero."""
        try:
            value = float(self._value(known))
        except ArithmeticError:
            return None
        return value if math.isfinite(value) else None


class _Reader:
    """Reads from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self.names: set[str] = set()
        self._tokens = list(_tokens(text))
        self._depth = 0

    def whole(self) -> _Value:
        value = self._sum()
        if self._tokens:
            raise BadExpression(f"{self._tokens[0]!r} stands where an operator should")
        return value

    def _sum(self) -> _Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadExpression(f"is nested more than {MAX_DEPTH} deep")
        value = self._chain("+-", lambda: self._chain("*/", self._factor))
        self._depth -= 1
        return value

    def _chain(self, operators: str, part: Callable[[], _Value]) -> _Value:
        value = part()
        while self._tokens and self._tokens[0] in operators:
            value = _applied(_OPERATORS[self._tokens.pop(0)], (value, part()))
        return value

    def _factor(self) -> _Value:
        signs = 0
        while self._tokens and self._tokens[0] == "-":
            self._tokens.pop(0)
            signs += 1
        value = self._operand()
        return _applied(operator.neg, (value,)) if signs % 2 else value

    def _operand(self) -> _Value:
        word = self._tokens.pop(0) if self._tokens else ""
        if word == "(":
            value = self._sum()
            self._expect(")")
            return value
        if word[:1].isdigit():
            return lambda _known, number=float(word): number  # type: ignore[misc]
        if not word[:1].isalpha():
            raise BadExpression(f"has {word!r} where a number or a property should stand" if word else "breaks off")
        return self._call(word) if word in _FUNCTIONS else self._property(word)

    def _property(self, name: str) -> _Value:
        self.names.add(name)
        return operator.itemgetter(name)

    def _call(self, name: str) -> _Value:
        least, function = _FUNCTIONS[name]
        self._expect("(")
        arguments = [self._sum()]
        while self._tokens[:1] == [","]:
            self._tokens.pop(0)
            arguments.append(self._sum())
        self._expect(")")
        if len(arguments) < least or (name == "abs" and len(arguments) > 1):
            raise BadExpression(f"{name} takes {'one argument' if name == 'abs' else 'two arguments or more'}")
        return _applied(function, arguments)

    def _expect(self, token: str) -> None:
        if self._tokens[:1] != [token]:
            raise BadExpression(f"misses a {token!r}")
        self._tokens.pop(0)


def _applied(function: Callable[..., float], arguments: Sequence[_Value]) -> _Value:
    return lambda known: function(*(argument(known) for argument in arguments))


def _tokens(text: str) -> Iterator[str]:
    if len(text) > MAX_CHARS:
        raise BadExpression(f"has {len(text)} characters; {MAX_CHARS} is the most")
    at, end = 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            raise BadExpression(
                f"cannot be read from {text[at:].strip()[:20]!r} on; use numbers, properties, + - * / and brackets"
            )
        yield token[1] or token[2] or token[3]
        at = token.end()
