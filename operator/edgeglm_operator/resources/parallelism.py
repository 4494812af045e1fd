"""How one replica spreads over its accelerators."""

from typing import Final

from edgeglm_api.inference_service import EdgeTarget, Engine, InferenceService, Parallelism
from edgeglm_operator.resources.extra_args import flag_of

_OTHER_FLAGS: Final = frozenset(
    {
        "--data-parallel-size-local",
        "--distributed-executor-backend",
        "--nnodes",
        "--prefill-context-parallel-size",
    }
)
"""They too say how accelerators are used, and no field does: with one of them, nothing is reckoned here."""


def accelerators_of(service: InferenceService, target: EdgeTarget | None) -> int:
    """How many accelerators a replica has in the cloud (no target), or at an edge target; 0 for a CPU engine."""
    place = service.spec.cloud if target is None else target
    return place.accelerator.count if place is not None and place.accelerator is not None else 0


def tensor_left(engine: Engine, accelerators: int) -> int | None:
    """Over how many accelerators each layer is split where the engine does not say: all that pipeline and data leave.

    By itself vLLM would use one. None: nothing needs to be said.
    """
    asked = engine.parallelism or Parallelism()
    tensor = accelerators // ((asked.pipeline or 1) * (asked.data or 1))
    return None if asked.tensor is not None or tensor < 2 or _says_otherwise(engine) else tensor


def idle_or_missing(engine: Engine, accelerators: int) -> str | None:
    """What is wrong with how the engine is spread: it must use the accelerators that there are, all of them."""
    asked = engine.parallelism or Parallelism()
    tensor = asked.tensor or tensor_left(engine, accelerators) or 1
    pipeline, data = asked.pipeline or 1, asked.data or 1
    used = tensor * pipeline * data
    if not accelerators or used == accelerators or _says_otherwise(engine):
        return None
    return (
        f"accelerator.count is {accelerators}, and parallelism uses {used}"
        f" (tensor {tensor} x pipeline {pipeline} x data {data}); make them equal"
    )


def _says_otherwise(engine: Engine) -> bool:
    return any(flag_of(argument) in _OTHER_FLAGS for argument in engine.extra_args)
