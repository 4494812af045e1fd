"""`promtool`: what Prometheus makes of series, queries and rules, without a server and without waiting."""

import subprocess
from collections.abc import Sequence
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

    def check(self, rules: Path) -> str:
        """Read a file of rules: expressions, templates, all of it."""
        return self._run("check", "rules", str(rules))

    def test(self, *tests: Test, rules: Sequence[Path] = ()) -> str:
        """Evaluate, at the times that the tests name."""
        path = self.directory / "tests.yaml"
        files = [str(each) for each in rules]
        whole = {"rule_files": files, "evaluation_interval": "15s", "tests": list(tests)}
        path.write_text(yaml.safe_dump(whole), encoding="utf-8")
        return self._run("test", "rules", path.name)

    def _run(self, *arguments: str) -> str:
        command = ["promtool", *arguments]
        done = subprocess.run(
            command, cwd=self.directory, capture_output=True, text=True, check=False, timeout=_BOUND_SECONDS
        )
        return done.stdout + done.stderr if done.returncode else ""
