"""Run a command to its end, with a bound, and show its last words when it fails."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

TAIL_LINES = 25


class CommandError(RuntimeError):
    """A command ended badly or not at all; the message has its last lines."""


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    bound_seconds: float = 60,
) -> str:
    """Return what the command printed; raise CommandError with the end of it when it fails."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            env=os.environ | (env or {}),
            cwd=cwd,
            timeout=bound_seconds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"`{' '.join(words)}` did not end within {bound_seconds:g} s") from error
    except FileNotFoundError as error:
        raise CommandError(f"`{words[0]}` is not installed") from error
    if done.returncode:
        raise CommandError(f"`{' '.join(words)}` ended with {done.returncode}:\n{tail_of(done.stdout)}")
    return done.stdout


def tail_of(text: str) -> str:
    """The last lines, which say why."""
    return "\n".join(text.splitlines()[-TAIL_LINES:])
