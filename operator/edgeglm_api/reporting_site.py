"""Who reports: a site, by the address that it sends its reports to, and the token that proves it.

A token is an HMAC under a key that the operator and the receiver share, so that the receiver keeps no list of tokens
and may read no Secret. It is good for one EdgeSite with one UID, and for one epoch: raising the epoch makes new ones.
"""

import hashlib
import hmac
from typing import Final, NamedTuple

from edgeglm_api.bundle import canonical

MIN_KEY_BYTES: Final = 32
_PURPOSE: Final = "edgeglm.io/report/v1"
_MAX_EPOCH_DIGITS: Final = 9


class ReportingSite(NamedTuple):
    """One EdgeSite."""

    namespace: str
    name: str
    uid: str


def report_path(site: ReportingSite) -> str:
    """Where at the receiver its reports go."""
    return f"/v1/sites/{site.namespace}/{site.name}/{site.uid}/report"


def token_of(site: ReportingSite, key: bytes, *, epoch: int) -> str:
    """What proves that a report is of the site."""
    message = canonical([_PURPOSE, *site, epoch])
    return f"{epoch}.{hmac.new(key, message, hashlib.sha256).hexdigest()}"


def epoch_of(token: str, site: ReportingSite, key: bytes) -> int | None:
    """The epoch that a token was made for; None when it is not the site's."""
    digits = token.partition(".")[0]
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_EPOCH_DIGITS):
        return None
    epoch = int(digits)
    genuine = hmac.compare_digest(token.encode(), token_of(site, key, epoch=epoch).encode())
    return epoch if genuine else None
