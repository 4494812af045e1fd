"""The simulated plant at the site: sensors that publish, somebody who listens, and the agent's own account."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.demo.verdict import Heard

SIMULATE = Path(__file__).parents[2] / "examples" / "plant" / "simulate.py"
AGENT_STATUS = "import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1], timeout=10).read().decode())"


class Plant:
    """Runs in the site's network, where the broker and the agent listen on loopback."""

    def __init__(self, inside: Sequence[str], broker: str, directory: Path) -> None:
        self._inside = tuple(inside)
        self._broker = broker
        self._answers = directory / "answers.jsonl"
        self._watching: subprocess.Popen[bytes] | None = None

    def watch(self) -> None:
        """Begin to listen for answers."""
        with self._answers.open("wb") as out:
            self._watching = subprocess.Popen(self._simulate("watch", "--json"), stdout=out, stderr=subprocess.DEVNULL)

    def publish(self, seconds: float, *, bad_from: float, bad_until: float) -> "subprocess.Popen[str]":
        """Begin to publish; the process ends by itself and prints what the broker acknowledged."""
        words = ["publish", f"--seconds={seconds}", f"--bad-from={bad_from}", f"--bad-until={bad_until}"]
        return subprocess.Popen(self._simulate(*words), stdout=subprocess.PIPE, text=True)

    def heard(self) -> list[Heard]:
        """The answers so far, in the order in which they came."""
        return [Heard(**json.loads(line)) for line in self._answers.read_text().splitlines()]

    def agent(self, listen: str) -> Any:
        """The agent's own account."""
        command = [*self._inside, sys.executable, "-c", AGENT_STATUS, f"http://{listen}/status"]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout)

    def close(self) -> None:
        """Stop listening."""
        if self._watching is not None:
            self._watching.terminate()
            self._watching.wait(10)

    def _simulate(self, *words: str) -> list[str]:
        return [*self._inside, sys.executable, str(SIMULATE), f"--broker={self._broker}", *words]
