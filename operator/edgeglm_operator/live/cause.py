"""A chain of causes: each says what is so, and what it rests on."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """What is so, and why."""

    text: str
    because: tuple["Cause", ...] = ()


def lines(cause: Cause, depth: int = 0) -> Iterator[str]:
    """One line for each, what it rests on below it and further in."""
    # A message of the API server may have lines of its own, and each cause is one.
    yield "  " * depth + " ".join(cause.text.split())
    for each in cause.because:
        yield from lines(each, depth + 1)
