"""`python -m tests.engine lock`: write the hashes of the downloaded wheels into the requirements files.

A lock holds for CPython 3.11 on x86-64, which is what Debian 12 has, and so the engine's image.
"""

import hashlib
import re
from pathlib import Path


def lock(requirements: Path, wheels: Path) -> None:
    """Rewrite one file: comments stay, each pin gets the hash of its wheel."""
    lines = [line for line in requirements.read_text().splitlines() if not line.lstrip().startswith("--hash")]
    requirements.write_text("".join(_locked(line.removesuffix(" \\"), wheels) for line in lines))


def _locked(line: str, wheels: Path) -> str:
    if "==" not in line or line.startswith("#"):
        return f"{line}\n"
    digest = hashlib.sha256(_wheel(line, wheels).read_bytes()).hexdigest()
    return f"{line} \\\n    --hash=sha256:{digest}\n"


def _wheel(pin: str, wheels: Path) -> Path:
    name, _, version = pin.partition("==")
    wanted = (_normal(name), version)
    for wheel in wheels.glob("*.whl"):
        found, found_version, *_ = wheel.name.split("-")
        if (_normal(found), found_version) == wanted:
            return wheel
    raise FileNotFoundError(f"no wheel of {pin} in {wheels}")


def _normal(name: str) -> str:
    """Names compare without regard to case and separators."""
    return re.sub(r"[-_.]+", "-", name).lower()
