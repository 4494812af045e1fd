"""A wish that cannot be followed, as a value: the pure functions return it, and the status shows it."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a wish is refused. Stable words: people and alerts look for them."""

    INVALID_SPEC = "InvalidSpec"
    INVALID_MODEL = "InvalidModel"
    RESERVED_FLAG = "ReservedFlag"
    RESERVED_VARIABLE = "ReservedVariable"
    UNKNOWN_PRESET = "UnknownPreset"
    INVALID_PARALLELISM = "InvalidParallelism"
    IMAGES_NOT_MOUNTED = "ImagesNotMounted"
    CLAIMS_NOT_SERVED = "ClaimsNotServed"
    HOST_PORT_CONFLICT = "HostPortConflict"
    UNRESOLVED_PARAMETER = "UnresolvedParameter"
    INVALID_BROKER = "InvalidBroker"
    BROKER_CONFLICT = "BrokerConflict"
    INVALID_TOPIC = "InvalidTopic"
    INVALID_DERIVED = "InvalidDerived"
    TOPOLOGY_NOT_FOUND = "TopologyNotFound"
    INVALID_TOPOLOGY = "InvalidTopology"
    DEVICES_NOT_READABLE = "DevicesNotReadable"
    TOO_MANY_TOPOLOGIES = "TooManyTopologies"
    TOPIC_OVERLAP = "TopicOverlap"
    SERVICE_NOT_FOUND = "InferenceServiceNotFound"
    ADAPTER_NOT_FOUND = "AdapterNotFound"
    NO_ENDPOINT = "NoEndpoint"
    DATA_STAYS = "DataStaysAtSite"
    ENDPOINT_NOT_PINNED = "EndpointNotPinned"
    LEADER_WORKER_SET_MISSING = "LeaderWorkerSetMissing"
    KNATIVE_MISSING = "KnativeMissing"
    NO_AUTOSCALER = "NoAutoscaler"
    PROMETHEUS_NOT_CONFIGURED = "PrometheusNotConfigured"
    HTTP_ADDON_MISSING = "HTTPAddonMissing"
    PROMETHEUS_OPERATOR_MISSING = "PrometheusOperatorMissing"
    GATEWAY_API_MISSING = "GatewayAPIMissing"
    INFERENCE_EXTENSION_MISSING = "InferenceExtensionMissing"
    OTHER_SHARD = "OtherShard"
    BUNDLE_TOO_LARGE = "BundleTooLarge"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why, and what to do."""

    reason: str
    message: str
    """Where, what, what to do; a full sentence."""
