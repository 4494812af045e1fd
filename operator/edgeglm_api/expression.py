"""Arithmetic over properties: `flow_in - flow_out`, `flow - sum(feeds.flow)`. Read by a parser of its own, never run.

sum       = product {("+" | "-") product}
product   = factor {("*" | "/") factor}
factor    = "-" factor | number | property | function "(" sum {"," sum} ")" | aggregate | "(" sum ")"
aggregate = ("sum" | "mean" | "min" | "max" | "count") "(" path ")"
path      = ["^"] relation "." property, for count also without the property

`feeds.flow` is the flow of all that the entity feeds, `^feeds.flow` that of all that feed it: SPARQL writes the
inverse of a relation so (https://www.w3.org/TR/sparql11-query/#propertypaths).
"""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MAX_CHARS: Final = 256
MAX_DEPTH: Final = 32

_NAME: Final = "[A-Za-z][A-Za-z0-9_]*"
_TOKEN: Final = re.compile(rf"\s*(?:(\d+(?:\.\d+)?)|(\^?{_NAME}(?:\.{_NAME})?)|([-+*/(),]))")
_FUNCTIONS: Final[dict[str, tuple[int, Callable[..., float]]]] = {"abs": (1, abs), "min": (2, min), "max": (2, max)}
"""With how many arguments at least; `abs` takes no more."""
_AGGREGATES: Final = frozenset({"sum", "mean", "min", "max", "count"})
_OPERATORS: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}

Known = Mapping[str, float]
"""Properties and aggregates, the latter by their text, to what they come to."""
_Value = Callable[[Known], float]


class BadExpression(ValueError):  # noqa: N818 - names what it is about
    """The text is no arithmetic over properties."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One number of many: of a property of all that a relation leads to."""

    function: str
    relation: str
    inverse: bool
    """Whether it is of those from whom the relation leads here."""
    name: str
    """Of the property. Empty: they are counted, whatever they have."""

    @property
    def text(self) -> str:
        """The way it is written."""
        path = f"{self.relation}.{self.name}" if self.name else self.relation
        return f"{self.function}({'^' if self.inverse else ''}{path})"


class Expression:
    """One expression, read; raises BadExpression."""

    def __init__(self, text: str) -> None:
        reader = _Reader(text)
        self._value = reader.whole()
        self.names = frozenset(reader.names)
        """The properties of the entity itself that it is made of."""
        self.aggregates = tuple(reader.aggregates)
        """What it is made of besides."""

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
        self.aggregates: dict[Aggregate, None] = {}
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
        if _is_path(word):
            raise BadExpression(f"has {word!r} outside {', '.join(sorted(_AGGREGATES))}, each of which takes one alone")
        if not word[:1].isalpha():
            raise BadExpression(f"has {word!r} where a number or a property should stand" if word else "breaks off")
        if word in _AGGREGATES and self._tokens[:1] == ["("] and (word not in _FUNCTIONS or self._path_follows()):
            return self._aggregate(word)
        return self._call(word) if word in _FUNCTIONS else self._property(word)

    def _property(self, name: str) -> _Value:
        self.names.add(name)
        return operator.itemgetter(name)

    def _path_follows(self) -> bool:
        return _is_path("".join(self._tokens[1:2]))

    def _aggregate(self, function: str) -> _Value:
        self._expect("(")
        path = self._tokens.pop(0) if self._tokens else ""
        relation, _, name = path.removeprefix("^").partition(".")
        if not relation[:1].isalpha() or not (name or function == "count"):
            raise BadExpression(
                f"{function} takes the property of a relation's other end, as in {function}(feeds.flow)"
            )
        self._expect(")")
        aggregate = Aggregate(function, relation, path.startswith("^"), name)
        self.aggregates[aggregate] = None
        return operator.itemgetter(aggregate.text)

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


def _is_path(word: str) -> bool:
    return word.startswith("^") or (word[:1].isalpha() and "." in word)


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
