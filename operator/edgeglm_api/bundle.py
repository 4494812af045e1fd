"""The bundle: the compiled configuration of one site, on its way from the operator to the agent.

Canonical JSON: UTF-8, keys in order, no blanks, defaults left out. So equal bundles are equal bytes, and a reader that
writes back something other than it read has met a field that it does not know.

In a directory (a mounted ConfigMap, or a plain folder) it lies as two files: `bundle.json` and `sha256`, the digest in
hex. A third, `ed25519`, may hold signatures over the bytes of `bundle.json`, one a line in base64; `openssl pkeyutl
-sign -rawin` makes the same. A digest shows an accident, a signature shows who.
"""

import hashlib
from typing import Final, Literal

import msgspec

from edgeglm_api.edge_site import OnFull, Sync
from edgeglm_api.model import InvalidObject, Model
from edgeglm_api.sensor_graph import (
    AfterFresh,
    DataPolicy,
    Derived,
    Findings,
    GraphCaps,
    Output,
    Priority,
    Question,
    Route,
    Source,
    Topology,
    Window,
)

API_VERSION: Final = "agent.edgeglm.io/v1"
BUNDLE_FILE: Final = "bundle.json"
DIGEST_FILE: Final = "sha256"
SIGNATURE_FILE: Final = "ed25519"
MAX_SIGNATURES: Final = 8
"""Enough to sign with an old key and a new one while sites change over."""
MAX_BYTES: Final = 128 * 1024
"""A ConfigMap holds 1 MiB; KubeEdge carries a site's objects one by one, so small ones keep the line free."""


Place = Literal["Edge", "Cloud"]
"""At the site, or anywhere else."""


class Endpoint(Model, frozen=True, kw_only=True):
    """A server that answers chat completions."""

    name: str
    url: str
    """With its version: `http://127.0.0.1:8000/v1`."""
    model: str
    place: Place
    key_file: str | None = None
    """The file at the site that holds its API key."""
    ca_file: str | None = None
    """The file at the site that says whom to trust there; the system's authorities when absent."""
    scheduling: Literal["FCFS", "Priority"] = "FCFS"
    """Whether its engine heeds the priority of a request; one that does not may decline a request that has one."""
    metered: bool = False
    """Whether each request costs, so that one about a window is sent twice at most."""
    verify_at_once: int = 0
    """How many requests at the same moment show that it answers them all, after each of its starts; 0: none."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class Broker(Model, frozen=True, kw_only=True):
    """The MQTT broker of a graph. All graphs with its url share one session, so they say the same of it."""

    url: str
    ca_file: str | None = None
    """The file at the site that says whom to trust; the system's authorities when absent."""
    credentials: str | None = None
    """The directory at the site with `username` and `password`, `tls.crt` and `tls.key`, as far as they are there."""
    session_expiry_seconds: int = 86400

    def same_credentials(self, other: "Broker") -> bool:
        """Whether both are reached in the same way."""
        return (self.ca_file, self.credentials) == (other.ca_file, other.credentials)


class Commands(Model, frozen=True, kw_only=True):
    """Where signed commands come in, and the file at the site that holds the key."""

    topic: str
    key_file: str


class Reasoning(Model, frozen=True, kw_only=True):
    """Who may be asked, in the order to try, and with what patience."""

    route: Route
    endpoints: tuple[str, ...]
    """Names of the bundle's endpoints, first choice first."""
    attempt_timeout_seconds: int
    fresh_for_seconds: int
    max_tokens: int
    priority: Priority = "Normal"
    after_fresh: AfterFresh = "Skip"
    data_policy: DataPolicy | None = None
    """As the user says it; what it is where they say nothing follows from the sources (`data_policy.to_cloud`)."""
    adapter: str | None = None
    """What the endpoints are asked for in place of their model. Each is one engine, however many graphs ask it."""


class Graph(Model, frozen=True, kw_only=True):
    """One SensorGraph, compiled for one site: parameters filled in, endpoints resolved."""

    name: str
    uid: str
    broker: Broker
    sources: tuple[Source, ...]
    topology: Topology = Topology()
    derived: tuple[Derived, ...] = ()
    window: Window
    graph: GraphCaps = GraphCaps()
    question: Question = Question()
    reasoning: Reasoning
    findings: Findings = Findings()
    commands: Commands | None = None
    output: Output


class Limits(Model, frozen=True, kw_only=True):
    """What the site as a whole may use."""

    spool_max_bytes: int
    max_concurrency: int
    spool_max_age_seconds: int | None = None
    spool_on_full: OnFull = "Reject"
    spool_sync: Sync = "Full"


class Bundle(Model, frozen=True, kw_only=True):
    """All that one agent needs to know."""

    api_version: str
    namespace: str
    site: str
    site_uid: str = msgspec.field(name="siteUID")
    generation: int
    graphs: tuple[Graph, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    limits: Limits


def encode(bundle: Bundle) -> bytes:
    """The canonical JSON of a bundle."""
    return canonical(bundle)


def decode(raw: bytes) -> Bundle:
    """Read canonical JSON back.

    Raises InvalidObject when it is no JSON, does not fit, is of another version, or has a field this reader does not
    know.
    """
    try:
        bundle = msgspec.json.decode(raw, type=Bundle)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at ")
        raise InvalidObject(message, path.strip("`").removeprefix("$.")) from error
    except msgspec.DecodeError as error:
        raise InvalidObject(f"is not JSON: {error}", BUNDLE_FILE) from error
    if bundle.api_version != API_VERSION:
        raise InvalidObject(f"is {bundle.api_version!r}; this agent reads {API_VERSION!r}", "apiVersion")
    if encode(bundle) != raw:
        raise InvalidObject("is not in canonical form, or has fields that this agent does not know", BUNDLE_FILE)
    return bundle


def digest(bundle: Bundle) -> str:
    """The sha256 of the content: everything but the generation, which counts the contents."""
    return hashlib.sha256(canonical(msgspec.structs.replace(bundle, generation=0))).hexdigest()


def canonical(value: object) -> bytes:
    """The one way to write a value as JSON: a digest over it means the same everywhere."""
    return msgspec.json.encode(value, order="deterministic")
