"""A change of what runs at the edge goes through the sites a few at a time: the next ones when those serve.

A fault in a spec then stops at the first sites. Where nothing serves there is nothing to lose, so a correction reaches
what a fault has stopped at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from edgeglm_api.inference_service import Update
from edgeglm_api.time_window import opens_at
from edgeglm_operator.reconcile.placement import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Changing:
    """One site of a target, as far as turns depend on it."""

    place: Place
    changes: bool
    """Whether it has something else than is asked for now, and can have that for a while."""
    serves: bool
    """What has yet to change serves also in doubt, and what has changed only beyond doubt."""
    is_dark: bool
    """Whether it is out of sight: it would change at some time, together with all others, and nobody would see it."""


def waiting(sites: Iterable[Changing], update: Update, now: datetime) -> frozenset[Place]:
    """The sites of one target that stay as they are until it is their turn."""
    sites = tuple(sites)
    changing = [site for site in sites if site.changes]
    if update.hold:
        return frozenset(site.place for site in changing)
    under_way = sum(not (site.changes or site.serves or site.is_dark) for site in sites)
    serving = sorted(site.place.node for site in changing if site.serves and not site.is_dark)
    turns = 0 if opens(update, now) else max(update.max_concurrent_sites - under_way, 0)
    next_ones = serving[:turns]
    return frozenset(
        site.place for site in changing if site.is_dark or (site.serves and site.place.node not in next_ones)
    )


def opens(update: Update, now: datetime) -> datetime | None:
    """When sites that serve may change again; None when they may now."""
    return opens_at(update.window, now) if update.window else None
