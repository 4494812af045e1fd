"""What the fit check says of services in files: as text for a person, or as JSON for a pipeline."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgeglm_api.inference_service import InferenceService
from edgeglm_operator.reconcile.capacity import NotKnown
from edgeglm_operator.reconcile.fit_check import Fit, fit_checks
from edgeglm_operator.reconcile.status.capacity import sentence


@dataclass(frozen=True, slots=True)
class Planned:
    """One service, and what was reckoned for each of its places that have accelerators."""

    service: InferenceService
    fits: tuple[Fit, ...]

    @property
    def name(self) -> str:
        """As `kubectl` would have it."""
        return f"{self.service.metadata.namespace}/{self.service.metadata.name}"


def plans(services: Iterable[InferenceService]) -> list[Planned]:
    """All of them."""
    return [Planned(service, fit_checks(service)) for service in services]


def all_fit(planned: Iterable[Planned]) -> bool:
    """Whether every place is known to fit. One that nobody knows is not."""
    return all(fit.fits for one in planned for fit in one.fits)


def as_lines(planned: Iterable[Planned]) -> list[str]:
    """For a person."""
    lines = []
    for one in planned:
        if not one.fits:
            lines.append(f"{one.name}: no accelerator, so nothing to fit")
        lines += [f"{one.name}: {sentence(fit)}" for fit in one.fits]
    return lines


def as_json(planned: Iterable[Planned]) -> dict[str, Any]:
    """For a program. `fits` is null where nobody knows; sizes are in bytes."""
    planned = list(planned)
    targets = [{"service": one.name, **_target(fit)} for one in planned for fit in one.fits]
    known = {target["fits"] for target in targets}
    return {"fits": False if False in known else None if None in known else True, "targets": targets}


def _target(fit: Fit) -> dict[str, Any]:
    found: dict[str, Any] = {"place": fit.place, "fits": fit.fits, "message": sentence(fit)}
    if isinstance(fit.plan, NotKnown):
        return found | {"reason": fit.plan.reason}
    return found | {
        "weightsBytes": fit.plan.weights_bytes,
        "kvBytesPerToken": fit.plan.kv_bytes_per_token,
        "kvCacheTokens": fit.plan.kv_cache_tokens,
        "maxModelLen": fit.plan.max_model_len,
        "maxConcurrency": round(fit.plan.max_concurrency, 2),
        "perAccelerator": {
            "usableBytes": fit.plan.usable_bytes,
            "weightsBytes": fit.plan.weights_here_bytes,
            "activationBytes": fit.plan.activation_bytes,
            "overheadBytes": fit.plan.overhead_bytes,
        },
        "suggestions": [
            {"set": dict(each.fields), "maxConcurrency": round(each.max_concurrency, 2)} for each in fit.suggestions
        ],
    }
