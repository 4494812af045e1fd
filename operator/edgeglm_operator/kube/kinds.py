"""The kinds that the operator touches, and where the API server has them.

A static table: discovery of what is always there would be one more thing that can be stale, slow or forbidden. Which
of the optional kinds a cluster has is asked by `discovery.py`.
"""

from dataclasses import dataclass
from typing import Final

from edgeglm_api.group import API_VERSION, EDGE_SITE, INFERENCE_SERVICE, PLURALS, SENSOR_GRAPH


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind in one version. It is equal to itself alone: all there are stand below, and tables are found by them."""

    api_version: str
    name: str
    plural: str
    namespaced: bool = True
    purpose: str = ""
    """Tells apart what is read of one kind for several reasons."""

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version without its group."""
        return self.api_version.rpartition("/")[2]

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Where a collection, an object or its subresource is."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        parts = [root]
        if self.namespaced and namespace:
            parts.append(f"namespaces/{namespace}")
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


INFERENCE_SERVICES: Final = Kind(API_VERSION, INFERENCE_SERVICE, PLURALS[INFERENCE_SERVICE])
SENSOR_GRAPHS: Final = Kind(API_VERSION, SENSOR_GRAPH, PLURALS[SENSOR_GRAPH])
EDGE_SITES: Final = Kind(API_VERSION, EDGE_SITE, PLURALS[EDGE_SITE])
WISHES: Final = (INFERENCE_SERVICES, SENSOR_GRAPHS, EDGE_SITES)
"""Our own kinds; an operator may look after some of their objects."""
DEPLOYMENTS: Final = Kind("apps/v1", "Deployment", "deployments")
SERVICES: Final = Kind("v1", "Service", "services")
CONFIG_MAPS: Final = Kind("v1", "ConfigMap", "configmaps")
TOPOLOGIES: Final = Kind("v1", "ConfigMap", "configmaps", purpose="topology")
"""Those of users, by their label."""
SECRETS: Final = Kind("v1", "Secret", "secrets")
"""Made, and never read."""
JOBS: Final = Kind("batch/v1", "Job", "jobs")
DISRUPTION_BUDGETS: Final = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICIES: Final = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
PODS: Final = Kind("v1", "Pod", "pods")
NODES: Final = Kind("v1", "Node", "nodes", namespaced=False)
LEASES: Final = Kind("coordination.k8s.io/v1", "Lease", "leases")
EVENTS: Final = Kind("events.k8s.io/v1", "Event", "events")
CORE_EVENTS: Final = Kind("v1", "Event", "events")
"""The same objects under the name by which Kubernetes' own role `view` lets people read them."""

LEADER_WORKER_SETS: Final = Kind("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "leaderworkersets")
KNATIVE_SERVICES: Final = Kind("serving.knative.dev/v1", "Service", "services")
AUTOSCALERS: Final = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
SCALED_OBJECTS: Final = Kind("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
INTERCEPTOR_ROUTES: Final = Kind("http.keda.sh/v1beta1", "InterceptorRoute", "interceptorroutes")
"""Of KEDA's HTTP Add-on; it took the place of HTTPScaledObject in 0.14."""
POD_MONITORS: Final = Kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors")
HTTP_ROUTES: Final = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
INFERENCE_POOLS: Final = Kind("inference.networking.k8s.io/v1", "InferencePool", "inferencepools")
DEVICES: Final = Kind("devices.kubeedge.io/v1beta1", "Device", "devices")
"""KubeEdge's; read, where a graph asks for them, and never written."""
POD_METRICS: Final = Kind("custom.metrics.k8s.io/v1beta1", "MetricValueList", "")
"""An API of figures, not of objects; its resources are the metrics that there are at the moment."""

OPTIONAL_CHILD_KINDS: Final = (
    LEADER_WORKER_SETS,
    KNATIVE_SERVICES,
    AUTOSCALERS,
    SCALED_OBJECTS,
    INTERCEPTOR_ROUTES,
    POD_MONITORS,
    HTTP_ROUTES,
    INFERENCE_POOLS,
)
"""What it makes and prunes where the cluster has them."""
OPTIONAL_KINDS: Final = (*OPTIONAL_CHILD_KINDS, DEVICES, POD_METRICS)
"""What a cluster may have or not."""

_BY_NAME: Final = {
    (kind.api_version, kind.name): kind
    for kind in (
        INFERENCE_SERVICES,
        SENSOR_GRAPHS,
        EDGE_SITES,
        DEPLOYMENTS,
        SERVICES,
        CONFIG_MAPS,
        SECRETS,
        JOBS,
        DISRUPTION_BUDGETS,
        NETWORK_POLICIES,
        PODS,
        NODES,
        LEASES,
        EVENTS,
        CORE_EVENTS,
        DEVICES,
        *OPTIONAL_CHILD_KINDS,
    )
}


def kind_of(api_version: str, name: str) -> Kind:
    """The kind of a manifest's `apiVersion` and `kind`."""
    return _BY_NAME[api_version, name]
