"""`EdgeSite`: one edge node as one namespace sees it; `kubectl get edgesites` is the fleet at a glance."""

from typing import Literal

from edgeglm_api.conditions import Condition
from edgeglm_api.meta import Metadata
from edgeglm_api.model import Model
from edgeglm_api.report import Standing

OnFull = Literal["Reject", "DropOldest", "DropLowestPriority"]
Sync = Literal["Full", "Normal"]
Receive = Literal["Each", "Batches"]


class Spool(Model, frozen=True, kw_only=True):
    """The agent's durable store."""

    max_bytes: int = 1 << 30
    """What it may hold. A reserve of the disk stays free whatever this says."""
    max_age_seconds: int | None = None
    """How long anything may wait for an engine or a broker; what is older is dropped, and counted."""
    on_full: OnFull = "Reject"
    """Reject: stop acknowledging, so that the broker keeps what comes. DropOldest: drop what has waited longest.
    DropLowestPriority: the same, but questions of the least urgent graphs first.
    """
    sync: Sync = "Full"
    """Full: acknowledge what a power cut cannot take. Normal: it may take the last second."""


class Spec(Model, frozen=True, kw_only=True):
    """The operator owns `nodeName`; the rest is the user's."""

    node_name: str
    suspend: bool = False
    """The agent is stopped; its configuration and its store stay."""
    parameters: dict[str, str] = {}
    """What `${site.x}` in a SensorGraph stands for here."""
    spool: Spool = Spool()
    max_concurrency: int = 2
    """Requests to the model that may be in flight at once."""
    endpoint_hosts: tuple[str, ...] | None = None
    """The only hosts at which endpoints may be, `HOST` or `HOST:PORT`; None: anywhere."""
    receive: Receive | None = None
    """How messages are taken from brokers: one by one, or by the hundred; None: as the agent likes it."""


class BundleStatus(Model, frozen=True, kw_only=True):
    """The configuration that the site should hold."""

    generation: int = 0
    sha256: str = ""
    graphs: int = 0


class SiteReport(Standing, frozen=True, kw_only=True):
    """What the site said last."""

    received_at: str
    """RFC 3339, by the cloud's clock. What changes nothing that matters is written every five minutes."""
    clock_skew_seconds: int = 0
    """How far the site's clock is ahead of the cloud's; the way of the report counts as behind."""
    engines_serving: int = 0
    """How many of the engines answer and have their model."""


class Status(Model, frozen=True, kw_only=True):
    """What was observed. The operator writes all but `report`, which is the receiver's."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    bundle: BundleStatus | None = None
    report: SiteReport | None = None


class EdgeSite(Model, frozen=True, kw_only=True):
    """One EdgeSite as the API server stores it."""

    metadata: Metadata
    spec: Spec
    status: Status = Status()
