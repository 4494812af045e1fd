"""The directory of downloads: snapshots that appear whole, one downloader of each at a time.

HOST/OWNER/NAME/COMMIT            a model, whole and checked
HOST/OWNER/NAME/COMMIT.partial    on its way; finished files have their names, others end in .part
HOST/OWNER/NAME/COMMIT.lock       held by whoever downloads; the system frees it however that process ends
HOST/OWNER/NAME/refs/REVISION     the commit that a branch meant last
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote


class Snapshot:
    """One commit of one model."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.partial = directory.with_name(directory.name + ".partial")

    @property
    def commit(self) -> str:
        """Which."""
        return self.directory.name

    @property
    def is_whole(self) -> bool:
        """Whether it is there."""
        return self.directory.is_dir()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody else downloads it."""
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        with self.directory.with_name(self.directory.name + ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def publish(self) -> None:
        """All its files are there: show them, at once."""
        for directory in [self.partial, *(path for path in self.partial.rglob("*") if path.is_dir())]:
            _sync(directory)
        self.partial.rename(self.directory)
        _sync(self.directory.parent)


class Cache:
    """What is known of one model."""

    def __init__(self, root: Path, place: str) -> None:
        self._directory = root / place

    def snapshot(self, commit: str) -> Snapshot:
        """One commit, whether it is there or not."""
        return Snapshot(self._directory / commit)

    def remember(self, revision: str, commit: str) -> None:
        """Note what a revision meant."""
        note = self._note(revision)
        if note.exists() and note.read_text(encoding="ascii") == commit:
            return
        note.parent.mkdir(exist_ok=True)
        draft = note.with_name(f"{note.name}.{os.getpid()}.part")
        draft.write_text(commit, encoding="ascii")
        draft.replace(note)

    def last_known(self, revision: str) -> str | None:
        """The commit that a revision meant last, if it is there."""
        note = self._note(revision)
        commit = note.read_text(encoding="ascii") if note.exists() else ""
        return commit if commit and self.snapshot(commit).is_whole else None

    def _note(self, revision: str) -> Path:
        return self._directory / "refs" / quote(revision, safe="")


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
