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


def nodes_of(service: InferenceService, target: EdgeTarget | None) -> int:
    """Over how many nodes one replica spreads; at the edge it is always one."""
    cloud = service.spec.cloud if target is None else None
    return (cloud and cloud.nodes_per_replica) or 1


def accelerators_of(service: InferenceService, target: EdgeTarget | None) -> int:
    """How many accelerators a replica has in the cloud (no target), or at an edge target; 0 for a CPU engine."""
    place = service.spec.cloud if target is None else target
    on_each = place.accelerator.count if place is not None and place.accelerator is not None else 0
    return on_each * nodes_of(service, target)


def spread_left(engine: Engine, accelerators: int, nodes: int) -> Parallelism | None:
    """What the engine does not say of how it spreads over all its accelerators. None: nothing needs to be said.

    Each layer is split over all that pipeline and data leave; by itself vLLM would use one. Over several nodes the
    layers are dealt out, a stage to each node, since splitting each of them asks much more of the network.
    """
    asked = engine.parallelism or Parallelism()
    if _says_otherwise(engine):
        return None
    data = asked.data or 1
    pipeline = asked.pipeline or (_stages(asked, accelerators, nodes) if nodes > 1 else 1)
    tensor = accelerators // (pipeline * data)
    left = Parallelism(
        tensor=tensor if asked.tensor is None and tensor > 1 else None,
        pipeline=pipeline if asked.pipeline is None and pipeline > 1 else None,
    )
    return None if left == Parallelism() else left


def idle_or_missing(engine: Engine, accelerators: int, nodes: int) -> str | None:
    """What is wrong with how the engine is spread: it must use the accelerators that there are, all of them."""
    asked, left = engine.parallelism or Parallelism(), spread_left(engine, accelerators, nodes) or Parallelism()
    tensor, pipeline = asked.tensor or left.tensor or 1, asked.pipeline or left.pipeline or 1
    data = asked.data or 1
    used = tensor * pipeline * data
    if not accelerators or used == accelerators or _says_otherwise(engine):
        return None
    there = f"accelerator.count is {accelerators // nodes}" + (f" on each of {nodes} nodes" if nodes > 1 else "")
    return (
        f"{there}, and parallelism uses {used} (tensor {tensor} x pipeline {pipeline} x data {data}); make them equal"
    )


def _stages(asked: Parallelism, accelerators: int, nodes: int) -> int:
    """Among how many the layers are dealt out over several nodes, where that is not said."""
    if asked.tensor is None:
        return nodes
    return max(1, accelerators // (asked.tensor * (asked.data or 1)))


def _says_otherwise(engine: Engine) -> bool:
    return any(flag_of(argument) in _OTHER_FLAGS for argument in engine.extra_args)
