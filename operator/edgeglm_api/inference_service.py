"""`InferenceService`: serve this model in the cloud and at these sites, with vLLM."""

from typing import Any, Final, Literal

import msgspec

from edgeglm_api.conditions import Condition
from edgeglm_api.meta import Metadata
from edgeglm_api.model import Model
from edgeglm_api.selection import Sites
from edgeglm_api.time_window import TimeWindow


class SecretRef(Model, frozen=True, kw_only=True):
    """A Secret in the same namespace."""

    name: str


class SecretKeyRef(Model, frozen=True, kw_only=True):
    """One key of a Secret in the same namespace."""

    name: str
    key: str


class Shape(Model, frozen=True, kw_only=True):
    """The figures of a model's config.json that its need of memory follows from."""

    parameters: int
    """All of them, embeddings included."""
    expert_parameters: int | None = None
    """Those among them that belong to routed experts."""
    weights: int | str | None = None
    """What the files weigh, where parameters and quantisation do not tell."""
    layers: int
    hidden_size: int
    intermediate_size: int
    """Of a mixture of experts: of all the experts together that one token passes."""
    attention_heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    tied_embeddings: bool | None = None
    """Whether input and output share them."""
    context_length: int | None = None
    """The longest context, where `engine.maxModelLen` says none."""


MAX_SERVED_NAME: Final = 128
"""An older CRD may have let a longer one in."""
MAX_TARGET_NAME: Final = 32
"""Likewise."""
MAX_ADAPTER_NAME: Final = 40
"""Containers are called by it; what an older CRD let in may be longer."""


class Adapter(Model, frozen=True, kw_only=True):
    """A LoRA adapter of the model, which clients ask for by its own name."""

    name: str
    uri: str
    """Of the model's scheme: its endpoint and credentials are the model's."""


class ModelSource(Model, frozen=True, kw_only=True):
    """What is served, and where its weights come from."""

    uri: str
    """`hf://owner/name`, `ms://owner/name`, `s3://bucket/prefix`, `oci://registry/name:tag`, `pvc://claim/path` or
    `file:///path/on/the/node`.
    """
    revision: str | None = None
    name: str | None = None
    """The name clients ask for; absent, the object's own name."""
    aliases: tuple[str, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    credentials_secret_ref: SecretRef | None = None
    """What opens the source; which keys it has depends on the scheme. Only the downloader sees it."""
    endpoint: str | None = None
    """Another hub, or a mirror; the store of `s3://`; where a registry is that is not at its name."""
    proxy_url: str | None = msgspec.field(name="proxyURL", default=None)
    """An HTTP proxy on the way there."""
    shape: Shape | None = None
    """For the fit check, where the model is not one that it knows."""


class EdgeModelSource(Model, frozen=True, kw_only=True):
    """The model of an edge target where it differs from `spec.model`."""

    uri: str
    revision: str | None = None
    credentials_secret_ref: SecretRef | None = None
    endpoint: str | None = None
    proxy_url: str | None = msgspec.field(name="proxyURL", default=None)
    """Where none of these three is said, those of `spec.model` hold if its URI has the same scheme."""
    shape: Shape | None = None


class EnvVar(Model, frozen=True, kw_only=True):
    """A literal environment variable of the engine."""

    name: str
    value: str = ""


class Scheduling(Model, frozen=True, kw_only=True):
    """Which requests come first, and how many may wait."""

    policy: Literal["FCFS", "Priority"] | None = None
    max_queued_requests: int | None = None
    """Of those in flight, running ones included; further ones get status 503."""


class Parallelism(Model, frozen=True, kw_only=True):
    """How one replica spreads over its accelerators: tensor x pipeline x data of them."""

    tensor: int | None = None
    """Absent: what pipeline and data leave of the accelerators."""
    pipeline: int | None = None
    data: int | None = None
    expert: bool | None = None
    """Whether the experts of a layer are spread, where otherwise each expert is."""


class Engine(Model, frozen=True, kw_only=True):
    """vLLM's settings. Absent means the level above, and at the top vLLM's own default."""

    image: str | None = None
    image_pull_secrets: tuple[SecretRef, ...] = ()
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization_percent: int | None = None
    dtype: str | None = None
    quantization: str | None = None
    kv_cache_dtype: str | None = None
    prefix_caching: bool | None = None
    scheduling: Scheduling | None = None
    parallelism: Parallelism | None = None
    reasoning_parser: str | None = None
    tool_call_parser: str | None = None
    chat_template: str | None = None
    """Jinja text, or the path of a file in the image or beside the weights."""
    trust_remote_code: bool | None = None
    extra_args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()


class Auth(Model, frozen=True, kw_only=True):
    """Who may ask."""

    api_key_secret_ref: SecretKeyRef


class Timeouts(Model, frozen=True, kw_only=True):
    """Bounds on waiting, in seconds; the CRD fills the defaults."""

    startup_seconds: int = 1800
    progress_deadline_seconds: int = 3600
    request_seconds: int = 600
    """Of one request through a route."""
    drain_seconds: int = 60


DEFAULT_RESOURCE: Final = "nvidia.com/gpu"


class Accelerator(Model, frozen=True, kw_only=True):
    """What one replica takes of an extended resource."""

    resource: str | None = None
    """Absent: `nvidia.com/gpu`, unless a claim takes its place."""
    count: int = 1
    memory: int | str | None = None
    """Of each one; the fit check needs it."""

    @property
    def resource_name(self) -> str:
        """The extended resource."""
        return self.resource or DEFAULT_RESOURCE

    @property
    def in_words(self) -> str:
        """What a replica takes one or more of, for a sentence."""
        return self.resource_name


class CloudAccelerator(Accelerator, frozen=True, kw_only=True):
    """The same in the cluster proper, where the nodes that have it are to be found."""

    products: tuple[str, ...] = ()
    """Any of them will do; none means any."""
    claim_template_name: str | None = None
    """A ResourceClaimTemplate, in place of `resource`."""

    @property
    def in_words(self) -> str:
        """What a replica takes one or more of, for a sentence."""
        template = self.claim_template_name
        return self.resource_name if template is None else f"device for ResourceClaimTemplate {template}"


class Resources(Model, frozen=True, kw_only=True):
    """CPU and memory of one replica, as Kubernetes writes them."""

    requests: dict[str, int | str] = {}
    limits: dict[str, int | str] = {}


class Rollout(Model, frozen=True, kw_only=True):
    """How replicas are replaced when the spec changes."""

    strategy: Literal["Auto", "Surge", "InPlace", "Recreate"] = "Auto"
    surge_wait_seconds: int = 120
    """How long `Auto` waits for room for one replica more before it goes on without."""


class PodMetadata(Model, frozen=True, kw_only=True):
    """What pods carry besides the operator's own."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Peer(Model, frozen=True, kw_only=True):
    """Who may reach the replicas: pods by labels, or addresses."""

    namespace_selector: dict[str, str] = {}
    """Empty means the service's own namespace."""
    pod_selector: dict[str, str] = {}
    """Empty means all pods of these namespaces."""
    cidr: str | None = None


class NetworkPolicy(Model, frozen=True, kw_only=True):
    """Closes all but the serving port."""

    peers: tuple[Peer, ...] = msgspec.field(name="from", default=())
    """Empty means everybody."""


class ImageVolume(Model, frozen=True, kw_only=True):
    """The image with the weights, mounted as it is."""

    pull_policy: Literal["IfNotPresent", "Always"] = "IfNotPresent"


class Cache(Model, frozen=True, kw_only=True):
    """Where downloaded weights are kept; exactly one of these."""

    pvc: str | None = None
    """A claim."""
    host_path: str | None = None
    """A directory of the node; the namespace must be open to pods that reach their node."""
    size: int | str | None = None
    """So much of the node's own disk, for as long as the pod is there."""
    image_volume: ImageVolume | None = None
    """Among the images of the node, where its kubelet brings it; nothing else is downloaded."""


Activator = Literal["HTTPAddon", "External", "Knative"]


class ScaleToZero(Model, frozen=True, kw_only=True):
    """Lets replicas go to none: the engine's own figures cannot wake what does not run, so somebody else must."""

    activator: Activator
    """KEDA's HTTP Add-on, which holds requests meanwhile; Knative, which does so for what it makes itself; or
    somebody of the user's, who scales the Deployment.
    """


class Autoscaling(Model, frozen=True, kw_only=True):
    """Between which bounds the number of replicas follows the load, and what load one replica is to bear."""

    min_replicas: int = 1
    """While any runs."""
    max_replicas: int
    in_flight_per_replica: int | None = None
    """Requests, running and waiting. Absent means five eighths of what is computed at once (`maxNumSeqs`)."""
    kv_cache_utilization_percent: int = 80
    scale_down_delay_seconds: int = 600
    """How long the load must have been lower before a replica goes."""
    scale_to_zero: ScaleToZero | None = None
    """Absent means never fewer than `min_replicas`."""

    @property
    def activator(self) -> Activator | None:
        """Who is to bring replicas back from none; None where there is always one."""
        return None if self.scale_to_zero is None else self.scale_to_zero.activator


class Cloud(Model, frozen=True, kw_only=True):
    """The replicas in the cluster proper. What Kubernetes itself is the judge of stands as it is written."""

    deployment_mode: Literal["Standard", "Knative"] | None = None
    """What makes pods of it: a Deployment (or a LeaderWorkerSet), which absent means too; or a Service of Knative."""
    replicas: int | None = None
    """Absent means one; with autoscaling it must be absent."""
    autoscaling: Autoscaling | None = None
    accelerator: CloudAccelerator | None = None
    nodes_per_replica: int | None = None
    """One replica is a pod on each of so many nodes, with `accelerator` on each; absent means one."""
    rollout: Rollout = Rollout()
    disruption_budget: Literal["Auto", "None"] = "Auto"
    network_policy: NetworkPolicy | None = None
    cache: Cache | None = None
    resources: Resources | None = None
    node_selector: dict[str, str] = {}
    tolerations: tuple[dict[str, Any], ...] = ()
    affinity: dict[str, Any] = {}
    topology_spread_constraints: tuple[dict[str, Any], ...] = ()
    service_account_name: str | None = None
    scheduler_name: str | None = None
    priority_class_name: str | None = None
    runtime_class_name: str | None = None
    pod_metadata: PodMetadata = PodMetadata()
    volumes: tuple[dict[str, Any], ...] = ()
    volume_mounts: tuple[dict[str, Any], ...] = ()
    external_url: str | None = msgspec.field(name="externalURL", default=None)
    """How sites reach the cloud replicas."""
    ca_secret_ref: SecretRef | None = None
    """Whom sites trust there; the authorities of the agent's image when absent."""


class Download(Model, frozen=True, kw_only=True):
    """How weights may be downloaded to a site."""

    max_bytes_per_second: int | None = None
    """Absent means as fast as it comes."""
    window: TimeWindow | None = None
    """Outside it nothing is fetched, and what has begun pauses. Absent means at any time."""


class Update(Model, frozen=True, kw_only=True):
    """How a change of what runs there goes through the sites of a target."""

    max_concurrent_sites: int = 1
    """So many at a time: the next ones when those serve. What does not serve changes at once."""
    hold: bool = False
    """Nothing changes at sites that have something. New sites get what is asked for."""
    window: TimeWindow | None = None
    """Outside it no site that serves begins to change; one that has begun goes on. Absent means at any time."""


class EdgeTarget(Model, frozen=True, kw_only=True):
    """One replica on each of the selected edge nodes."""

    name: str
    sites: Sites
    accelerator: Accelerator | None = None
    resources: Resources | None = None
    engine: Engine = Engine()
    model: EdgeModelSource | None = None
    port: int = 8000
    """On the node's loopback address."""
    download: Download | None = None
    """Absent means at any time, and as fast as it comes."""
    update: Update | None = None
    """Absent means one site after the other."""


class Verification(Model, frozen=True, kw_only=True):
    """Whether replicas answer when many ask at once."""

    concurrency: int | None = None
    """Requests to each replica at the same moment; 0 is off, absent what the operator was installed with in the cloud,
    and off at sites.
    """


class ParentRef(Model, frozen=True, kw_only=True):
    """The Gateway that a route hangs on."""

    name: str
    namespace: str | None = None
    """Absent means the object's own."""
    section_name: str | None = None
    """The name of one of its listeners; absent means all that let the route in."""
    port: int | None = None


class HTTPRoute(Model, frozen=True, kw_only=True):
    """The way from Gateways to the cloud replicas."""

    parent_refs: tuple[ParentRef, ...]
    hostnames: tuple[str, ...] = ()
    """Empty means those of the Gateway's listeners."""
    model_header: str | None = None
    """Where the Gateway puts the model that a request names; absent means that requests for any model come here."""


class EndpointPicker(Model, frozen=True, kw_only=True):
    """The Service of what chooses a replica for each request; the user runs it."""

    name: str
    port: int = 9002
    failure_mode: Literal["FailClose", "FailOpen"] = "FailClose"
    """What the Gateway does with a request while the picker does not answer."""


class InferencePool(Model, frozen=True, kw_only=True):
    """The cloud replicas as a pool of the Gateway API's inference extension."""

    endpoint_picker: EndpointPicker


class Routing(Model, frozen=True, kw_only=True):
    """How the cloud replicas are reached from outside."""

    http_route: HTTPRoute | None = None
    inference_pool: InferencePool | None = None
    """Where the cluster has it, the route leads to the pool."""


class Monitoring(Model, frozen=True, kw_only=True):
    """Who reads the engine's metrics."""

    pod_monitor: bool = False
    """Whether a PodMonitor tells the Prometheus Operator of the cloud replicas."""


class Spec(Model, frozen=True, kw_only=True):
    """What the user asks for."""

    suspend: bool = False
    """No replica runs anywhere; all the rest stands as it is."""
    model: ModelSource
    preset: str | None = None
    """`NAME@VERSION`: engine settings below `engine`."""
    engine: Engine = Engine()
    auth: Auth | None = None
    timeouts: Timeouts = Timeouts()
    cloud: Cloud | None = None
    edge: tuple[EdgeTarget, ...] = ()
    verification: Verification | None = None
    routing: Routing | None = None
    monitoring: Monitoring | None = None


class CapacityPlan(Model, frozen=True, kw_only=True):
    """What the fit check reckoned for one replica, in whole numbers."""

    weights_gib: int = msgspec.field(name="weightsGiB", default=0)
    """Of one copy of the model, rounded up."""
    kv_cache_tokens: int = 0
    max_concurrency: int = 0
    """Requests of the longest length at once, rounded down."""


class CloudStatus(Model, frozen=True, kw_only=True):
    """What was observed of the cloud replicas."""

    replicas: int = 0
    selector: str = ""
    ready_replicas: int = 0
    updated_replicas: int = 0
    reason: str = ""
    message: str = ""
    plan: CapacityPlan | None = None


class SiteCounts(Model, frozen=True, kw_only=True):
    """How many of a target's sites are in which state; `disconnected` ones may well be serving."""

    desired: int = 0
    serving: int = 0
    disconnected: int = 0
    updating: int = 0
    failed: int = 0


class EdgeStatus(Model, frozen=True, kw_only=True):
    """What was observed of one edge target."""

    name: str
    sites: SiteCounts = SiteCounts()
    reason: str = ""
    message: str = ""
    plan: CapacityPlan | None = None


class EngineSetting(Model, frozen=True, kw_only=True):
    """One setting of the engine that holds."""

    name: str
    """The field; `env[NAME]`, `extraArgs[--flag]` and `imagePullSecrets[NAME]` for an item."""
    value: str
    """Long ones are cut."""
    origin: str = msgspec.field(name="from")
    """Where it was said: the path of a field, a preset, or the operator's settings."""


class EffectiveEngine(Model, frozen=True, kw_only=True):
    """The settings that hold at one place."""

    place: str
    """`spec.cloud` or `spec.edge[NAME]`."""
    settings: tuple[EngineSetting, ...] = ()


class Status(Model, frozen=True, kw_only=True):
    """What the operator observed; it alone writes this."""

    observed_generation: int = 0
    url: str = ""
    model_name: str = ""
    adapters: tuple[str, ...] = ()
    """The names of the adapters, which clients may ask for as well."""
    effective_engine: tuple[EffectiveEngine, ...] = ()
    conditions: tuple[Condition, ...] = ()
    cloud: CloudStatus | None = None
    edge: tuple[EdgeStatus, ...] = ()


class InferenceService(Model, frozen=True, kw_only=True):
    """One InferenceService as the API server stores it."""

    metadata: Metadata
    spec: Spec
    status: Status = Status()

    @property
    def served_name(self) -> str:
        """The name clients ask for."""
        return self.spec.model.name or self.metadata.name

    @property
    def model_names(self) -> tuple[str, ...]:
        """All that clients may ask for, `served_name` first: the model's names, and its adapters'."""
        model = self.spec.model
        names = (self.served_name, *model.aliases, *(adapter.name for adapter in model.adapters))
        return tuple(dict.fromkeys(names))
