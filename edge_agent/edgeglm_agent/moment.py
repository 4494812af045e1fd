"""Event times: nanoseconds since the epoch, and how people and contracts read them."""

from datetime import UTC, datetime, timedelta
from typing import Final

NANOS_PER_SECOND: Final = 1_000_000_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(nanos: int) -> str:
    """Return the time in RFC 3339, UTC, with as many decimals as it has, up to microseconds."""
    moment = _EPOCH + timedelta(microseconds=nanos // 1000)
    return moment.isoformat().replace("+00:00", "Z")
