"""What the operator is told once, at its start, by flags and environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeglm_operator.max_unavailable import ONE, MaxUnavailable
from edgeglm_operator.shard import EVERYTHING, Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """How sites report, where there is a receiver."""

    url: str
    """The receiver's address, as sites reach it: `https://HOST[:PORT]`."""
    key: bytes = field(repr=False)
    """What tokens are made with."""
    epoch: int = 1
    """Which tokens are made."""
    ca: str = ""
    """Whom sites trust, in PEM; empty: the authorities of the agent's image."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Facts about this installation that go into what it makes."""

    engine_image: str = "vllm/vllm-openai:v0.32.0"
    """For an InferenceService that names none."""
    agent_image: str = "edgeglm/agent:0.1.0"
    agent_pull_secrets: tuple[str, ...] = ()
    """Secrets in the namespace of each site, with which its node pulls the agent's image."""
    agent_max_unavailable: MaxUnavailable = ONE
    """How many agents may be out of service while others are to get another pod, of all sites of this operator."""
    agents_follow_release: bool = False
    """Whether agents get the pods that this release makes, though nothing else is asked of them."""
    operator_image: str = "edgeglm/operator:0.1.0"
    """The operator's own: what verifies engines and brings models from a hub is in it."""
    verification_concurrency: int = 0
    """For an InferenceService that says none. 0 is off: only who installs the operator knows whether its image can be
    had in every namespace."""
    namespace: str = "edgeglm-system"
    """Where the operator itself lives: its Lease is there."""
    prometheus_url: str = ""
    """Where KEDA asks for the engines' metrics; without it, it cannot scale."""
    http_addon_namespace: str = "keda"
    """Where KEDA's HTTP Add-on runs."""
    pod_monitor_labels: Mapping[str, str] = field(default_factory=dict)
    """By which a Prometheus selects its PodMonitors."""
    watch_namespaces: tuple[str, ...] = ()
    """Empty means all."""
    shard: Shard = EVERYTHING
    """Which objects in them."""
    lease_name: str = "edgeglm-operator"
    """Of two operators with one Lease, one acts."""
    reporting: Reporting | None = None
    """None: sites do not report."""
