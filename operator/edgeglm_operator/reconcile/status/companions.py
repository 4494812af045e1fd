"""How autoscaler, activator, route, pool and monitor are doing, by what their own controllers say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from edgeglm_api.inference_service import Autoscaling, Cloud, InferenceService
from edgeglm_operator.observed import Deployment, ForeignCondition, foreign_conditions
from edgeglm_operator.reconcile.companions import Companion
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.status.verdict import SCALED_TO_ZERO, State, Verdict
from edgeglm_operator.resources.http_addon import PROXY_PORT, host_of
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
_GOES_AT_ZERO: Final = {"Ready": "True", "AbleToScale": "True"}
_BLIND_AT_ZERO: Final = frozenset({"Fallback", "ScalingActive"})
"""Of engines that do not run there are no figures, and Kubernetes' own autoscaler rests: neither is a fault then."""


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
    service: InferenceService, seen: Mapping[Companion, CompanionView], scaled: Deployment | None
) -> Iterator[tuple[Companion, Verdict]]:
    """Of each that is asked for; `scaled` is the Deployment of the cloud replicas."""
    for companion, view in seen.items():
        if view.refused is not None:
            yield companion, Verdict(State.FAILED, view.refused.reason, view.refused.message)
        else:
            yield companion, _verdict(service, companion, view.live or {}, scaled)


def _verdict(service: InferenceService, companion: Companion, live: Manifest, scaled: Deployment | None) -> Verdict:
    match companion:
        case Companion.AUTOSCALER:
            asked = (service.spec.cloud or Cloud()).autoscaling
            rests = asked is not None and asked.scale_to_zero is not None and scaled is not None and not scaled.replicas
            return _of_autoscaler_at_zero(asked, live) if asked and rests else _of_autoscaler(asked, live)
        case Companion.ACTIVATOR:
            return _of_activator(service, live)
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
    heard, kind = _heard(live), live.get("kind", "the autoscaler")
    if trouble := _trouble(heard, kind):
        return trouble
    if asked is None or not _goes(heard, _GOES):
        return _silent(kind)
    bounds = f"between {asked.min_replicas} and {asked.max_replicas} replicas"
    return Verdict(State.SERVING, "Scaling", f"{kind} keeps {bounds}" + (", or none" if asked.scale_to_zero else ""))


def _of_autoscaler_at_zero(asked: Autoscaling, live: Manifest) -> Verdict:
    heard, kind = _heard(live), live.get("kind", "the autoscaler")
    if asked.activator == "External":
        heard = {of: each for of, each in heard.items() if of not in _BLIND_AT_ZERO}
    if trouble := _trouble(heard, kind):
        return trouble
    if not _goes(heard, _GOES_AT_ZERO):
        return _silent(kind)
    return Verdict(State.SERVING, SCALED_TO_ZERO, f"no replica runs; once woken, {kind} says how many there are")


def _of_activator(service: InferenceService, live: Manifest) -> Verdict:
    kind = live.get("kind", "the activator")
    if not _goes(_heard(live), {"Ready": "True"}):
        message = f"{kind} is there, and has not been taken up yet; does the HTTP Add-on's operator run"
        return Verdict(State.PROGRESSING, "WaitingForActivator", f"{message}?")
    way = f"the HTTP Add-on's proxy (port {PROXY_PORT}) for host {host_of(service)}"
    return Verdict(State.SERVING, "Activating", f"requests that come by {way} wake replicas and wait for them")


def _heard(live: Manifest) -> dict[str, ForeignCondition]:
    return {each.kind: each for each in foreign_conditions(live.get("status") or {})}


def _trouble(heard: Mapping[str, ForeignCondition], kind: str) -> Verdict | None:
    for of, status, state, reason in _TROUBLES:
        if of in heard and heard[of].status == status:
            return Verdict(state, reason, f"{kind}: {_quoted(heard[of])}")
    return None


def _goes(heard: Mapping[str, ForeignCondition], words: Mapping[str, str]) -> bool:
    return any(of in heard and heard[of].status == status for of, status in words.items())


def _silent(kind: str) -> Verdict:
    return Verdict(State.PROGRESSING, "WaitingForAutoscaler", f"{kind} is there; its controller has not spoken yet")


def _of_gateways(live: Manifest, words: _Words, wanted: int, waits: str) -> Verdict:
    """It serves when each Gateway that it hangs on has taken it up as it is now."""
    kind = live.get("kind", "it")
    parents = (live.get("status") or {}).get("parents") or ()
    generation = (live.get("metadata") or {}).get("generation")
    heard = [each for parent in parents for each in foreign_conditions(parent) if each.kind in _TAKEN]
    if refused := next((each for each in heard if each.status == "False"), None):
        return Verdict(State.FAILED, words.refused, f"{kind}: {_quoted(refused)}")
    taken = sum(each.kind == "Accepted" and each.status == "True" and each.generation == generation for each in heard)
    told = f"{kind}: {taken} of {wanted} Gateways have taken it up"
    if taken < wanted:
        return Verdict(State.PROGRESSING, "WaitingForGateway", f"{told}; {waits}, with a controller that runs?")
    return Verdict(State.SERVING, words.accepted, told)


def _quoted(each: ForeignCondition) -> str:
    return ": ".join(part for part in (each.reason, each.message) if part) or each.kind
