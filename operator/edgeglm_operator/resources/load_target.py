"""What load one replica is to bear, and how fast their number follows it."""

from dataclasses import dataclass
from typing import Final

from edgeglm_api.inference_service import Autoscaling, InferenceService
from edgeglm_operator.resources.effective_engine import effective_engine
from edgeglm_operator.resources.leader_worker_set import API_VERSION, KIND
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.names import groups_name
from edgeglm_operator.resources.parallelism import nodes_of
from edgeglm_operator.settings import Settings

USUAL_SEQS: Final = 256
"""What vLLM computes at once where nothing else is said."""
_STEP_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """The load of one replica at which there are neither too many nor too few."""

    in_flight: int
    """Requests, running and waiting: the queue alone is empty until it is too late."""
    kv_cache_percent: int


def load_target(service: InferenceService, asked: Autoscaling, settings: Settings) -> LoadTarget:
    """As asked; else, in flight, by what the engine computes at once, with room for what comes meanwhile."""
    at_once = effective_engine(service, None, settings).max_num_seqs or USUAL_SEQS
    return LoadTarget(
        in_flight=asked.in_flight_per_replica or max(1, at_once * 5 // 8),
        kv_cache_percent=asked.kv_cache_utilization_percent,
    )


def scale_target(service: InferenceService) -> Manifest:
    """What is scaled: the Deployment or LeaderWorkerSet, not our object, whose spec is the user's alone."""
    if nodes_of(service, None) > 1:
        return {"apiVersion": API_VERSION, "kind": KIND, "name": groups_name(service.metadata.name)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": service.metadata.name}


def pace(asked: Autoscaling) -> Manifest:
    """Up by one, or to the double, a minute; down by one a minute once the load has been lower for the delay.

    A replica takes minutes to load, but the load is a sum over all: it does not grow while a new one is not ready yet,
    so nothing is added twice. Kubernetes' own pace (four more each 15 s) would take a whole pool of GPUs for a spike.
    """
    one: Manifest = {"type": "Pods", "value": 1, "periodSeconds": _STEP_SECONDS}
    double: Manifest = {"type": "Percent", "value": 100, "periodSeconds": _STEP_SECONDS}
    return {
        "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [one, double]},
        "scaleDown": {
            "stabilizationWindowSeconds": asked.scale_down_delay_seconds,
            "selectPolicy": "Max",
            "policies": [one],
        },
    }
