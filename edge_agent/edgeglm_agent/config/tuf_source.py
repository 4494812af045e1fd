"""A packed bundle as a target of a TUF repository. What TUF adds to a signature: old and withheld bundles are noticed.

python-tuf has the last word on what is genuine and new. It knows no offline state: what cannot be refreshed, expired
metadata included, leaves the last good bundle in place and is told as stale. Needs the extra `tuf`.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tuf.api.exceptions import DownloadError, DownloadHTTPError, ExpiredMetadataError, RepositoryError
from tuf.ngclient import TargetFile, Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from edgeglm_agent.config.https import Https
from edgeglm_agent.config.https_source import jittered
from edgeglm_agent.config.problem import BundleRejected, Problem, Verdict
from edgeglm_agent.config.source import SourceAway
from edgeglm_agent.config.verify import Received
from edgeglm_api.packed import MAX_PACKED_BYTES, unpack

FOLDER: Final = "tuf"
_MAX_METADATA_BYTES: Final = 1024 * 1024
"""Of snapshot and targets: some thousand sites, at 300 bytes each."""
_MAX_ROOT_BYTES: Final = 64 * 1024


class TufSource:
    """One target of a repository at `URL/metadata/` and `URL/targets/`."""

    mounted: Final = False

    def __init__(self, url: str, target: str, root: bytes, https: Https, data: Path, *, poll_seconds: float) -> None:
        self.address: Final = f"{url.rstrip('/')}/targets/{target}"
        self._url = url.rstrip("/")
        self._target = target
        self._root = root
        self._https = https
        self._folder = data / FOLDER
        self._poll_seconds = poll_seconds

    def pause_seconds(self) -> float:
        """Return how long to wait."""
        return jittered(self._poll_seconds)

    async def read(self) -> Received:
        """Refresh the metadata, then take the target that they name."""
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.to_thread(self._read, _Fetcher(self._https, loop))
        except (DownloadError, ExpiredMetadataError) as error:
            raise SourceAway(f"{self.address}: {error.__cause__ or error}") from error
        except RepositoryError as error:
            raise BundleRejected(Verdict.UNTRUSTED, [Problem("", f"{self.address}: {error}")]) from error
        except (OSError, ValueError) as error:
            raise SourceAway(f"{self.address}: {error}") from error

    def _read(self, fetcher: FetcherInterface) -> Received:
        self._folder.mkdir(parents=True, exist_ok=True)
        updater = Updater(
            str(self._folder),
            f"{self._url}/metadata/",
            target_base_url=f"{self._url}/targets/",
            fetcher=fetcher,
            config=_BOUNDS,
            bootstrap=self._root,
        )
        updater.refresh()
        found = updater.get_targetinfo(self._target)
        if found is None:
            raise SourceAway(f"{self.address}: the repository has no such target")
        if found.length > MAX_PACKED_BYTES:
            message = f"has {found.length} bytes; at most {MAX_PACKED_BYTES} are read"
            raise BundleRejected(Verdict.TOO_LARGE, [Problem("", message)])
        return Received(*unpack(_content(updater, found, self._folder / "bundle")))


_BOUNDS: Final = UpdaterConfig(
    root_max_length=_MAX_ROOT_BYTES, snapshot_max_length=_MAX_METADATA_BYTES, targets_max_length=_MAX_METADATA_BYTES
)


def _content(updater: Updater, found: TargetFile, cache: Path) -> bytes:
    path = updater.find_cached_target(found, str(cache)) or updater.download_target(found, str(cache))
    return Path(path).read_bytes()


class _Fetcher(FetcherInterface):
    """Asks by way of the event loop, where requests have their bounds and end with the agent."""

    def __init__(self, https: Https, loop: asyncio.AbstractEventLoop) -> None:
        self._https = https
        self._loop = loop

    def _fetch(self, url: str) -> Iterator[bytes]:
        asking = self._https.get(url, most_bytes=_MAX_METADATA_BYTES)
        answer = asyncio.run_coroutine_threadsafe(asking, self._loop).result()
        if answer.status != 200:
            raise DownloadHTTPError(f"{url}: answers {answer.status}", answer.status)
        return iter((answer.body,))
