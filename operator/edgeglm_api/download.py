"""What a downloader says when its container ends: the one way by which it is heard.

The pod has no access to the API server, and the operator none to logs or to the pod's network, which at a site it could
not reach anyway. But the kubelet brings the last message of each container into the pod's status, from everywhere.
"""

from enum import StrEnum
from typing import Final

import msgspec

from edgeglm_api.model import Model

CONTAINER_PREFIX: Final = "download-"
"""Of the containers' names; the percentage that each goes up to follows."""
ADAPTER: Final = "adapter-"
"""Or this, and the name of the adapter that it brings."""

MESSAGE_LIMIT: Final = 600
"""Characters of a sentence: however they are escaped, it must fit into the 4096 bytes that the kubelet keeps."""


class Outcome(StrEnum):
    """How a container ended. Stable words: the operator looks for them."""

    DOWNLOADING = "Downloading"
    """It did its share, and the next container goes on."""
    WHOLE = "Whole"
    DISK_FULL = "DiskFull"
    NOT_FOUND = "NotFound"
    CREDENTIALS_MISSING = "CredentialsMissing"
    FORBIDDEN = "Forbidden"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    CHECKSUM_MISSING = "ChecksumMissing"
    UNREACHABLE = "Unreachable"
    CACHE_NOT_WRITABLE = "CacheNotWritable"


class LastMessage(Model, frozen=True, kw_only=True):
    """The last message of one container."""

    outcome: Outcome
    message: str = ""
    """What happened, where; of a failure only."""
    percent: int = 0
    total_bytes: int = 0
    whole_by: str = ""
    """RFC 3339: when all will be there if it goes on as fast. Empty when nothing had to be fetched."""


def write_last_message(said: LastMessage) -> bytes:
    """As the container writes it, in one line of JSON."""
    return msgspec.json.encode(msgspec.structs.replace(said, message=said.message[:MESSAGE_LIMIT]))


def read_last_message(text: str) -> LastMessage | None:
    """As the operator reads it; None for the last words of anything else."""
    try:
        return msgspec.json.decode(text, type=LastMessage)
    except msgspec.DecodeError:
        return None
