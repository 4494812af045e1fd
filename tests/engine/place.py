"""Where the engine, its wheels and its models are kept."""

from pathlib import Path

from tests.cluster.cache import cache_root, key_of

HERE = Path(__file__).parent
TORCH, NVIDIA, VLLM = (HERE / f"{name}.txt" for name in ("torch", "nvidia", "requirements"))
# What makes the models, and is not in the engine's image.
MODEL_TOOLS = HERE / "models.txt"
SHIM = HERE / "vllm-shim"
STAND_INS = HERE / "stand_ins.py"


def engine_key() -> str:
    """Changes with any pinned version."""
    return key_of([TORCH, NVIDIA, VLLM, MODEL_TOOLS, SHIM / "pyproject.toml", STAND_INS])


def environment() -> Path:
    """The virtual environment that vLLM runs in."""
    return cache_root() / "engine" / engine_key()


def packages() -> Path:
    """The packages of the environment, which the engine's image has as well."""
    return environment() / "lib" / "python3.11" / "site-packages"


def model_tools() -> Path:
    """The packages that make the models, apart from the others."""
    return environment() / "model-tools"


def is_set_up() -> bool:
    """Tell whether the environment is whole; the file is written last."""
    return finished().exists()


def finished() -> Path:
    """The file that says so."""
    return environment() / ".finished"


def wheels() -> Path:
    """The wheels of the environment."""
    return cache_root() / "wheels" / engine_key()


def models() -> Path:
    """The model folders, at a place that does not change."""
    return cache_root() / "models"
