"""Arguments of commands that have bounds."""

import argparse
from collections.abc import Callable


def hours(most_seconds: int) -> Callable[[str], float]:
    """Return a reader of hours: at least a second, at most so many seconds."""

    def bounded(text: str) -> float:
        try:
            found = float(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is no number of hours") from error
        if not 1 <= found * 3600 <= most_seconds:
            raise argparse.ArgumentTypeError(f"{text} hours are too few or too many; at most {most_seconds // 3600}")
        return found

    return bounded


def at_most(chars: int) -> Callable[[str], str]:
    """Return a reader of text that is no longer than that."""

    def bounded(text: str) -> str:
        if len(text) > chars:
            raise argparse.ArgumentTypeError(f"has {len(text)} characters; at most {chars}")
        return text

    return bounded
