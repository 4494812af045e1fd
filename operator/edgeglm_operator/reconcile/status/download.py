"""How far a download is, and why one failed: from what its containers said at their ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edgeglm_api.download import ADAPTER, CONTAINER_PREFIX, LastMessage, Outcome, read_last_message
from edgeglm_operator.moment import seconds_between
from edgeglm_operator.observed import Container, Pod

RETRY_SECONDS: Final = 60
"""A download that has run for so long after a failure is one that goes on."""
_GB: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Cure:
    """What is said of a failure, and what helps."""

    reason: str
    words: str


CURES: Final[Mapping[Outcome, Cure]] = {
    Outcome.DISK_FULL: Cure("DiskFull", "make room there, or give it a larger cache"),
    Outcome.CACHE_NOT_WRITABLE: Cure("CacheNotWritable", "let user 10001 write there"),
    Outcome.NOT_FOUND: Cure("WeightsMissing", "check the model's uri and revision"),
    Outcome.CREDENTIALS_MISSING: Cure(
        "CredentialsMissing",
        "put what opens this model into the Secret that spec.model.credentialsSecretRef names: `token` for a hub,"
        " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3://, `username` and `password` for oci://; of a model that"
        " does not exist, some say the same",
    ),
    Outcome.FORBIDDEN: Cure(
        "HubRefused",
        "what spec.model.credentialsSecretRef has is not enough; renew it, or ask for access to this model",
    ),
    Outcome.CHECKSUM_MISMATCH: Cure(
        "ChecksumMismatch",
        "it is fetched anew; if that does not help, the hub, its mirror or a proxy gives something else than it lists",
    ),
    Outcome.CHECKSUM_MISSING: Cure(
        "ChecksumMissing",
        "put it there again with one that is reckoned of the whole (aws s3 cp --checksum-algorithm SHA256)",
    ),
    Outcome.UNREACHABLE: Cure(
        "HubUnreachable",
        "it is tried again; check DNS, firewall, spec.model.endpoint and spec.model.proxyURL, or use weights that lie"
        " at hand",
    ),
}


def failure_of(container: Container) -> tuple[Cure, str] | None:
    """What helps a download that failed, and what it said; None for any other end."""
    said = _said(container)
    if said is None or said.outcome not in CURES:
        return None
    return CURES[said.outcome], said.message


def is_trying_again(container: Container, now: str) -> bool:
    """Whether a download that failed goes on by now."""
    goes_on = _is_download(container) and container.running
    return goes_on and seconds_between(container.running_since, now) > RETRY_SECONDS


def download_of(pod: Pod) -> str | None:
    """How far it is, in words; None when there is none, or it is over."""
    downloads = [container for container in pod.containers if _is_download(container)]
    running = next((container for container in downloads if container.running), None)
    if running is None:
        return None
    what = running.name.removeprefix(CONTAINER_PREFIX)
    if what.startswith(ADAPTER):
        return f"all of it is there, and adapter {what.removeprefix(ADAPTER)} is on its way"
    reached = max((said for container in downloads if (said := _said(container))), key=_percent, default=None)
    if reached is None or reached.outcome is not Outcome.DOWNLOADING:
        return "it has begun"
    pace = f"; at this pace all of it by {reached.whole_by}" if reached.whole_by else ""
    return f"{reached.percent} % of {reached.total_bytes / _GB:.1f} GB are there{pace}"


def _said(container: Container) -> LastMessage | None:
    return read_last_message(container.ended_message) if _is_download(container) and container.ended else None


def _percent(said: LastMessage) -> int:
    return said.percent


def _is_download(container: Container) -> bool:
    return container.init and container.name.startswith(CONTAINER_PREFIX)
