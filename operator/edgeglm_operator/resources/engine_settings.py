"""The effective engine as a list: each setting that holds, and where it was said."""

from collections.abc import Iterator
from typing import Final

import msgspec

from edgeglm_api.inference_service import EdgeTarget, EffectiveEngine, Engine, EngineSetting, InferenceService
from edgeglm_api.model import write
from edgeglm_operator.resources.effective_engine import levels, place_of
from edgeglm_operator.resources.extra_args import flag_of
from edgeglm_operator.settings import Settings

LONGEST_NAME: Final = 1100
"""Characters, and the CRD's bound on it: a flag may have a thousand. What is longer was let in by another CRD."""
LONGEST: Final = 128
"""Characters of a value, and the CRD's bound on it: a template or a JSON document would swell the status."""


def effective_engines(service: InferenceService, settings: Settings) -> tuple[EffectiveEngine, ...]:
    """The settings at each place of a service."""
    places = [*([None] if service.spec.cloud is not None else []), *service.spec.edge]
    return tuple(_at(service, target, settings) for target in places)


def _at(service: InferenceService, target: EdgeTarget | None, settings: Settings) -> EffectiveEngine:
    found = {
        name: EngineSetting(name=_cut(name, LONGEST_NAME), value=_cut(value, LONGEST), origin=level.origin)
        for level in levels(service, target, settings)
        for name, value in said(level.engine)
    }
    return EffectiveEngine(place=place_of(target), settings=tuple(found.values()))


def said(engine: Engine) -> Iterator[tuple[str, str]]:
    """What one level says: names and values, such that of two levels the upper one's value of a name holds."""
    plain = msgspec.structs.replace(engine, image_pull_secrets=(), env=(), extra_args=())
    yield from _fields(write(plain), "")
    yield from ((f"imagePullSecrets[{secret.name}]", secret.name) for secret in engine.image_pull_secrets)
    yield from ((f"env[{variable.name}]", variable.value) for variable in engine.env)
    for flag in dict.fromkeys(flag_of(argument) for argument in engine.extra_args):
        arguments = [argument for argument in engine.extra_args if flag_of(argument) == flag]
        yield f"extraArgs[{flag}]", " ".join(arguments)


def _fields(values: dict[str, object], path: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _fields(value, f"{path}{name}.")
        else:
            yield path + name, str(value).lower() if isinstance(value, bool) else str(value)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
