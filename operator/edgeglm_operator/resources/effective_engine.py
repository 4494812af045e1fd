"""The engine settings that hold at one place: built-in < preset < `spec.engine` < the target's `engine`."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import TypeVar

import msgspec

from edgeglm_api.inference_service import EdgeTarget, Engine, EnvVar, InferenceService, SecretRef
from edgeglm_operator.resources.extra_args import flag_of
from edgeglm_operator.resources.parallelism import accelerators_of, nodes_of, spread_left
from edgeglm_operator.resources.presets import PRESETS
from edgeglm_operator.settings import Settings

S = TypeVar("S", bound=msgspec.Struct)
N = TypeVar("N", bound=EnvVar | SecretRef)


@dataclass(frozen=True, slots=True)
class Level:
    """Settings that were said at one place."""

    origin: str
    """Where: the path of a field, a preset, or the operator itself."""
    engine: Engine


def effective_engine(service: InferenceService, target: EdgeTarget | None, settings: Settings) -> Engine:
    """The settings of the cloud replicas (no target), or of an edge target."""
    return reduce(merge, (level.engine for level in levels(service, target, settings)))


def asked_engine(service: InferenceService, target: EdgeTarget | None) -> Engine:
    """What was asked for there: all levels but the built-in one."""
    return reduce(merge, (level.engine for level in _asked(service, target)))


def levels(service: InferenceService, target: EdgeTarget | None, settings: Settings) -> Iterator[Level]:
    """All levels, each of which wins over those before it."""
    yield Level("the operator's settings", Engine(image=settings.engine_image))
    accelerators, nodes = accelerators_of(service, target), nodes_of(service, target)
    if left := spread_left(asked_engine(service, target), accelerators, nodes):
        yield Level(f"{place_of(target)}.accelerator.count", Engine(parallelism=left))
    yield from _asked(service, target)


def place_of(target: EdgeTarget | None) -> str:
    """The path of the field that says where."""
    return "spec.cloud" if target is None else f"spec.edge[{target.name}]"


def _asked(service: InferenceService, target: EdgeTarget | None) -> Iterator[Level]:
    if preset := PRESETS.get(service.spec.preset or ""):
        yield Level(f"preset {service.spec.preset}", preset)
    yield Level("spec.engine", service.spec.engine)
    if target is not None:
        yield Level(f"{place_of(target)}.engine", target.engine)


def merge(base: Engine, over: Engine) -> Engine:
    """Field by field, those of `scheduling` and `parallelism` too; env and pull secrets by name; extraArgs by flag."""
    return msgspec.structs.replace(
        _fields(base, over),
        image_pull_secrets=_by_name(base.image_pull_secrets, over.image_pull_secrets),
        extra_args=_merge_args(base.extra_args, over.extra_args),
        env=_by_name(base.env, over.env),
    )


def _fields(base: S, over: S) -> S:
    """Each field that `over` sets; a struct in a field is merged in turn."""
    changes = {}
    for name in over.__struct_fields__:
        old, new = getattr(base, name), getattr(over, name)
        if new is not None:
            changes[name] = _fields(old, new) if isinstance(old, msgspec.Struct) else new
    return msgspec.structs.replace(base, **changes)


def _merge_args(base: tuple[str, ...], over: tuple[str, ...]) -> tuple[str, ...]:
    # A flag may stand several times in one level (`--middleware`), so a level replaces all of the level below.
    flags = {flag_of(argument) for argument in over}
    return (*(argument for argument in base if flag_of(argument) not in flags), *over)


def _by_name(base: tuple[N, ...], over: tuple[N, ...]) -> tuple[N, ...]:
    names = {item.name for item in over}
    return (*(item for item in base if item.name not in names), *over)
