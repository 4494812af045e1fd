"""Where a graph asks: what its route says, as far as its data may go there."""

from collections.abc import Mapping
from typing import Final

from edgeglm_api.data_policy import of_words, to_cloud
from edgeglm_api.sensor_graph import Route, Spec

ORDERS: Final[Mapping[Route, tuple[str, ...]]] = {
    "PreferEdge": ("Edge", "Cloud"),
    "PreferCloud": ("Cloud", "Edge"),
    "EdgeOnly": ("Edge",),
    "CloudOnly": ("Cloud",),
    "Escalate": ("Edge", "Cloud"),
}
"""Where a route asks, first choice first."""


def stays_at_site(spec: Spec) -> bool:
    """Whether nothing of the graph may go to an engine outside the site."""
    return to_cloud(spec.reasoning.data_policy, spec.sources) == "Never"


def why_it_stays(spec: Spec) -> str:
    """In words, of a graph of which nothing may leave the site."""
    if spec.reasoning.data_policy is not None:
        return "spec.reasoning.dataPolicy.cloud is Never"
    words = of_words(spec.sources)
    named = f"source {words[0]} has" if len(words) == 1 else f"sources {', '.join(words)} have"
    return f"spec.reasoning.dataPolicy is absent, which means cloud: Never, as {named} words"


def kept_from_cloud(spec: Spec) -> str:
    """Tell a user who said nothing of it that the cloud of their route is not asked; empty where all is as they say."""
    if spec.reasoning.data_policy is not None or "Cloud" not in ORDERS[spec.reasoning.route] or not stays_at_site(spec):
        return ""
    return (
        f"nothing of it leaves the site, so the cloud is not asked: {why_it_stays(spec)}; say Pseudonymised or Allowed"
        f" there to have it asked, or Never or route: EdgeOnly if that is meant"
    )
