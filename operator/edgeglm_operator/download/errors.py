"""What can go wrong on the way from a source to the disk.

DownloadError           `.outcome` is the word that reaches the status
├── DiskFull            no room, before or in the middle
├── CacheNotWritable    the directory cannot be used at all
├── NotFound            no such model, revision or file
├── CredentialsMissing  it wants a token, and there is none
├── Forbidden           it does not take the token
├── ChecksumMismatch    what came is not what was promised
├── ChecksumMissing     nothing was promised that could be checked
└── Unreachable         nobody answers, or nobody who speaks the source's language

Broken                  a try failed and another may do; never leaves this package
"""

import errno
from typing import ClassVar, Final

from edgeglm_api.download import Outcome

_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT}


class DownloadError(Exception):
    """The parent of all; its text says what and where."""

    outcome: ClassVar[Outcome]


class DiskFull(DownloadError):  # noqa: N818 - it names the state of the world, as the status does
    """No room."""

    outcome = Outcome.DISK_FULL


class CacheNotWritable(DownloadError):  # noqa: N818 - as above
    """The directory cannot be used."""

    outcome = Outcome.CACHE_NOT_WRITABLE


class NotFound(DownloadError):  # noqa: N818 - as above
    """The hub knows no such thing."""

    outcome = Outcome.NOT_FOUND


class CredentialsMissing(DownloadError):  # noqa: N818 - as above
    """The hub wants to know who asks."""

    outcome = Outcome.CREDENTIALS_MISSING


class Forbidden(DownloadError):  # noqa: N818 - as above
    """The hub knows who asks, and refuses."""

    outcome = Outcome.FORBIDDEN


class ChecksumMismatch(DownloadError):  # noqa: N818 - as above
    """What came is something else."""

    outcome = Outcome.CHECKSUM_MISMATCH


class ChecksumMissing(DownloadError):  # noqa: N818 - as above
    """Nobody could tell whether what comes is right."""

    outcome = Outcome.CHECKSUM_MISSING


class Unreachable(DownloadError):  # noqa: N818 - as above
    """The hub does not answer, or makes no sense."""

    outcome = Outcome.UNREACHABLE


class Broken(Exception):  # noqa: N818 - as above
    """One try failed. `after_seconds` is what the server asks to wait, None when it says nothing."""

    def __init__(self, why: str, after_seconds: float | None = None) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds


def of_disk(error: OSError) -> DownloadError:
    """What an error of the file system means."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in _NO_ROOM:
        return DiskFull(f"the disk became full while writing{where}")
    return CacheNotWritable(f"the cache cannot be used: {error.strerror or error}{where}")
