"""Who reports: decided before a byte of the report is read."""

from dataclasses import dataclass, field
from typing import Final

from edgeglm_api.reporting_site import ReportingSite, epoch_of
from edgeglm_operator.receiver.refusal import Because, Refusal

_SCHEME: Final = "bearer "
_MAX_TOKEN: Final = 128


@dataclass(frozen=True, slots=True)
class Keys:
    """What tokens are checked with."""

    key: bytes = field(repr=False)
    oldest_epoch: int
    """While sites change over, tokens of several epochs are good."""


def admit(site: ReportingSite, authorization: str, keys: Keys) -> None:
    """Let the site report, or raise a Refusal."""
    token = authorization[len(_SCHEME) :].strip() if authorization.lower().startswith(_SCHEME) else ""
    epoch = epoch_of(token, site, keys.key) if token.isascii() and len(token) <= _MAX_TOKEN else None
    if epoch is None:
        raise Refusal(Because.BAD_TOKEN, "the token is not this site's")
    if epoch < keys.oldest_epoch:
        raise Refusal(Because.OLD_EPOCH, f"the token is of epoch {epoch}, and {keys.oldest_epoch} is the oldest taken")
