"""Run a long command and pass on those of its lines that tell how far it is."""

import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.command import CommandError, tail_of
from tests.cluster.progress import say


def run_shown(
    argv: Sequence[str | Path],
    telling: str,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    bound_seconds: float,
) -> None:
    """Run it; lines that match `telling` are shown; raise CommandError with the end of the output when it fails."""
    words = [str(word) for word in argv]
    process = subprocess.Popen(
        words,
        env=os.environ | (env or {}),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    with process:
        bound = threading.Timer(bound_seconds, process.kill)
        bound.start()
        try:
            said = _pass_on(process, re.compile(telling))
        finally:
            bound.cancel()
    if process.returncode:
        raise CommandError(f"`{' '.join(words)}` ended with {process.returncode}:\n{tail_of(said)}")


def _pass_on(process: "subprocess.Popen[str]", telling: re.Pattern[str]) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if telling.search(line):
            say(f"  {lines[-1]}")
    return "\n".join(lines)
