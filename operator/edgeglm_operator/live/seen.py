"""What a look at the cluster found around one object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.observed import Deployment, Node, Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A warning that somebody gave about an object."""

    about: str
    """The uid of that object."""
    reason: str
    message: str
    count: int = 1
    last: str = ""
    """RFC 3339."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One object and all around it, as of now."""

    subject: InferenceService | SensorGraph | EdgeSite
    deployments: tuple[Deployment, ...] | None = ()
    """None when they may not be read."""
    pods: tuple[Pod, ...] = ()
    events: tuple[Event, ...] = ()
    sites: tuple[EdgeSite, ...] = ()
    """Those of the namespace."""
    nodes: tuple[Node, ...] | None = None
    """None when they may not be read."""
    notes: tuple[str, ...] = ()
    """What could not be seen, and so is not told."""


def event_from(raw: Mapping[str, Any]) -> Event:
    """Project a v1 Event."""
    series = raw.get("series") or {}
    return Event(
        about=(raw.get("involvedObject") or {}).get("uid") or "",
        reason=raw.get("reason") or "",
        message=raw.get("message") or "",
        count=series.get("count") or raw.get("count") or 1,
        last=series.get("lastObservedTime") or raw.get("lastTimestamp") or raw.get("eventTime") or "",
    )
