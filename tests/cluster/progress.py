"""One line a step on standard error, with the seconds since the start, so that a long build never looks stuck."""

import contextlib
import sys
import time
from collections.abc import Iterator

_BEGAN = time.monotonic()


def say(text: str) -> None:
    """Print one line of progress."""
    sys.stderr.write(f"[{time.monotonic() - _BEGAN:6.1f} s] {text}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Announce a step, and say how long it took once it is done."""
    say(f"{text} ...")
    began = time.monotonic()
    yield
    say(f"{text}: done in {time.monotonic() - began:.1f} s")
