"""Keep what is slow to make between runs: outside the repository, keyed by what it was made from."""

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path


def cache_root() -> Path:
    """$EDGEGLM_CACHE, or a folder in the user's cache."""
    root = Path(os.environ.get("EDGEGLM_CACHE") or Path.home() / ".cache" / "edgeglm")
    root.mkdir(parents=True, exist_ok=True)
    return root


def key_of(parts: Iterable[str | bytes | Path]) -> str:
    """Twelve hexadecimal digits that change when any part does; a path stands for the file's content."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part
        data = data.encode() if isinstance(data, str) else data
        digest.update(len(data).to_bytes(8) + data)
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a machine-wide lock: two test workers must not make the same thing twice."""
    path = cache_root() / "locks" / name
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def first_free(prefix: str) -> Iterator[str]:
    """The first of prefix, prefix1, prefix2 … that no living process has taken; taken until the block ends."""
    for number in itertools.count():
        name = f"{prefix}{number or ''}"
        path = cache_root() / "locks" / f"taken-{name}"
        path.parent.mkdir(exist_ok=True)
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield name
            return


@contextlib.contextmanager
def made_whole(final: Path) -> Iterator[Path]:
    """Give a scratch directory that becomes `final` only when the block ends well; a killed one leaves nothing half."""
    final.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        if final.exists():
            shutil.rmtree(final)
        scratch.rename(final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
