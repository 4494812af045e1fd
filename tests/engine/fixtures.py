"""pytest fixtures: real vLLM engines on the CPU, started once a session and worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.need import skip_or_fail
from tests.engine.engine import Engine
from tests.engine.place import is_set_up, models


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The tiny GLM-4 with random weights: fast, and its answers are noise."""
    yield from _running("tiny-glm4", tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="session")
def smollm2_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """SmolLM2-135M-Instruct: slower, and its answers are answers."""
    yield from _running("smollm2", tmp_path_factory.mktemp("smollm2"))


def _running(model: str, directory: Path) -> Iterator[Engine]:
    if not is_set_up() or not (models() / model / "config.json").exists():
        skip_or_fail("no vLLM for the CPU", "make engine sets it up (3 GB)")
    engine = Engine(model, directory)
    try:
        engine.start()
        yield engine
    finally:
        engine.kill()
