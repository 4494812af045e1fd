"""How autoscaler, route, pool and monitor are doing, by what their own controllers say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from edgeglm_api.inference_service import Autoscaling, Cloud, InferenceService
from edgeglm_operator.observed import Said, said
from edgeglm_operator.reconcile.companions import Companion
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.status.verdict import State, Verdict
from edgeglm_operator.resources.manifest import Manifest

_TROUBLES: Final = (
    ("Paused", "True", State.FAILED, "AutoscalerPaused"),
    ("Fallback", "True", State.FAILED, "FallingBack"),
    ("Ready", "False", State.FAILED, "AutoscalerFailing"),
    ("HPAActive", "False", State.FAILED, "AutoscalerFailing"),
    ("AbleToScale", "False", State.FAILED, "AutoscalerFailing"),
    ("ScalingActive", "False", State.FAILED, "AutoscalerFailing"),
    ("Ready", "Unknown", State.PROGRESSING, "WaitingForAutoscaler"),
)
"""What KEDA (Ready, Fallback, Paused, HPAActive) and Kubernetes' own autoscaler (the others) say when they fail."""
_GOES: Final = {"Ready": "True", "ScalingActive": "True"}


class _Words(NamedTuple):
    """What becomes of what hangs on Gateways."""

    accepted: str
    refused: str


_ROUTE: Final = _Words("RouteAccepted", "RouteRefused")
_POOL: Final = _Words("PoolAccepted", "PoolRefused")
_TAKEN: Final = ("Accepted", "ResolvedRefs")
"""What a Gateway's controller says of a route that it has taken up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanionView:
    """What was observed of one of them."""

    refused: Refused | None = None
    """Why it was not made."""
    live: Manifest | None = None


def companion_verdicts(
    service: InferenceService, seen: Mapping[Companion, CompanionView]
) -> Iterator[tuple[Companion, Verdict]]:
    """Of each that is asked for."""
    for companion, view in seen.items():
        if view.refused is not None:
            yield companion, Verdict(State.FAILED, view.refused.reason, view.refused.message)
        else:
            yield companion, _verdict(service, companion, view.live or {})


def _verdict(service: InferenceService, companion: Companion, live: Manifest) -> Verdict:
    match companion:
        case Companion.AUTOSCALER:
            return _of_autoscaler((service.spec.cloud or Cloud()).autoscaling, live)
        case Companion.ROUTE:
            wanted = len((live.get("spec") or {}).get("parentRefs") or ()) or 1
            return _of_gateways(live, _ROUTE, wanted, "is each in spec.routing.httpRoute.parentRefs there")
        case Companion.POOL:
            wanted = max(1, len((live.get("status") or {}).get("parents") or ()))
            return _of_gateways(
                live, _POOL, wanted, "does a route lead to it, spec.routing.httpRoute or one of your own"
            )
        case Companion.MONITOR:
            return Verdict(State.SERVING, "Declared", "a PodMonitor is there; who reads it does not say so on it")


def _of_autoscaler(asked: Autoscaling | None, live: Manifest) -> Verdict:
    heard = {each.kind: each for each in said(live.get("status") or {})}
    kind = live.get("kind", "the autoscaler")
    for of, status, state, reason in _TROUBLES:
        if of in heard and heard[of].status == status:
            return Verdict(state, reason, f"{kind}: {_quoted(heard[of])}")
    if asked is None or not any(of in heard and heard[of].status == status for of, status in _GOES.items()):
        return Verdict(State.PROGRESSING, "WaitingForAutoscaler", f"{kind} is there; its controller has not spoken yet")
    bounds = f"between {asked.min_replicas} and {asked.max_replicas} replicas"
    return Verdict(State.SERVING, "Scaling", f"{kind} keeps {bounds}")


def _of_gateways(live: Manifest, words: _Words, wanted: int, waits: str) -> Verdict:
    """It serves when each Gateway that it hangs on has taken it up as it is now."""
    kind = live.get("kind", "it")
    parents = (live.get("status") or {}).get("parents") or ()
    generation = (live.get("metadata") or {}).get("generation")
    heard = [each for parent in parents for each in said(parent) if each.kind in _TAKEN]
    if refused := next((each for each in heard if each.status == "False"), None):
        return Verdict(State.FAILED, words.refused, f"{kind}: {_quoted(refused)}")
    taken = sum(each.kind == "Accepted" and each.status == "True" and each.generation == generation for each in heard)
    told = f"{kind}: {taken} of {wanted} Gateways have taken it up"
    if taken < wanted:
        return Verdict(State.PROGRESSING, "WaitingForGateway", f"{told}; {waits}, with a controller that runs?")
    return Verdict(State.SERVING, words.accepted, told)


def _quoted(each: Said) -> str:
    return ": ".join(part for part in (each.reason, each.message) if part) or each.kind
