"""The environment of the store, apart from all others.

Its botocore wants an older python-dateutil than Kubernetes' client.
"""

import shutil
import sys
from pathlib import Path

from tests.cluster.cache import cache_root, key_of, locked
from tests.cluster.command import run
from tests.cluster.progress import step

REQUIREMENTS = Path(__file__).parents[2] / "requirements" / "store.txt"
INSTALL_SECONDS = 300


def environment() -> Path:
    """The virtual environment that moto runs in."""
    return cache_root() / "store" / key_of([REQUIREMENTS])


def set_up() -> None:
    """Make it if it is missing; interrupted, it is made anew."""
    finished = environment() / ".finished"
    with locked("store"):
        if finished.exists():
            return
        with step(f"making the store's environment {environment()}"):
            # Scripts of an environment name its path, so it cannot be moved into place when it is done.
            shutil.rmtree(environment(), ignore_errors=True)
            run([sys.executable, "-m", "venv", environment()])
            options = ["--quiet", "--disable-pip-version-check", "--require-hashes", f"--requirement={REQUIREMENTS}"]
            run([environment() / "bin" / "python", "-m", "pip", "install", *options], bound_seconds=INSTALL_SECONDS)
        finished.touch()
