"""A real agent process: started, asked, killed, started again on the same data."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeglm_api.bundle import Bundle
from tests.cluster.ports import free_ports
from tests.edge.bundles import write_bundle


class AgentProcess:
    """One data directory and one bundle directory; one process at a time."""

    def __init__(self, folder: Path, data: Path | None = None) -> None:
        self.bundle_folder = folder / "bundle"
        self.data = data or folder / "data"
        self.log = folder / "agent.log"
        self.port = free_ports(1)[0]
        self.options: tuple[str, ...] = ()
        """More of `edgeglm-agent run`."""
        self.inside: tuple[str, ...] = ()
        """The command that runs it, if not we do."""
        self.environment = {"PYTHONWARNINGS": "error"}
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, bundle: Bundle) -> None:
        write_bundle(self.bundle_folder, bundle)

    def start(self, *, ready: bool = True) -> None:
        argv = [*self.inside, sys.executable, "-m", "edgeglm_agent.main", "run"]
        argv += ["--bundle", str(self.bundle_folder), "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"]
        argv += self.options
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, stderr=log, env=os.environ | self.environment)
        if ready:
            wait_for(self.ready, "the agent is not ready", seconds=60)
            wait_for(self.listens, "the agent is not connected", seconds=60)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(60)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def end(self) -> None:
        """End it, if it is still there."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the agent ended by itself:\n{self.log.read_text()[-4000:]}"
        return self.get("/readyz") is not None

    def listens(self) -> bool:
        """Whether it is subscribed at every broker."""
        brokers = self.status().get("brokers", [])
        return bool(brokers) and all(broker["connected"] for broker in brokers)

    def get(self, path: str) -> bytes | None:
        """The body, or None when it is not to be had (yet)."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            error.close()
            return None
        except OSError:
            return None

    def status(self) -> dict[str, Any]:
        body = self.get("/status")
        return json.loads(body) if body else {}

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self.process is not None, "the agent does not run"
        return self.process.pid

    def told(self) -> dict[str, Any]:
        """The status, once there is one: on a busy machine it may take more than one look."""
        found: dict[str, Any] = {}

        def look() -> bool:
            found.update(self.status())
            return bool(found)

        wait_for(look, "no status")
        return found

    def received(self) -> int:
        """How many messages of sources the books have, duplicates left out."""
        sources = self.status().get("books", {}).get("sources", [])
        return sum(book["received"] - book["duplicate"] for book in sources if book["graph"])

    def settled(self) -> bool:
        """Whether all that came in has been windowed, asked, answered and delivered."""
        status = self.status()
        return _windowed(status) and bool(status["spool"]["waiting"] == status["spool"]["undelivered"] == 0)

    def windowed(self) -> bool:
        """Whether all that came in is in closed windows."""
        return _windowed(self.status())

    def assert_books_balance(self) -> None:
        books = self.told()["books"]
        assert books["balanced"], books
        assert books["lost"] == 0, books


def _windowed(status: dict[str, Any]) -> bool:
    if not status:
        return False
    pending = sum(book["pending"] for book in status["books"]["sources"])
    return bool(pending == status["spool"]["backlog"] == 0)


def wait_for(condition: Callable[[], bool], otherwise: str, *, seconds: float = 60) -> None:
    """Wait for a state; the bound is only there so that a failure ends."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, otherwise
        time.sleep(0.05)
