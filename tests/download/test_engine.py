"""A real vLLM serves what was downloaded, through the link, without a hub."""

import json
import random
import struct
from pathlib import Path

import pytest

from edgeglm_api.download import Outcome
from edgeglm_operator.resources.cloud_deployment import make_cloud_deployment
from edgeglm_operator.settings import Settings
from tests.cluster.need import skip_or_fail
from tests.download.stub_hub import StubHub
from tests.download.test_process import Container
from tests.engine.engine import Engine
from tests.engine.place import is_set_up, models
from tests.unit.operator.builders import an_inference_service

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


RANK = 8


def an_adapter(model: Path) -> dict[str, bytes]:
    """A LoRA adapter of the first layer's outputs of attention, as PEFT writes them, loud enough to be heard."""
    config = json.loads((model / "config.json").read_text())
    width, heads = config["hidden_size"], config["num_attention_heads"] * config["head_dim"]
    told = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": 64, "bias": "none"}
    told |= {"target_modules": ["o_proj"], "base_model_name_or_path": "tiny-glm4"}
    name = "base_model.model.model.layers.0.self_attn.o_proj"
    shapes = {f"{name}.lora_A.weight": (RANK, heads), f"{name}.lora_B.weight": (width, RANK)}
    return {"adapter_config.json": json.dumps(told).encode(), "adapter_model.safetensors": safetensors(shapes)}


def safetensors(shapes: dict[str, tuple[int, int]]) -> bytes:
    """Of random numbers: the length of a header, the header, and the numbers (github.com/huggingface/safetensors)."""
    chance, header, body = random.Random(1), {}, b""  # noqa: S311 - always the same
    for name, (rows, columns) in shapes.items():
        begin = len(body)
        body += struct.pack(f"<{rows * columns}f", *(chance.gauss(0, 1) for _ in range(rows * columns)))
        header[name] = {"dtype": "F32", "shape": [rows, columns], "data_offsets": [begin, len(body)]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def test_the_engine_serves_an_adapter_by_its_name(tmp_path: Path) -> None:
    """The flags are those that the operator gives it."""
    source = models() / "tiny-glm4"
    if not is_set_up() or not source.exists():
        skip_or_fail("no vLLM for the CPU", "make engine sets it up (3 GB)")
    with StubHub(an_adapter(source)) as hub:
        adapter = Container(hub, tmp_path)
        assert adapter.end() is not None
    service = an_inference_service(
        model={"uri": "hf://a/b", "adapters": [{"name": "line-1", "uri": "hf://a/line-1"}]}, cloud={}
    )
    args = make_cloud_deployment(service, Settings())["spec"]["template"]["spec"]["containers"][0]["args"]
    at = args.index("--enable-lora")
    flags = [arg.replace("/cache/adapter-line-1", str(adapter.link)) for arg in args[at : at + 3]]
    engine = Engine("tiny-glm4", tmp_path / "engine", more=tuple(flags))
    try:
        engine.start()
        asked = {"max_tokens": 16, "temperature": 0, "seed": 1}
        plain, adapted = (engine.chat("hello", **asked, model=name) for name in ("tiny-glm4", "line-1"))
        assert adapted is not None
        assert adapted != plain
    finally:
        engine.kill()
