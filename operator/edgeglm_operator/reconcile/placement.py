"""Which nodes are meant, and who may have a port on one of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from edgeglm_api.inference_service import InferenceService
from edgeglm_api.selection import Sites, selects
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.refused import Reason, Refused


@dataclass(frozen=True, slots=True)
class Place:
    """One replica at the edge: which target, on which node."""

    target: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who wants a port of a node."""

    namespace: str
    service: str
    place: Place
    port: int


def sites_of(sites: Sites, nodes: Iterable[Node]) -> tuple[Node, ...]:
    """The edge nodes that are selected, by name."""
    chosen = (node for node in nodes if selects(sites, node=node.name, node_labels=node.labels))
    return tuple(sorted(chosen, key=lambda node: node.name))


def port_conflicts(
    service: InferenceService, others: Iterable[InferenceService], nodes: Iterable[Node]
) -> dict[Place, Claim]:
    """Where a service cannot have its port, and who has it: an older service, or an earlier target of its own.

    Engines and agents of all namespaces share a node's network. The older service keeps a port, by time of creation and
    then by UID, so that every replica of the operator says the same; the younger one is blocked on that node only. What
    is being deleted claims nothing.
    """
    nodes = tuple(nodes)
    rivals = [other for other in others if other.metadata.uid != service.metadata.uid and not _is_going(other)]
    taken: dict[tuple[str, int], Claim] = {}
    for older in sorted((other for other in rivals if _age(other) < _age(service)), key=_age):
        for claim in _claims(older, nodes):
            taken.setdefault((claim.place.node, claim.port), claim)
    conflicts = {}
    for claim in _claims(service, nodes):
        holder = taken.setdefault((claim.place.node, claim.port), claim)
        if holder is not claim:
            conflicts[claim.place] = holder
    return conflicts


def refusal(place: Place, holder: Claim) -> Refused:
    """What to say of a port that somebody else has."""
    other = f"{holder.namespace}/{holder.service} (spec.edge[{holder.place.target}])"
    return Refused(
        Reason.HOST_PORT_CONFLICT,
        f"spec.edge[{place.target}].port: {holder.port} is taken on node {place.node} by {other};"
        f" choose another port or another node",
    )


def _claims(service: InferenceService, nodes: tuple[Node, ...]) -> Iterable[Claim]:
    for target in service.spec.edge:
        for node in sites_of(target.sites, nodes):
            yield Claim(
                namespace=service.metadata.namespace,
                service=service.metadata.name,
                place=Place(target.name, node.name),
                port=target.port,
            )


def _age(service: InferenceService) -> tuple[str, str]:
    return service.metadata.creation_timestamp, service.metadata.uid


def _is_going(service: InferenceService) -> bool:
    return service.metadata.deletion_timestamp is not None
