"""A real vLLM serves what was downloaded, through the link, without a hub."""

from pathlib import Path

import pytest

from edgeglm_api.download import Outcome
from tests.cluster.need import skip_or_fail
from tests.download.stub_hub import StubHub
from tests.download.test_process import Container
from tests.engine.engine import Engine
from tests.engine.place import is_set_up, models

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


def test_the_engine_serves_what_was_downloaded(tmp_path: Path) -> None:
    source = models() / "tiny-glm4"
    if not is_set_up() or not source.exists():
        skip_or_fail("no vLLM for the CPU", "make engine sets it up (3 GB)")
    files = {str(path.relative_to(source)): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    with StubHub(files) as hub:
        container = Container(hub, tmp_path)
        said = container.end()
    assert said is not None
    assert said.outcome is Outcome.WHOLE
    engine = Engine(str(container.link), tmp_path / "engine")
    try:
        engine.start()
        assert engine.chat("hello", max_tokens=4) is not None
    finally:
        engine.kill()
