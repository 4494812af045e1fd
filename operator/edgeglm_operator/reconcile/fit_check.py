"""Whether a model fits the accelerators at each place of a service, and if not, what would."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from edgeglm_api.inference_service import (
    Accelerator,
    CapacityPlan,
    EdgeTarget,
    Engine,
    InferenceService,
    Parallelism,
)
from edgeglm_operator.quantity import number_of
from edgeglm_operator.reconcile.capacity import GIB, NotKnown, Plan, plan
from edgeglm_operator.reconcile.model_shapes import Known, known_by_preset, known_by_uri
from edgeglm_operator.resources.effective_engine import asked_engine, merge, place_of
from edgeglm_operator.resources.parallelism import nodes_of, spread_left

_MOST_ACCELERATORS: Final = 64
"""The CRD's bound on `accelerator.count`, and on `parallelism.tensor`."""
_ROUND_TOKENS: Final = 1024
_LEAST_TOKENS: Final = 1024
"""A context below it serves nobody."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Fields to set, with which the model fits."""

    fields: Mapping[str, int | str]
    """By path."""
    max_concurrency: float

    def __str__(self) -> str:
        return " and ".join(f"{path}: {value}" for path, value in self.fields.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What was reckoned for one place."""

    place: str
    plan: Plan | NotKnown
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def fits(self) -> bool | None:
        """None: nobody knows."""
        return self.plan.fits if isinstance(self.plan, Plan) else None

    @property
    def summary(self) -> CapacityPlan | None:
        """In whole numbers, for the status."""
        if isinstance(self.plan, NotKnown):
            return None
        return CapacityPlan(
            weights_gib=-(-self.plan.weights_bytes // GIB),
            kv_cache_tokens=self.plan.kv_cache_tokens,
            max_concurrency=int(self.plan.max_concurrency),
        )


def fit_checks(service: InferenceService) -> tuple[Fit, ...]:
    """For each place of an accepted service that has an accelerator."""
    targets = [*([None] if service.spec.cloud is not None else []), *service.spec.edge]
    return tuple(_fit(service, target, accelerator) for target in targets if (accelerator := _at(service, target)))


def _at(service: InferenceService, target: EdgeTarget | None) -> Accelerator | None:
    place = service.spec.cloud if target is None else target
    return place.accelerator if place is not None else None


def _fit(service: InferenceService, target: EdgeTarget | None, accelerator: Accelerator) -> Fit:
    place, known = place_of(target), _known(service, target)
    if known is None:
        where = "spec.model" if target is None or target.model is None else f"{place}.model"
        return Fit(
            place=place,
            plan=NotKnown("UnknownShape", f"the model is not one that is known; give its figures in {where}.shape"),
        )
    memory = number_of(accelerator.memory)
    if memory is None:
        message = f"how much memory an accelerator has; set {place}.accelerator.memory"
        return Fit(place=place, plan=NotKnown("UnknownMemory", message))
    engine, nodes = asked_engine(service, target), nodes_of(service, target)
    case = _Case(place, known, engine, accelerator.count, nodes, int(memory))
    found = case.plan()
    if service.spec.model.adapters and isinstance(found, Plan) and found.fits:
        message = "how much memory spec.model.adapters take; without them the model fits"
        return Fit(place=place, plan=NotKnown("NotReckoned", message))
    suggestions = tuple(case.suggestions(found)) if isinstance(found, Plan) and not found.fits else ()
    return Fit(place=place, plan=found, suggestions=suggestions)


def _known(service: InferenceService, target: EdgeTarget | None) -> Known | None:
    """What is said of the model there wins over what is known of its repository, and that over the preset's family."""
    source = target.model if target is not None and target.model is not None else service.spec.model
    if source.shape is not None:
        return Known(shape=source.shape)
    return known_by_uri(source.uri) or known_by_preset(service.spec.preset)


@dataclass(frozen=True, slots=True)
class _Case:
    """A model, settings and accelerators at one place."""

    place: str
    known: Known
    engine: Engine
    count: int
    """On each node."""
    nodes: int
    memory_bytes: int

    def plan(self) -> Plan | NotKnown:
        engine = merge(Engine(quantization=self.known.quantization), self.engine)
        if left := spread_left(engine, self.count * self.nodes, self.nodes):
            engine = merge(engine, Engine(parallelism=left))
        return plan(self.known.shape, engine, self.memory_bytes)

    def suggestions(self, found: Plan) -> Iterator[Suggestion]:
        """One of each kind that fits, the least trouble first. Each is held against the same sum."""
        for kind in (self._shorter(found), self._quantised(), self._smaller_cache(), self._more_accelerators()):
            for fields, other in kind:
                changed = other.plan()
                if isinstance(changed, Plan) and changed.fits:
                    yield Suggestion(fields, changed.max_concurrency)
                    break

    def _shorter(self, found: Plan) -> Iterator["_Change"]:
        tokens = found.tokens_per_copy // _ROUND_TOKENS * _ROUND_TOKENS
        if tokens >= _LEAST_TOKENS:
            yield self._with(max_model_len=tokens)

    def _quantised(self) -> Iterator["_Change"]:
        if self.engine.quantization is None and self.known.quantization is None and self.known.shape.weights is None:
            yield self._with(quantization="fp8")
            yield self._with(quantization="awq")

    def _smaller_cache(self) -> Iterator["_Change"]:
        yield self._with(kv_cache_dtype="fp8")

    def _more_accelerators(self) -> Iterator["_Change"]:
        asked = self.engine.parallelism or Parallelism()
        # Over several nodes each has one stage where nothing is said, and what comes is more tensor on each.
        pipeline = asked.pipeline or self.nodes
        rest = pipeline * (asked.data or 1)
        for tensor in range(2, min(_MOST_ACCELERATORS, _MOST_ACCELERATORS * self.nodes // rest) + 1):
            count, odd = divmod(tensor * rest, self.nodes)
            if odd or count <= self.count:
                continue
            fields: dict[str, int | str] = {f"{self.place}.accelerator.count": count}
            engine = self.engine
            if asked.tensor is not None:
                fields[f"{self._engine_path}.parallelism.tensor"] = tensor
                engine = merge(engine, Engine(parallelism=Parallelism(tensor=tensor)))
            if asked.tensor is not None and asked.pipeline is None and pipeline > 1:
                fields[f"{self._engine_path}.parallelism.pipeline"] = pipeline
                engine = merge(engine, Engine(parallelism=Parallelism(pipeline=pipeline)))
            yield fields, _Case(self.place, self.known, engine, count, self.nodes, self.memory_bytes)

    def _with(self, **settings: int | str) -> "_Change":
        change = msgspec.structs.replace(Engine(), **settings)
        names = dict(zip(Engine.__struct_fields__, Engine.__struct_encode_fields__, strict=True))
        fields = {f"{self._engine_path}.{names[name]}": value for name, value in settings.items()}
        return fields, replace(self, engine=merge(self.engine, change))

    @property
    def _engine_path(self) -> str:
        return "spec.engine" if self.place == place_of(None) else f"{self.place}.engine"


_Change = tuple[dict[str, int | str], _Case]
