"""A model, from its source into the cache, up to a share of it."""

import contextlib
import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from edgeglm_api.download import LastMessage, Outcome
from edgeglm_operator.download.cache import Cache, Snapshot
from edgeglm_operator.download.errors import Unreachable, of_disk
from edgeglm_operator.download.fetch import BodyFrom, fetch
from edgeglm_operator.download.hours import ALWAYS, Hours
from edgeglm_operator.download.link import Link
from edgeglm_operator.download.listing import Entry, needed
from edgeglm_operator.download.pace import Pace
from edgeglm_operator.download.part import Part, size_on_disk
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.progress import Progress
from edgeglm_operator.download.source import Source
from edgeglm_operator.download.space import require_room
from edgeglm_operator.download.unpack import unpack, unpacking_bytes

_ALL: Final = 100
"""Percent."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be there in the end."""

    revision: str
    cache: Path
    link: Path
    """What the engine serves."""
    until_percent: int = _ALL
    allowed_bytes: int | None = None
    """What the model may take of the cache; None is all that is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """How to get there."""

    source: Source
    pace: Pace
    patience: Patience
    now: Callable[[], datetime]
    hours: Hours = ALWAYS
    """For all but the one request that asks what a revision means of which nothing is there."""


def download(wish: Wish, means: Means) -> LastMessage:
    """Bring the model as far as is wished. Raises DownloadError."""
    try:
        return _download(wish, means)
    except OSError as error:
        raise of_disk(error) from error


def _download(wish: Wish, means: Means) -> LastMessage:
    cache, link = Cache(wish.cache, means.source.place), Link(wish.link)
    commit = link.commit or _commit(wish, cache, means)
    snapshot = cache.snapshot(commit)
    link.point_at(snapshot)
    said = _whole() if snapshot.is_whole else _alone(wish, means, snapshot)
    if said.outcome is Outcome.WHOLE:
        cache.remember(wish.revision, commit)
    return said


def _alone(wish: Wish, means: Means, snapshot: Snapshot) -> LastMessage:
    with snapshot.alone():
        # Whoever was waited for may have brought it.
        return _whole() if snapshot.is_whole else _bring(wish, means, snapshot)


def _commit(wish: Wish, cache: Cache, means: Means) -> str:
    """What the revision means now; outside the hours, or with the source out of reach, what it meant last, if there."""
    known = cache.last_known(wish.revision)
    if known and means.hours.are_over:
        return known
    try:
        return means.source.commit_of(wish.revision)
    except Unreachable as error:
        if known:
            log.warning("%s; going on with commit %s, which %s meant last", error, known, wish.revision)
            return known
        raise


def _bring(wish: Wish, means: Means, snapshot: Snapshot) -> LastMessage:
    means.hours.wait()
    entries = needed(means.source.entries(snapshot.commit))
    snapshot.partial.mkdir(parents=True, exist_ok=True)
    have = {entry.path: size_on_disk(snapshot.partial, entry) for entry in entries}
    progress = Progress(sum(entry.size for entry in entries), have, now=means.now)
    require_room(snapshot.partial, progress, allowed_bytes=wish.allowed_bytes, unpacking_bytes=unpacking_bytes(entries))
    if not _goes_up_to(wish.until_percent, means, snapshot, entries, progress):
        return LastMessage(
            outcome=Outcome.DOWNLOADING,
            percent=progress.percent,
            total_bytes=progress.total_bytes,
            whole_by=progress.whole_by(),
        )
    unpack(snapshot.partial, entries, allowed_bytes=wish.allowed_bytes)
    snapshot.publish()
    return _whole(progress.total_bytes)


def _goes_up_to(percent: int, means: Means, snapshot: Snapshot, entries: list[Entry], progress: Progress) -> bool:
    """Fetch up to a share of it; whether that was all of it."""
    with contextlib.closing(_arrivals(means, snapshot, entries)) as arrivals:
        for path, size in arrivals:
            progress.reach(path, size)
            if progress.percent >= percent and percent < _ALL:
                return False
    return True


def _arrivals(means: Means, snapshot: Snapshot, entries: list[Entry]) -> Generator[tuple[str, int]]:
    """Each file as it grows; what is there already comes first, so that enough is seen to be enough."""
    for entry in entries:
        yield entry.path, size_on_disk(snapshot.partial, entry)
    for entry in entries:
        if not (snapshot.partial / entry.path).exists():
            with Part(snapshot.partial, entry) as part:
                body_from = _body_from(means, snapshot, entry)
                for size in fetch(body_from, part, pace=means.pace, hours=means.hours, patience=means.patience):
                    yield entry.path, size


def _body_from(means: Means, snapshot: Snapshot, entry: Entry) -> BodyFrom:
    chunk_bytes = means.pace.chunk_bytes
    return lambda offset: means.source.body(snapshot.commit, entry, offset=offset, chunk_bytes=chunk_bytes)


def _whole(total_bytes: int = 0) -> LastMessage:
    return LastMessage(outcome=Outcome.WHOLE, percent=_ALL, total_bytes=total_bytes)
