"""A bundle in a directory: a mounted ConfigMap, whose `..data` link is swapped on change, or a plain folder.

All files are read through one resolved folder, so that a swap in between cannot mix two bundles.
"""

import asyncio
from pathlib import Path
from typing import Final

from edgeglm_agent.config.problem import BundleRejected, Problem, Verdict
from edgeglm_agent.config.verify import Received
from edgeglm_api.bundle import BUNDLE_FILE, DIGEST_FILE, MAX_BYTES, SIGNATURE_FILE

POLL_SECONDS: Final = 1.0
_MAX_SIDE_FILE_BYTES: Final = 4096


class DirectorySource:
    """Looks every second."""

    mounted: Final = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address: Final = str(folder)

    def pause_seconds(self) -> float:
        """Return how long to wait."""
        return POLL_SECONDS

    async def read(self) -> Received:
        """Read the files as they are now."""
        return await asyncio.to_thread(read_directory, self._folder)


def read_directory(folder: Path) -> Received:
    """Read the files; raises BundleRejected when they cannot be read."""
    try:
        data = folder / "..data"
        content = (data if data.exists() else folder).resolve(strict=True)
        with (content / BUNDLE_FILE).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        with (content / DIGEST_FILE).open("rb") as file:
            sha256 = file.read(_MAX_SIDE_FILE_BYTES).decode("ascii", "replace")
        signatures = _read_signatures(content / SIGNATURE_FILE)
    except OSError as error:
        problem = Problem(
            str(error.filename or folder), f"{error.strerror}; a bundle is {BUNDLE_FILE} and {DIGEST_FILE}"
        )
        raise BundleRejected(Verdict.UNREADABLE, [problem]) from error
    return Received(raw, sha256, signatures)


def _read_signatures(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_SIDE_FILE_BYTES).decode("ascii", "replace")
    except FileNotFoundError:  # whether it has to be there is for others to say
        return ""
