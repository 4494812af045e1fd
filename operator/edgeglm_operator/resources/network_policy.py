"""The NetworkPolicy of the cloud replicas: who may reach them, and only at the port that serves.

vLLM opens more ports than that one, for its own processes. Replicas at the edge need none: they use their node's
network, where a NetworkPolicy says nothing, and listen on loopback only.
"""

from edgeglm_api.inference_service import InferenceService, NetworkPolicy, Peer
from edgeglm_operator.resources.cloud_deployment import autoscaling_of
from edgeglm_operator.resources.http_addon import proxy_peer
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.selectors import ENGINE, cloud_selector, component, verification_selector
from edgeglm_operator.resources.vllm import PORT
from edgeglm_operator.settings import Settings


def make_network_policy(service: InferenceService, policy: NetworkPolicy, settings: Settings) -> Manifest:
    """All other ingress is closed, but for who verifies or wakes them; what the replicas reach is left open."""
    selector = cloud_selector(service)
    ingress: Manifest = {"ports": [{"port": PORT, "protocol": "TCP"}]}
    if policy.peers:
        verifier = {"podSelector": {"matchLabels": verification_selector(service)}}
        peers = (*policy.peers, *((proxy_peer(settings),) if _is_proxied(service) else ()))
        ingress["from"] = [*(_peer(peer) for peer in peers), verifier]
    return manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        service.metadata.namespace,
        service.metadata.name,
        labels=component(ENGINE) | selector,
        owner=owned_by(service),
        spec={"podSelector": {"matchLabels": selector}, "policyTypes": ["Ingress"], "ingress": [ingress]},
    )


def _is_proxied(service: InferenceService) -> bool:
    asked = autoscaling_of(service)
    return asked is not None and asked.scale_to_zero is not None and asked.scale_to_zero.activator == "HTTPAddon"


def _peer(peer: Peer) -> Manifest:
    if peer.cidr is not None:
        return {"ipBlock": {"cidr": peer.cidr}}
    selectors = {"namespaceSelector": peer.namespace_selector, "podSelector": peer.pod_selector}
    return {key: {"matchLabels": found} for key, found in selectors.items() if found}
