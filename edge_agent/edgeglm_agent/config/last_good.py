"""The last good bundle, kept at the site: the agent starts with it when what should be applied is broken or away."""

import logging
import os
from pathlib import Path
from typing import Final

from edgeglm_agent.config.problem import BundleRejected
from edgeglm_agent.config.trust import Trust
from edgeglm_agent.config.verify import Received, Verified, verify
from edgeglm_agent.spool.raw_log import sync_folder
from edgeglm_api.bundle import encode
from edgeglm_api.packed import Files, pack, unpack

_FILE: Final = "last-good-bundle"

log = logging.getLogger(__name__)


class LastGood:
    """One file; its time of change is when it was last known to be what should be applied."""

    def __init__(self, folder: Path, trust: Trust) -> None:
        self._folder = folder
        self._trust = trust

    def save(self, verified: Verified) -> None:
        """Keep a bundle; all of it or, after a crash, all of the one before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f"{_FILE}.new"
        with draft.open("wb") as file:
            file.write(pack(Files(encode(verified.bundle), verified.sha256, verified.signatures)))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / _FILE)
        sync_folder(self._folder)

    def load(self) -> Verified | None:
        """Return the kept bundle; None when there is none that is trusted (any more): keys are taken away to count."""
        try:
            return verify(Received(*unpack((self._folder / _FILE).read_bytes())), self._trust)
        except FileNotFoundError:
            return None
        except (OSError, BundleRejected) as error:
            log.error("the last good bundle cannot be used: %s", error)  # noqa: TRY400 - expected, no stack
            return None

    def confirm(self, now_ns: int) -> None:
        """Note that it is what should be applied; a disk that is full may forget it."""
        try:
            os.utime(self._folder / _FILE, ns=(now_ns, now_ns))
        except OSError as error:
            log.debug("not noted that the bundle is up to date: %s", error)

    def confirmed_ns(self) -> int:
        """Return when that was noted last; 0 when nothing is kept."""
        try:
            return (self._folder / _FILE).stat().st_mtime_ns
        except OSError:
            return 0
