"""`promtool`: what Prometheus makes of series, queries and rules, without a server and without waiting."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

Test = dict[str, Any]
"""One of `tests` of https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/"""

_BOUND_SECONDS = 120


class Promtool:
    """It writes its files into one directory; each method gives what it has to object to, or nothing."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def test(self, *tests: Test) -> str:
        """Evaluate, at the times that the tests name."""
        path = self.directory / "tests.yaml"
        whole = {"evaluation_interval": "15s", "tests": list(tests)}
        path.write_text(yaml.safe_dump(whole), encoding="utf-8")
        return self._run("test", "rules", path.name)

    def _run(self, *arguments: str) -> str:
        command = ["promtool", *arguments]
        done = subprocess.run(
            command, cwd=self.directory, capture_output=True, text=True, check=False, timeout=_BOUND_SECONDS
        )
        return done.stdout + done.stderr if done.returncode else ""
