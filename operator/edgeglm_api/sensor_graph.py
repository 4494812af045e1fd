"""`SensorGraph`: reason over these sensors, at these sites, and publish the checked answers."""

from typing import Literal

from edgeglm_api.conditions import Condition
from edgeglm_api.inference_service import SecretKeyRef, SecretRef
from edgeglm_api.meta import Metadata
from edgeglm_api.model import Model
from edgeglm_api.selection import Sites


class Broker(Model, frozen=True, kw_only=True):
    """The MQTT broker of a site."""

    url: str
    """`mqtt://host:port` or `mqtts://host:port`; `${site.x}` stands for a parameter of the EdgeSite."""
    ca_secret_ref: SecretRef | None = None
    """Its key `ca.crt` says whom to trust; the system's authorities when absent."""
    secret_ref: SecretRef | None = None
    """Its keys `username` and `password`, `tls.crt` and `tls.key` say who we are, as far as they are there."""
    session_expiry_seconds: int = 86400


class EntityRef(Model, frozen=True, kw_only=True):
    """How an entity is named: type, and an id made of what a message says, in braces."""

    type: str
    id: str
    """`{line}` is a capture of the topic or a record's name, `{$.a}` in the payload, `{@.a}` in forEach's item."""
    aliases: dict[str, str] = {}
    """Other names: what a device calls itself, to the id that is meant."""


class Limits(Model, frozen=True, kw_only=True):
    """Alarm limits of a measurement, in its unit. `low` and `high` warn, `lowLow` and `highHigh` alarm."""

    low_low: float | None = None
    low: float | None = None
    high: float | None = None
    high_high: float | None = None
    rate: float | None = None
    """How much it may change a second, up or down, over a window as a whole."""
    hysteresis: float | None = None
    """By how much a value has to be back within a limit for its breach to end. Absent: back is back."""


class Quality(Model, frozen=True, kw_only=True):
    """What a payload says of a value's worth. Values that are not said to be good are refused."""

    path: str
    good: tuple[str, ...]
    """The words for good: `GOOD`, `true`, `192`."""


class Measurement(Model, frozen=True, kw_only=True):
    """One number in a payload; of a State or an Event, one word."""

    property: str
    path: str | None = None
    """JSON: `$.a.b[0]`, where the number stands in the payload; `@.a` in the item of `forEach`.
    SensorThings: `$.result` when absent.
    """
    name: str | None = None
    """SenML and SparkplugB: the name of the record or metric, with captures: `urn:dev:mac:{mac}:temperature`.
    SensorThings: the Datastream's id; all Datastreams when absent.
    """
    type: Literal["Number", "Boolean", "Counter", "Enum"] = "Number"
    """A Boolean counts as 0 or 1, a Counter by its rate per second; an Enum is a word."""
    unit: str = ""
    map: dict[str, str] = {}
    """What the payload says, to the value that is meant; what is not in it is refused."""
    quality: Quality | None = None
    min: float | None = None
    """Below it a reading is refused as implausible."""
    max: float | None = None
    limits: Limits = Limits()
    operating_state: bool = False
    """Of a State: what is usual for its entity is kept apart for each of its words."""


class FreeText(Model, frozen=True, kw_only=True):
    """A field of the payload in which people or devices write freely. It is shown to the model as data, and bounded."""

    property: str
    path: str
    max_chars: int = 200
    """Of one text; a longer one is cut."""


class Timestamp(Model, frozen=True, kw_only=True):
    """Where a payload says when it was measured."""

    path: str
    format: Literal["Seconds", "Milliseconds", "Nanoseconds", "ISO8601"] = "Seconds"


Op = Literal["Replace", "Add", "Remove"]


class OpFrom(Model, frozen=True, kw_only=True):
    """Where a payload says whether a relation begins or ends."""

    path: str
    map: dict[str, Op]
    """What the payload says, to what is meant; what is not in it is refused."""


class SourceRelation(Model, frozen=True, kw_only=True):
    """An edge from the source's entity to another."""

    type: str
    to: EntityRef
    op: Op | None = None
    """Of a source of kind Relation: the edge begins (Add), begins and ends all others of its type (Replace; when
    absent), or ends (Remove).
    """
    op_from: OpFrom | None = None
    ttl_seconds: int | None = None
    """How long it holds unless it is said again. Absent: until it is said to end."""


class SourceLimits(Model, frozen=True, kw_only=True):
    """How much one source may bring; what is beyond is counted and left out."""

    readings_per_second: int | None = None
    """By the time of arrival. Absent: as many as come."""
    entities: int = 4096
    """Heard at the same time."""
    events_per_node: int = 8
    """Of an Event: how many of the last are told of each entity and property in a window; all are counted."""


Kind = Literal["Telemetry", "State", "Event", "Relation"]
"""Numbers as they are measured, words that hold until another is said, happenings, or relations that come and go."""


class Source(Model, frozen=True, kw_only=True):
    """Messages of one topic filter, and how to read them."""

    name: str
    topic: str
    """A topic with captures: `plant/{line}/{machine}/vibration`. Each capture is one level."""
    kind: Kind = "Telemetry"
    format: Literal["JSON", "SenML", "SensorThings", "SparkplugB"] = "JSON"
    for_each: str | None = None
    """`$.items[*]`: the items of a batch, each of which says something of its own."""
    entity: EntityRef
    measurements: tuple[Measurement, ...] = ()
    """A Relation has none."""
    text: tuple[FreeText, ...] = ()
    """JSON: what else may be shown to the model. Absent: free text stays out of questions."""
    timestamp: Timestamp | None = None
    """Absent: the time of arrival."""
    relations: tuple[SourceRelation, ...] = ()
    expect_every_seconds: int | None = None
    """An entity that is not heard for longer is silent. Absent: nobody is missed."""
    limits: SourceLimits = SourceLimits()


class Derived(Model, frozen=True, kw_only=True):
    """A property that each entity has in a window in which it has those that it is made of."""

    property: str
    expr: str
    """Arithmetic over the means of other properties, of the entity and its neighbours: `flow - sum(feeds.flow)`."""
    unit: str = ""
    limits: Limits = Limits()


class TopologyNode(Model, frozen=True, kw_only=True):
    """An entity that is in the graph whether it is heard or not."""

    id: str
    type: str
    label: str = ""


class TopologyEdge(Model, frozen=True, kw_only=True):
    """A relation that always holds."""

    source: str
    target: str
    type: str


class Topology(Model, frozen=True, kw_only=True):
    """The entities and relations known beforehand."""

    nodes: tuple[TopologyNode, ...] = ()
    edges: tuple[TopologyEdge, ...] = ()


class ConfigMapKeyRef(Model, frozen=True, kw_only=True):
    """One key of a ConfigMap in the same namespace."""

    name: str
    key: str


class Labelled(Model, frozen=True, kw_only=True):
    """An entity that a label of a Device names."""

    type: str
    """Of an entity that is neither a Device of the site nor among the topology's nodes."""
    id_from_label: str


class DeviceRelation(Model, frozen=True, kw_only=True):
    """An edge from each Device that has a label, to the entity that the label names."""

    type: str
    to: Labelled


class Devices(Model, frozen=True, kw_only=True):
    """KubeEdge's Devices as entities: at each site those of its node, in the graph's namespace."""

    selector: dict[str, str] = {}
    """Labels that they have. Empty: all."""
    id_from_label: str | None = None
    """The label with the entity's id. Absent, or not on a Device: the Device's name."""
    types: dict[str, str] = {}
    """Entity types by DeviceModel. Of one that is not in it: its name, with `_` for what is no letter or digit."""
    relations: tuple[DeviceRelation, ...] = ()


class GivenTopology(Topology, frozen=True, kw_only=True):
    """The topology as the user gives it: here, in a ConfigMap with the label `edgeglm.io/topology`, or by Devices."""

    config_map_ref: ConfigMapKeyRef | None = None
    devices: Devices | None = None
    """Beside the nodes and edges that stand here."""


class PartitionBy(Model, frozen=True, kw_only=True):
    """One window per entity of this type: an entity belongs to the partition that it is related to."""

    entity_type: str


class Window(Model, frozen=True, kw_only=True):
    """How readings are cut into windows, by event time."""

    type: Literal["Tumbling", "Sliding", "Session"] = "Tumbling"
    size_seconds: int
    """Of a Session: the longest that it may be."""
    slide_seconds: int | None = None
    """Of a Sliding window: how far the next begins after it. `size_seconds` is a multiple of it."""
    gap_seconds: int | None = None
    """Of a Session: it ends with a slice of this length in which nothing was heard. `size_seconds` is a multiple."""
    partition_by: PartitionBy | None = None
    """Absent: one partition for the whole graph."""
    allowed_lateness_seconds: int = 5
    idle_timeout_seconds: int = 30
    max_skew_seconds: int = 60
    late: Literal["Drop", "Backfill", "Revise"] = "Drop"
    """What becomes of readings of closed windows. Drop: they are left out. Backfill: no answer changes, but they count
    in what is usual, in states and relations, and in sliding windows to come. Revise: their windows are made anew.
    """
    late_within_seconds: int | None = None
    """How long after its end a window is open to late readings. Backfill and Revise have it, and Drop has not."""


class GraphCaps(Model, frozen=True, kw_only=True):
    """The most that one question may hold; what is left out is reported."""

    max_nodes: int = 30
    max_edges: int = 60
    hops: int | None = None
    """How many relations away from what is wrong. Absent: as far as the caps allow."""


class When(Model, frozen=True, kw_only=True):
    """When the model is asked. Windows in which no detector fires are answered by code."""

    detectors: tuple[Literal["Limit", "ZScore", "StateChange", "Silence", "Rate", "Trend"], ...] = ()
    heartbeat_seconds: int | None = None
    """At least this often a quiet graph says so, in one `Normal` answer by code."""


Task = Literal["Anomaly", "RootCause", "LinkCompletion", "Classification", "Explanation", "Custom"]


class RelationType(Model, frozen=True, kw_only=True):
    """A relation that LinkCompletion may add, and between which types of entities."""

    type: str
    source: str = ""
    """Empty: from any type."""
    target: str = ""
    """Empty: to any type."""


class Question(Model, frozen=True, kw_only=True):
    """What the model is asked."""

    task: Task = "Anomaly"
    when: When | None = None
    """Absent: every window asks."""
    instructions: str = ""
    labels: tuple[str, ...] = ()
    """What Classification, and Custom where there are any, choose from."""
    relation_types: tuple[RelationType, ...] = ()


class ServiceRef(Model, frozen=True, kw_only=True):
    """An InferenceService in the same namespace."""

    name: str
    adapter: str | None = None
    """The LoRA adapter to ask, one of `spec.model.adapters` there. Absent: the model itself."""


class EndpointLimits(Model, frozen=True, kw_only=True):
    """What a server allows one site in a minute."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Of questions and answers."""


class GivenEndpoint(Model, frozen=True, kw_only=True):
    """Any OpenAI-compatible server."""

    url: str
    """With its version: `https://host/v1`."""
    model: str
    metered: bool = False
    """Whether each request costs: one about a window is then sent twice at most, a repair or a retry included."""
    secret_ref: SecretKeyRef | None = None
    """The API key; none is sent when absent."""
    ca_secret_ref: SecretRef | None = None
    """Its key `ca.crt` says whom to trust; the system's authorities when absent."""
    limits: EndpointLimits | None = None


Route = Literal["PreferEdge", "PreferCloud", "EdgeOnly", "CloudOnly", "Escalate"]
"""Escalate: the cloud where the site's engine is away, or its answer invalid, unsure, or at odds with the detectors."""
Priority = Literal["High", "Normal", "Low"]
AfterFresh = Literal["Skip", "Summarise", "AnswerAll"]
ToCloud = Literal["Never", "Pseudonymised", "Allowed"]
"""What may go to an engine outside the site: nothing, what is left when names and free text are taken out, or all."""


class DataPolicy(Model, frozen=True, kw_only=True):
    """What may leave the site."""

    cloud: ToCloud


class Reasoning(Model, frozen=True, kw_only=True):
    """Who is asked, and with what patience. Exactly one of `serviceRef` and `endpoint` is set."""

    service_ref: ServiceRef | None = None
    endpoint: GivenEndpoint | None = None
    route: Route = "PreferEdge"
    priority: Priority = "Normal"
    """Whose windows are asked about first when the model cannot keep up."""
    attempt_timeout_seconds: int = 20
    fresh_for_seconds: int = 30
    """For this long a window is asked about in its turn."""
    after_fresh: AfterFresh = "Skip"
    """What becomes of it then. Skip: it is answered `Expired`. Summarise: those of a partition that wait are asked
    about as one. AnswerAll: each is asked about. What is late has three turns in ten at most while others wait.
    """
    max_tokens: int = 512
    data_policy: DataPolicy | None = None
    """Absent: Never where a source is a State or an Event or has free text, which may say anything; else Allowed."""


class CommandSource(Model, frozen=True, kw_only=True):
    """Where people say what they know of findings, over MQTT; each message is signed with a key."""

    topic: str
    """`{graph}` is filled in."""
    key_secret_ref: SecretKeyRef


class Findings(Model, frozen=True, kw_only=True):
    """How often findings are told, and when they are over."""

    remind_every_seconds: int = 3600
    """While a finding goes on and gets no worse, an answer is published for it this often."""
    clear_after_windows: int = 3
    """It is over after this many windows without it."""
    commands: CommandSource | None = None
    """Absent: at the site only, by `edgeglm-agent findings`."""


class Output(Model, frozen=True, kw_only=True):
    """Where answers are published."""

    topic: str
    """`{graph}` and `{partition}` are filled in."""
    qos: Literal[0, 1] = 1
    retain: bool = False


class Spec(Model, frozen=True, kw_only=True):
    """What the user asks for."""

    suspend: bool = False
    """No site runs it; agents stay and finish what they have begun."""
    mode: Literal["Active", "Shadow"] = "Active"
    """Shadow: it is tried beside others. What it says goes to `shadow/` and its topic, and it asks after all others."""
    sites: Sites
    broker: Broker
    sources: tuple[Source, ...]
    topology: GivenTopology = GivenTopology()
    derived: tuple[Derived, ...] = ()
    window: Window
    graph: GraphCaps = GraphCaps()
    question: Question = Question()
    reasoning: Reasoning
    findings: Findings = Findings()
    output: Output


class SiteCounts(Model, frozen=True, kw_only=True):
    """How many sites hold the graph's current rules, and how many cannot be seen."""

    desired: int = 0
    ready: int = 0
    rejected: int = 0
    disconnected: int = 0
    in_sync: int | None = None
    """By what sites say themselves; None where they do not report."""
    stale: int | None = None


class Status(Model, frozen=True, kw_only=True):
    """What the operator observed; it alone writes this."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    sites: SiteCounts = SiteCounts()


class SensorGraph(Model, frozen=True, kw_only=True):
    """One SensorGraph as the API server stores it."""

    metadata: Metadata
    spec: Spec
    status: Status = Status()
