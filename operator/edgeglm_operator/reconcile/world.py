"""What a reconcile can reach: the API server, what was observed of it, and the clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgeglm_operator.feed import Feed
from edgeglm_operator.kube.client import KubeClient
from edgeglm_operator.obs.metrics import Metrics
from edgeglm_operator.reconcile.agent_turns import AgentTurns
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.resync import Lister
from edgeglm_operator.settings import Settings
from edgeglm_operator.store import Name, Store
from edgeglm_operator.workqueue import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class AtSite:
    """What keeps a site from having all that it should."""

    refusals: Mapping[str, Refused] = field(default_factory=dict)
    """The graphs that are not in its bundle, by name."""
    blocked: Refused | None = None
    """Why its children are not as they should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One for all reconcilers of a process."""

    client: KubeClient
    store: Store
    feed: Feed
    lister: Lister
    enqueue: Callable[[Key], None]
    settings: Settings
    metrics: Metrics
    now: Callable[[], str]
    """RFC 3339, UTC, whole seconds."""
    instance: str
    """Which replica this is; events say it."""
    at_sites: dict[Name, AtSite] = field(default_factory=dict)
    """What the last reconcile of each EdgeSite found; the graphs tell it too."""
    agent_turns: AgentTurns = field(default_factory=AgentTurns)
    tokens_made: set[Name] = field(default_factory=set)
    """The Secrets of sites that this process has seen to; it cannot look whether they are there."""
