"""Whose agent may get another pod now: a few at a time over all sites, the next ones when those are ready.

It is what `waves` is to the sites of a target, for a fleet: each site is looked at by itself, so that which agents are
not ready is kept here, as each look found it, instead of being found out anew from thousands of objects. What is kept
can be lost: a new process finds it in what it observed.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from edgeglm_operator.observed import Deployment, Node
from edgeglm_operator.reconcile.kept_template import as_before, is_other, keeping_template, template_of
from edgeglm_operator.reconcile.revision import revision_of, with_revision
from edgeglm_operator.reconcile.waves import settles_after_seconds
from edgeglm_operator.resources.agent_reach import reach_of
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.store import Name


@dataclass(slots=True)
class AgentTurns:
    """The agents that are not ready, and those that wait for their turn."""

    unready: set[Name] = field(default_factory=set)
    """Those with a turn among them, from the moment they have it. Those that are out of sight hold nobody up."""
    waiting: set[Name] = field(default_factory=set)
    is_filled: bool = False
    """Whether agents that no look has been at are in it."""

    def fill(self, unready: Iterable[Name]) -> None:
        """Take in what was observed before anybody has a turn."""
        self.unready.update(unready)
        self.is_filled = True

    def saw(self, site: Name, *, unready: bool) -> None:
        """How a look found an agent. Whether it still waits is for the same look to say."""
        self.waiting.discard(site)
        (self.unready.add if unready else self.unready.discard)(site)

    def take(self, site: Name, at_once: int) -> bool:
        """Its turn, if it has come; else it waits."""
        others = len(self.unready) - (site in self.unready)
        if others >= at_once:
            self.waiting.add(site)
            return False
        self.unready.add(site)
        return True

    def next_ones(self, at_once: int) -> list[Name]:
        """Whom to look at, since their turn may have come."""
        return heapq.nsmallest(at_once - len(self.unready), self.waiting) if self.waiting else []


@dataclass(frozen=True, slots=True)
class AgentWish:
    """The agent that is asked for at one site, and the one that there is."""

    made: Manifest
    live: Deployment | None
    node: Node
    changes: bool = field(kw_only=True)
    """Whether it is to have another template, and can do without for a while."""

    @property
    def runs(self) -> bool:
        """Whether there is something to lose. While its controller has not read the last change, that is in doubt."""
        return self.live is not None and self.live.ready_replicas > 0

    def is_dark(self, now: str) -> bool:
        """Whether nobody would see how it fares. A node that comes back is heard before its pods are."""
        return not self.node.ready or (not self.runs and settles_after_seconds(self.node, now) > 0)

    def intent(self, *, waits: bool) -> Manifest:
        """The Deployment to have now."""
        if waits and self.live:
            return as_before(self.made, self.live)
        return keeping_template(self.made, None if self.changes else self.live)


def agent_wish(made: Manifest, live: Deployment | None, node: Node, *, follows: bool) -> AgentWish:
    """As far as turns depend on it. Who follows gets what this release makes, though nothing else is asked of him."""
    return AgentWish(made, live, node, changes=live is not None and _changes(made, live, follows=follows))


def is_unready(live: Deployment | None, node: Node | None) -> bool:
    """Whether an agent that should run is not seen to, on a node that is heard."""
    return live is not None and node is not None and node.ready and live.replicas > 0 and not live.is_serving


def _changes(made: Manifest, live: Deployment, *, follows: bool) -> bool:
    is_asked_anew = is_other(made, live)
    if not made["spec"]["replicas"] or not (is_asked_anew or follows):
        return False
    before, wanted = template_of(live), made["spec"]["template"]
    if before is None:
        return False
    if is_asked_anew:
        return reach_of(before).will_do_for(reach_of(wanted))
    return revision_of(before) != revision_of(with_revision(wanted))
