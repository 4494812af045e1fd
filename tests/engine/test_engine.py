"""The engine that other tests stand on: real vLLM, a random GLM-4, structured output, death and return."""

import ctypes
import json
from pathlib import Path

import pytest

from tests.engine.engine import Engine
from tests.engine.models import install_models
from tests.engine.place import packages, wheels
from tests.engine.stand_ins import LIBRARIES
from tests.engine.wheels import needs_nvidia

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

FINDING = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["Anomaly", "Normal"]},
        "node": {"type": "string", "maxLength": 12},
        "evidence": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "maxItems": 3},
    },
    "required": ["kind", "node", "evidence"],
    "additionalProperties": False,
}
AS_FINDING = {"type": "json_schema", "json_schema": {"name": "finding", "schema": FINDING, "strict": True}}


def test_a_random_model_still_answers_in_the_schema(engine: Engine) -> None:
    """Structured output constrains the tokens, whatever the weights say."""
    answer = json.loads(engine.chat("Which machine is failing?", response_format=AS_FINDING, max_tokens=200))
    assert set(answer) == {"kind", "node", "evidence"}
    assert answer["kind"] in {"Anomaly", "Normal"}


def test_a_killed_engine_comes_back_where_it_was(engine: Engine) -> None:
    url = engine.url
    engine.kill()
    assert not engine.healthy()
    engine.start()
    assert engine.healthy()
    assert engine.url == url
    assert engine.chat("hello", max_tokens=4) is not None


def test_the_small_instruct_model_knows_something(smollm2_engine: Engine) -> None:
    answer = smollm2_engine.chat("What is the capital of France? Answer in one word.", max_tokens=12, temperature=0)
    assert "Paris" in answer


def test_models_can_be_read_by_an_engine_that_is_not_root(tmp_path: Path) -> None:
    """save_pretrained leaves the weights readable by their owner only; vLLM then calls them missing."""
    install_models(tmp_path)
    for weights in tmp_path.glob("*/*.safetensors"):
        assert weights.stat().st_mode & 0o004
    assert len(list(tmp_path.glob("*/config.json"))) == 2


def test_what_stands_in_for_a_library_of_nvidia_answers_with_an_error(engine: Engine) -> None:
    """Nothing on a CPU calls them; if something did, it must not take silence for success."""
    if needs_nvidia(wheels()):
        libraries = {name: ctypes.CDLL(str(packages() / "torch" / "lib" / name)) for name in LIBRARIES}
        assert libraries["libcublas.so.13"].cublasCreate_v2() != 0
        assert libraries["libnccl.so.2"].ncclCommInitAll() != 0
    assert engine.healthy()
