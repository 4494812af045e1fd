"""A change of what runs at the edge goes through the sites a few at a time: the next ones when those serve.

A fault in a spec then stops at the first sites. Where nothing serves there is nothing to lose, so a correction reaches
what a fault has stopped at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edgeglm_api.inference_service import EdgeTarget, Update
from edgeglm_api.time_window import opens_at
from edgeglm_operator.moment import seconds_between
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.placement import Place

RETURN_PATIENCE_SECONDS: Final = 60
"""A node that comes back is heard first; that its pods serve, as they did all the while, is told by and by."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a site waits for that only the clock brings."""

    at: datetime
    window: str
    """Its field, below the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changing:
    """One site of a target, as far as turns depend on it."""

    place: Place
    changes: bool
    """Whether it has something else than is asked for now, and can have that for a while."""
    serves: bool
    """What has yet to change serves also in doubt, and what has changed only beyond doubt."""
    fetches: bool
    """Whether something may have to be fetched first, without which it would serve nobody."""
    worked: bool
    """Whether what it has now has served before: a crash, or a probe that failed, does not change that it may again."""
    is_dark: bool
    """Whether it is out of sight: it would change at some time, together with all others, and nobody would see it.

    So is what has yet to change and is seen not to serve, as long as its node has only just come back.
    """


def waiting(sites: Iterable[Changing], target: EdgeTarget, now: datetime) -> dict[Place, Opening | None]:
    """The sites of one target that stay as they are until it is their turn, and the window that has to open first."""
    sites, update = tuple(sites), target.update or Update()
    changing = [site for site in sites if site.changes]
    if update.hold:
        return dict.fromkeys(site.place for site in changing)
    openings = {site.place: _opening(target, now, fetches=site.fetches) for site in changing}
    under_way = sum(not (site.changes or site.serves or site.is_dark) for site in sites)
    serving = (site for site in changing if site.serves and not site.is_dark and openings[site.place] is None)
    turns = max(update.max_concurrent_sites - under_way, 0)
    next_ones = sorted(site.place.node for site in serving)[:turns]
    return {
        site.place: openings[site.place]
        for site in changing
        if site.is_dark
        or (site.serves and site.place.node not in next_ones)
        # It would be without an engine until the window opens, and what it has may serve again in a minute.
        or (site.fetches and site.worked and openings[site.place] is not None)
    }


def settles_after_seconds(node: Node, now: str) -> float:
    """How long what is seen at a node may be of before it came back; 0 when it is not."""
    # The moment is of the node's own clock: one that is far off is not waited for.
    since = seconds_between(node.since, now)
    just_came = node.ready and bool(node.since) and abs(since) < RETURN_PATIENCE_SECONDS
    return RETURN_PATIENCE_SECONDS - since if just_came else 0


def _opening(target: EdgeTarget, now: datetime, *, fetches: bool) -> Opening | None:
    """When a site that serves may change; None when it may now. Both windows have to be open where it fetches."""
    windows = {
        "update.window": target.update.window if target.update else None,
        "download.window": target.download.window if target.download and fetches else None,
    }
    openings = [Opening(at, name) for name, each in windows.items() if each and (at := opens_at(each, now))]
    return max(openings, key=lambda opening: opening.at, default=None)
