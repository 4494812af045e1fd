"""Start programs that outlive the command that started them, and end exactly those again.

Each one is written down as a pid together with its start time: the kernel reuses pids, and a pid alone could be
somebody else's process by the time it is ended.
"""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.command import tail_of

POLL_SECONDS = 0.05


class NotReadyError(RuntimeError):
    """A program died or did not become ready in time; the message has the end of its log."""


@dataclass(frozen=True)
class Identity:
    """One process, told apart from a later one with the same pid."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """Read the identity of a running process."""
        return cls(pid, _stat(pid)[1])

    def alive(self) -> bool:
        """Tell whether this very process still runs; a zombie does not."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        try:
            state, started = _stat(self.pid)
        except (FileNotFoundError, ProcessLookupError):
            return False
        return started == self.started and state not in "ZX"

    def signal(self, number: signal.Signals) -> None:
        """Signal it, unless it is gone."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _stat(pid: int) -> tuple[str, int]:
    """State letter and start time (field 22 of proc(5) stat); the command in brackets may itself hold brackets."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[0], int(fields[19])


class ProcessTable:
    """The programs that one cluster (or engine, or broker) has started, remembered in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        bound_seconds: float = 60,
    ) -> None:
        """Start a program unless it runs already, and wait until it is ready."""
        if not self.alive(name):
            self._spawn(name, [str(word) for word in argv], os.environ | (env or {}))
        self._wait(name, ready, bound_seconds)

    def stop(self, name: str, *, grace_seconds: float = 10) -> None:
        """Ask it to end, insist after a while, forget it."""
        identity = self.identity(name)
        if identity is not None:
            identity.signal(signal.SIGTERM)
            if not until(lambda: not identity.alive(), grace_seconds):
                self.kill(name)
        self._record(name).unlink(missing_ok=True)

    def kill(self, name: str) -> None:
        """End it at once, as a fault would."""
        identity = self.identity(name)
        if identity is not None:
            identity.signal(signal.SIGKILL)
            until(lambda: not identity.alive(), 10)
        self._record(name).unlink(missing_ok=True)

    def kill_group(self, name: str) -> None:
        """End it and every process it started; each program is the leader of a session of its own."""
        identity = self.identity(name)
        if identity is not None and identity.alive():
            os.killpg(identity.pid, signal.SIGKILL)
        self.kill(name)

    def alive(self, name: str) -> bool:
        """Tell whether the program of that name runs."""
        identity = self.identity(name)
        return identity is not None and identity.alive()

    def names(self) -> list[str]:
        """The programs that were started and not stopped, oldest first."""
        records = sorted(self.directory.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        return [path.stem for path in records]

    def identity(self, name: str) -> Identity | None:
        """Pid and start time as written down."""
        try:
            return Identity(**json.loads(self._record(name).read_text()))
        except FileNotFoundError:
            return None

    def log(self, name: str) -> Path:
        """Where the program's output goes."""
        return self.directory / f"{name}.log"

    def _record(self, name: str) -> Path:
        return self.directory / f"{name}.json"

    def _spawn(self, name: str, argv: list[str], env: Mapping[str, str]) -> None:
        # Not subprocess.Popen: its finaliser warns about a process that is meant to outlive it.
        program = shutil.which(argv[0])
        if program is None:
            raise NotReadyError(f"{argv[0]} is not installed")
        to_log = (os.POSIX_SPAWN_OPEN, 1, str(self.log(name)), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        actions = [no_input, to_log, (os.POSIX_SPAWN_DUP2, 1, 2)]
        pid = os.posix_spawn(program, argv, env, file_actions=actions, setsid=True)
        self._record(name).write_text(json.dumps(asdict(Identity.of(pid))))

    def _wait(self, name: str, ready: Callable[[], bool], bound_seconds: float) -> None:
        until(lambda: not self.alive(name) or ready(), bound_seconds)
        if self.alive(name) and ready():
            return
        how = f"was not ready within {bound_seconds:g} s" if self.alive(name) else "ended at once"
        self.kill(name)
        raise NotReadyError(f"{name} {how}; the end of {self.log(name)}:\n{self.last_words(name)}")

    def last_words(self, name: str) -> str:
        """The end of the program's log."""
        return tail_of(self.log(name).read_text(errors="replace")) if self.log(name).exists() else "(no log)"


def stop_all_below(directory: Path) -> None:
    """End every program whose record lies anywhere below, whoever started it; a broker at the site, for example."""
    for record in directory.rglob("*.json"):
        with contextlib.suppress(TypeError, ValueError):
            Identity(**json.loads(record.read_text()))
            ProcessTable(record.parent).stop(record.stem)


def until(condition: Callable[[], bool], bound_seconds: float) -> bool:
    """Poll until the condition holds; False when the bound is reached first."""
    deadline = time.monotonic() + bound_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
