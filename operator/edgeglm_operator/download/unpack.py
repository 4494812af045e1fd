"""Layers that are archives: unpacked one over the other, as a runtime does, but for links and devices.

github.com/opencontainers/image-spec, layer.md: `.wh.NAME` takes away what an earlier layer has put there,
`.wh..wh..opq` all that is in its directory.
"""

import os
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from edgeglm_operator.download.errors import NotFound
from edgeglm_operator.download.listing import Entry
from edgeglm_operator.download.space import Room

_GONE: Final = ".wh."
_ALL_GONE: Final = ".wh..wh..opq"
_BROKEN: Final = (tarfile.TarError, zlib.error, EOFError)


def unpacking_bytes(entries: Iterable[Entry]) -> int:
    """What is needed beside the model while it is unpacked: one archive is there twice. Weights hardly compress."""
    return max((entry.size for entry in entries if entry.unpacks is not None), default=0)


def unpack(directory: Path, entries: Iterable[Entry], *, allowed_bytes: int | None) -> None:
    """Unpack what is packed. An archive that is done goes; after a kill it comes again, and all ends up the same."""
    archives = [entry for entry in entries if entry.unpacks is not None]
    count, room = 0, Room(directory, allowed_bytes)
    for entry in archives:
        count += _unpack(directory, entry, room)
        (directory / entry.path).unlink()
    if archives and not count:
        root = archives[0].unpacks
        raise NotFound(f"none of its {len(archives)} layers has a file" + (f" in /{root}" if root else ""))


def _unpack(directory: Path, entry: Entry, room: Room) -> int:
    """Returns how many files there were."""
    count = 0
    try:
        with tarfile.open(directory / entry.path, "r|*") as archive:
            for member in archive:
                if parts := _inside(member.name, entry.unpacks or ""):
                    room.take(member.size)
                    count += _take_out(archive, member, directory.joinpath(*parts))
    except _BROKEN as error:
        raise NotFound(
            f"layer {entry.digest.value} cannot be unpacked ({error}); it must be tar, or tar in gzip"
        ) from error
    return count


def _inside(name: str, root: str) -> Sequence[str]:
    """Where a member goes, below the model; empty when it is no part of it."""
    parts = [part for part in PurePosixPath(name).parts if part != "/"]
    if ".." in parts:
        raise NotFound(f"a layer has {name}, which leads out of it")
    if not root:
        return parts
    return parts[1:] if parts[:1] == [root] else []


def _take_out(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bool:
    """Whether it was a file."""
    if path.name == _ALL_GONE:
        for each in path.parent.iterdir() if path.parent.is_dir() else ():
            _remove(each)
    elif path.name.startswith(_GONE):
        _remove(path.with_name(path.name.removeprefix(_GONE)))
    elif member.isdir():
        if not path.is_dir():
            _remove(path)
            path.mkdir(parents=True)
    elif member.issym() or member.islnk():
        raise NotFound(f"a layer has {member.name}, a link, which is not followed; put the file itself there")
    elif content := archive.extractfile(member):
        _remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            shutil.copyfileobj(content, file, 1024 * 1024)
            file.flush()
            os.fsync(file.fileno())
        return True
    return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
