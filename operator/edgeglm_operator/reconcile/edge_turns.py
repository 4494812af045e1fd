"""What an InferenceService asks for at each site, and whose turn to change has not come."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from edgeglm_api.inference_service import InferenceService
from edgeglm_operator.observed import Deployment, Node
from edgeglm_operator.reconcile.intent import identity_of
from edgeglm_operator.reconcile.kept_template import as_before, is_other, keeping_template, template_of
from edgeglm_operator.reconcile.placement import Place, sites_of
from edgeglm_operator.reconcile.waves import Changing, Opening, settles_after_seconds, waiting
from edgeglm_operator.resources.downloaded_weights import fetched_by
from edgeglm_operator.resources.edge_deployment import asked_by, make_edge_deployment
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.settings import Settings
from edgeglm_operator.store import Name


@dataclass(frozen=True, slots=True)
class EdgeWish:
    """What is asked for at one site, and what there is."""

    place: Place
    made: Manifest
    live: Deployment | None
    is_dark: bool = field(kw_only=True)
    just_came: bool = field(kw_only=True)
    """Its node was out of sight a moment ago."""

    def changing(self) -> Changing:
        """What its turn depends on."""
        before = template_of(self.live) if self.live and is_other(self.made, self.live) else None
        # By another name, port or key its agent asks at once, as the bundle says.
        can_wait = before is not None and asked_by(before) == asked_by(self.made["spec"]["template"])
        # While its controller has not read the last change, its counts speak of before: whoever may go on serving does.
        serves = self.live is not None and (self.live.ready_replicas > 0 if can_wait else self.live.is_serving)
        fetches = before is not None and not fetched_by(self.made["spec"]["template"]) <= fetched_by(before)
        is_dark = self.is_dark or (can_wait and not serves and self.just_came)
        worked = self.live is not None and self.live.has_arrived
        return Changing(
            place=self.place, changes=can_wait, serves=serves, fetches=fetches, worked=worked, is_dark=is_dark
        )

    def intent(self, *, waits: bool) -> Manifest:
        """The Deployment to have now."""
        return as_before(self.made, self.live) if waits and self.live else keeping_template(self.made, self.live)


def edge_wishes(
    service: InferenceService,
    nodes: Iterable[Node],
    settings: Settings,
    live: Callable[[Name], Deployment | None],
    now: str,
) -> Iterator[EdgeWish]:
    """What is asked for at each site. `live` finds a Deployment as observed; `now` is RFC 3339."""
    nodes = tuple(nodes)
    for target in service.spec.edge:
        for node in sites_of(target.sites, nodes):
            made = make_edge_deployment(service, target, node.name, settings)
            yield EdgeWish(
                Place(target.name, node.name),
                made,
                live(identity_of(made)[1]),
                is_dark=not node.ready,
                just_came=settles_after_seconds(node, now) > 0,
            )


def edge_turns(service: InferenceService, wishes: Sequence[EdgeWish], now: str) -> dict[Place, Opening | None]:
    """Whose turn to change has not come, and the window that has to open first. What is suspended serves nobody."""
    found: dict[Place, Opening | None] = {}
    if service.spec.suspend:
        return found
    for target in service.spec.edge:
        sites = [wish.changing() for wish in wishes if wish.place.target == target.name]
        found |= waiting(sites, target, datetime.fromisoformat(now))
    return found
