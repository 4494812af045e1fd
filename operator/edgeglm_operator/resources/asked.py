"""What of a spec its pods follow from, as a digest.

As long as it stands, pods keep the template that they were made with: neither an upgrade of the operator, nor scaling
and suspending, which change the spec too, may look like a wish for other pods.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.inference_service import (
    Cloud,
    CloudAccelerator,
    EdgeTarget,
    InferenceService,
    Rollout,
    Spec,
    Timeouts,
)
from edgeglm_api.selection import Sites
from edgeglm_operator.resources.agent_secrets import AgentSecrets
from edgeglm_operator.resources.gpu_labels import is_labelled
from edgeglm_operator.settings import Reporting

HASH_LENGTH: Final = 16


def asked_of_cloud(service: InferenceService) -> str:
    """Of the replicas in the cluster proper."""
    cloud = service.spec.cloud or Cloud()
    asked = msgspec.structs.replace(
        cloud,
        # In another mode they are other pods in any case.
        deployment_mode=None,
        replicas=None,
        autoscaling=None,
        rollout=Rollout(),
        disruption_budget="Auto",
        network_policy=None,
        external_url=None,
        ca_secret_ref=None,
        accelerator=_of_nodes(cloud.accelerator),
    )
    return _digest(msgspec.structs.replace(_of_pods(service.spec), cloud=asked, edge=()))


def asked_at_site(service: InferenceService, target: EdgeTarget) -> str:
    """Of the replica at a site. Which sites there are is nothing to one of them."""
    model, accelerator = target.model, target.accelerator
    asked = msgspec.structs.replace(
        target,
        sites=Sites(),
        update=None,
        # Only the fit check reads these.
        model=msgspec.structs.replace(model, shape=None) if model else None,
        accelerator=msgspec.structs.replace(accelerator, memory=None) if accelerator else None,
    )
    return _digest(msgspec.structs.replace(_of_pods(service.spec), cloud=None, edge=(asked,)))


def asked_of_agent(
    site: EdgeSite, secrets: AgentSecrets, reporting: Reporting | None = None, pull_secrets: Sequence[str] = ()
) -> str:
    """Of a site's agent: where it is, whose store it has, which Secrets it needs, whom it may ask, where it reports.

    What is not asked for is not in it: a release that can be asked for more restarts nobody.
    """
    hosts = [site.spec.endpoint_hosts] if site.spec.endpoint_hosts else []
    reports = [{"to": reporting.url, "epoch": reporting.epoch}] if reporting else []
    receives = [{"receive": site.spec.receive}] if site.spec.receive else []
    pulls = [{"pulls": pull_secrets}] if pull_secrets else []
    wishes = [*secrets.keys, *secrets.brokers, *secrets.endpoints, *hosts, *reports, *receives, *pulls]
    return _digest([site.metadata.uid, site.spec.node_name, *wishes])


def _of_nodes(accelerator: CloudAccelerator | None) -> CloudAccelerator | None:
    """Where no node is chosen by its memory, only the fit check reads it."""
    if accelerator is None or is_labelled(accelerator):
        return accelerator
    return msgspec.structs.replace(accelerator, memory=None)


def _of_pods(spec: Spec) -> Spec:
    timeouts = msgspec.structs.replace(
        spec.timeouts,
        progress_deadline_seconds=Timeouts().progress_deadline_seconds,
        request_seconds=Timeouts().request_seconds,
    )
    return msgspec.structs.replace(
        spec,
        suspend=False,
        # Only the fit check reads it.
        model=msgspec.structs.replace(spec.model, shape=None),
        timeouts=timeouts,
        verification=None,
        routing=None,
        monitoring=None,
    )


def _digest(wish: object) -> str:
    return hashlib.sha256(msgspec.json.encode(wish, order="deterministic")).hexdigest()[:HASH_LENGTH]
