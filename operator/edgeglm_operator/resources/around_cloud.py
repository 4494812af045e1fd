"""What stands around the Deployment of the cloud replicas: who reaches them, and how many a drain may take."""

from collections.abc import Iterator

from edgeglm_api.inference_service import InferenceService
from edgeglm_operator.resources.disruption_budget import make_disruption_budget, wants_disruption_budget
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.network_policy import make_network_policy, make_worker_policy
from edgeglm_operator.resources.parallelism import nodes_of
from edgeglm_operator.resources.service import make_service
from edgeglm_operator.settings import Settings


def around_cloud(service: InferenceService, settings: Settings) -> Iterator[Manifest]:
    """Those that the service wants now. It must have a cloud part."""
    yield make_service(service, settings)
    if wants_disruption_budget(service):
        yield make_disruption_budget(service)
    if service.spec.cloud is not None and service.spec.cloud.network_policy is not None:
        yield make_network_policy(service, service.spec.cloud.network_policy, settings)
    if nodes_of(service, None) > 1:
        yield make_worker_policy(service)
