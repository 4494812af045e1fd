"""Which filters the broker holds in our session, remembered at the site.

A session outlives the process. A filter that a later bundle no longer has would go on filling it, so it has to be told
to the broker, and for that it has to be known. What is written is always at least what the broker holds.
"""

import logging
import os
from pathlib import Path
from typing import Final

import msgspec

_FILE: Final = "subscriptions.json"

log = logging.getLogger(__name__)


class Subscriptions:
    """Owner of the file. Used on the event loop; it is small, and written on change only."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._held = _load(self._path)

    def held(self, broker: str) -> frozenset[str]:
        """Return what a broker may hold."""
        return frozenset(self._held.get(broker, ()))

    def hold(self, broker: str, filters: frozenset[str]) -> None:
        """Remember what a broker holds from now on."""
        if filters != self.held(broker):
            self._held[broker] = sorted(filters)
            self._save()

    def _save(self) -> None:
        draft = self._path.with_suffix(".new")
        try:
            with draft.open("wb") as file:
                file.write(msgspec.json.encode(self._held, order="deterministic"))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            log.warning("cannot remember subscriptions, an old one may go on for a session: %s", error)


def _load(path: Path) -> dict[str, list[str]]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("%s cannot be read: %s", path, error)
        return {}
