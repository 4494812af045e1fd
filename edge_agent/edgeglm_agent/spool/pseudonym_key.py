"""The key of a site's pseudonyms: made once, kept beside the spool, and never sent anywhere.

A file of its own, since a damaged ledger may be begun anew and pseudonyms should stay what they are.
"""

import logging
import os
import secrets
from pathlib import Path
from typing import Final

from edgeglm_agent.spool.raw_log import sync_folder

_FILE: Final = "pseudonym-key"
_BYTES: Final = 32

log = logging.getLogger(__name__)


def pseudonym_key(folder: Path) -> bytes:
    """Return the key of a site's folder; makes one where there is none that is whole."""
    path = folder / _FILE
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = b""
    if len(key) == _BYTES:
        return key
    if key:
        log.error("%s has %d bytes and not %d: made anew, and pseudonyms change", path, len(key), _BYTES)
    key = secrets.token_bytes(_BYTES)
    try:
        _keep(key, path)
    except OSError as error:
        log.error("%s cannot be kept, pseudonyms change with the next start: %s", path, error)  # noqa: TRY400 - expected
    return key


def _keep(key: bytes, path: Path) -> None:
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for its mode
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)
