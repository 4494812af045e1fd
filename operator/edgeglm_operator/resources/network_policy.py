"""The NetworkPolicies of the cloud replicas: who may reach them, and only at the port that serves.

vLLM opens more ports than that one, for its own processes. Replicas at the edge need none: they use their node's
network, where a NetworkPolicy says nothing, and listen on loopback only.
"""

from collections.abc import Mapping

from edgeglm_api.inference_service import InferenceService, NetworkPolicy, Peer
from edgeglm_operator.resources.cloud_deployment import autoscaling_of
from edgeglm_operator.resources.http_addon import proxy_peer
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.names import groups_name
from edgeglm_operator.resources.parallelism import nodes_of
from edgeglm_operator.resources.selectors import (
    ENGINE,
    cloud_selector,
    component,
    verification_selector,
    worker_selector,
)
from edgeglm_operator.resources.vllm import PORT
from edgeglm_operator.settings import Settings


def make_network_policy(service: InferenceService, policy: NetworkPolicy, settings: Settings) -> Manifest:
    """All other ingress is closed, but for who verifies or wakes them; what the replicas reach is left open."""
    selector = cloud_selector(service)
    ingress: Manifest = {"ports": [{"port": PORT, "protocol": "TCP"}]}
    if policy.peers:
        verifier = _pods(verification_selector(service))
        peers = (*policy.peers, *((proxy_peer(settings),) if _is_proxied(service) else ()))
        ingress["from"] = [*(_peer(peer) for peer in peers), verifier]
    return manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        service.metadata.namespace,
        service.metadata.name,
        labels=component(ENGINE) | selector,
        owner=owned_by(service),
        spec={
            "podSelector": {"matchLabels": selector},
            "policyTypes": ["Ingress"],
            "ingress": [ingress, *_of_group(service)],
        },
    )


def make_worker_policy(service: InferenceService) -> Manifest:
    """Of a replica over several nodes: whom its other pods hear, which is its own kind alone.

    They trust whatever they are told there (vLLM's own warning), on ports that come as they come. It opens nothing to
    anybody else, so that it is made unasked.
    """
    selector = worker_selector(service)
    return manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        service.metadata.namespace,
        groups_name(service.metadata.name),
        labels=component(ENGINE) | selector,
        owner=owned_by(service),
        spec={
            "podSelector": {"matchLabels": selector},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [_pods(cloud_selector(service)), _pods(selector)]}],
        },
    )


def _of_group(service: InferenceService) -> list[Manifest]:
    if nodes_of(service, None) == 1:
        return []
    return [{"from": [_pods(cloud_selector(service)), _pods(worker_selector(service))]}]


def _pods(selector: Mapping[str, str]) -> Manifest:
    return {"podSelector": {"matchLabels": dict(selector)}}


def _is_proxied(service: InferenceService) -> bool:
    asked = autoscaling_of(service)
    return asked is not None and asked.activator == "HTTPAddon"


def _peer(peer: Peer) -> Manifest:
    if peer.cidr is not None:
        return {"ipBlock": {"cidr": peer.cidr}}
    selectors = {"namespaceSelector": peer.namespace_selector, "podSelector": peer.pod_selector}
    return {key: {"matchLabels": found} for key, found in selectors.items() if found}
