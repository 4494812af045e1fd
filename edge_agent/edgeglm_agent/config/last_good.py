"""The last good bundle, kept at the site: the agent starts with it when the mounted one is broken or away."""

import logging
import os
from pathlib import Path

from edgeglm_agent.config.problem import BundleRejected
from edgeglm_agent.config.trust import Trust
from edgeglm_agent.config.verify import Received, Verified, verify
from edgeglm_agent.spool.raw_log import sync_folder
from edgeglm_api.bundle import encode
from edgeglm_api.packed import Files, pack, unpack

_FILE = "last-good-bundle"

log = logging.getLogger(__name__)


def save_last_good(folder: Path, verified: Verified) -> None:
    """Keep a bundle; all of it or, after a crash, all of the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{_FILE}.new"
    with draft.open("wb") as file:
        file.write(pack(Files(encode(verified.bundle), verified.sha256, verified.signatures)))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / _FILE)
    sync_folder(folder)


def load_last_good(folder: Path, trust: Trust) -> Verified | None:
    """Return the kept bundle; None when there is none that is trusted (any more): keys are taken away to be obeyed."""
    try:
        return verify(Received(*unpack((folder / _FILE).read_bytes())), trust)
    except FileNotFoundError:
        return None
    except (OSError, BundleRejected) as error:
        log.error("the last good bundle cannot be used: %s", error)  # noqa: TRY400 - expected, no stack
        return None
