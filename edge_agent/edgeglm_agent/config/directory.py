"""A bundle in a directory: a mounted ConfigMap, whose `..data` link is swapped on change, or a plain folder.

Both files are read through one resolved folder, so that a swap in between cannot mix two bundles.
"""

from pathlib import Path

from edgeglm_agent.config.problem import BundleRejected, Problem, Verdict
from edgeglm_agent.config.verify import Received
from edgeglm_api.bundle import BUNDLE_FILE, DIGEST_FILE, MAX_BYTES


def read_directory(folder: Path) -> Received:
    """Read the two files; raises BundleRejected when they cannot be read."""
    try:
        data = folder / "..data"
        content = (data if data.exists() else folder).resolve(strict=True)
        with (content / BUNDLE_FILE).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        with (content / DIGEST_FILE).open("rb") as file:
            sha256 = file.read(1024).decode("ascii", "replace")
    except OSError as error:
        problem = Problem(
            str(error.filename or folder), f"{error.strerror}; a bundle is {BUNDLE_FILE} and {DIGEST_FILE}"
        )
        raise BundleRejected(Verdict.UNREADABLE, [problem]) from error
    return Received(raw, sha256)
