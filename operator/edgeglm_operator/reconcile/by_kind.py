"""Which reconciler a key goes to."""

from edgeglm_operator.kube.kinds import EDGE_SITES, INFERENCE_SERVICES, SENSOR_GRAPHS, Kind
from edgeglm_operator.reconcile.controller import Reconciler
from edgeglm_operator.reconcile.edge_site import EdgeSiteReconciler
from edgeglm_operator.reconcile.fleet import FleetReconciler
from edgeglm_operator.reconcile.inference_service import InferenceServiceReconciler
from edgeglm_operator.reconcile.sensor_graph import SensorGraphReconciler
from edgeglm_operator.reconcile.triggers import FLEET
from edgeglm_operator.reconcile.unreadable import Readable
from edgeglm_operator.reconcile.world import World


def reconcilers(world: World) -> dict[str, Reconciler]:
    """All of them, by the kind of a key."""
    of_objects: dict[Kind, Reconciler] = {
        INFERENCE_SERVICES: InferenceServiceReconciler(world),
        SENSOR_GRAPHS: SensorGraphReconciler(world),
        EDGE_SITES: EdgeSiteReconciler(world),
    }
    readable = {kind.name: Readable(world, kind, then) for kind, then in of_objects.items()}
    return {**readable, FLEET: FleetReconciler(world)}
