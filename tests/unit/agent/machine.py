"""A site's spool and fold without the rest of the agent, and what crashes do to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import strategies as st

from edgeglm_agent.pipeline.books import imbalance
from edgeglm_agent.pipeline.judge import Site
from edgeglm_agent.pipeline.pipeline import Pipeline
from edgeglm_agent.spool.entry import Entry
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.raw_log import RawLog
from edgeglm_api.bundle import Bundle
from tests.edge.bundles import a_bundle

BROKER = "mqtt://127.0.0.1:1883"


class Machine:
    """A site's spool and fold; `crash` forgets all that is not on the disk."""

    def __init__(self, folder: Path, bundle: Bundle | None = None) -> None:
        self.folder = folder
        self.bundle = bundle or a_bundle()
        self.now = 0
        self._boot()

    def _boot(self) -> None:
        self.raw_log = RawLog(self.folder / "raw", segment_bytes=4096)
        self.ledger = Ledger(self.folder / "ledger.db")
        site = Site("edge-1", "uid", self.ledger.revision)
        self.pipeline = Pipeline(self.ledger, self.raw_log, site, lambda: self.now)
        self.pipeline.apply(self.bundle)

    def crash(self) -> None:
        self.ledger.close()
        self.raw_log.close()
        self._boot()

    def hear(self, *entries: Entry) -> None:
        self.raw_log.append(entries)

    def fold_all(self) -> None:
        while self.pipeline.step().folded:
            pass

    def requests(self) -> dict[str, bytes]:
        return dict(self.ledger.db.execute("SELECT id, body FROM request ORDER BY start_ns"))

    def answers(self) -> list[dict[str, object]]:
        rows = self.ledger.db.execute("SELECT body FROM answer ORDER BY seq").fetchall()
        return [msgspec.json.decode(body) for (body,) in rows]

    def books(self) -> dict[tuple[str, str, str], int]:
        self.pipeline.fold.settle()
        counts = self.pipeline.fold.books.all()
        assert imbalance(counts, self.pipeline.fold.pending()) == {}
        return counts


class Crash(NamedTuple):
    """After some more entries, maybe a fold, maybe a checkpoint, the process is gone."""

    entries: int
    folds: bool
    checkpoints: bool


def crashes(*, entries: int, most: int) -> st.SearchStrategy[list[Crash]]:
    """Up to `most` of them, each after up to so many entries."""
    return st.lists(st.builds(Crash, st.integers(1, entries), st.booleans(), st.booleans()), max_size=most)


def assert_crashes_change_nothing(
    folders: pytest.TempPathFactory, bundle: Bundle, stream: Sequence[Entry], faults: Sequence[Crash]
) -> dict[str, bytes]:
    """Fold a stream once in peace and once with crashes: the same requests, which are returned, and the same books."""
    steady = Machine(folders.mktemp("steady"), bundle)
    steady.hear(*stream)
    steady.fold_all()
    shaken = Machine(folders.mktemp("shaken"), bundle)
    at = 0
    for fault in faults:
        _hear_some(shaken, stream[at : at + fault.entries])
        at += fault.entries
        if fault.folds:
            shaken.fold_all()
        if fault.checkpoints:
            shaken.pipeline.checkpoint()
        shaken.crash()
    _hear_some(shaken, stream[at:])
    shaken.fold_all()
    assert shaken.requests() == steady.requests()
    assert shaken.books() == steady.books()
    return steady.requests()


def _hear_some(machine: Machine, entries: Sequence[Entry]) -> None:
    if entries:
        machine.hear(*entries)
