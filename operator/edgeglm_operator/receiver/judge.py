"""Whether a report is new, and whether it is news."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from edgeglm_api.edge_site import SiteReport
from edgeglm_api.report import Report, Standing
from edgeglm_api.report_health import standing
from edgeglm_operator.receiver.refusal import Because, Refusal

REFRESH_SECONDS: Final = 300
"""How old numbers may get in a status: writing them with each report would cost the API server ten times as much."""
_BOOTS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What of a site's reports must be remembered."""

    boot_id: str
    sequence: int
    earlier_boots: tuple[str, ...] = ()
    standing: tuple[object, ...]
    """As it was written last."""
    written_at: float
    """Seconds since the epoch."""


def taken_by(report: SiteReport) -> Taken:
    """What was taken by the process before this one, which wrote the status."""
    return Taken(
        boot_id=report.boot_id,
        sequence=report.sequence,
        standing=standing(report, report.clock_skew_seconds),
        written_at=datetime.fromisoformat(report.received_at).timestamp(),
    )


def refuse_old(taken: Taken, report: Report) -> None:
    """Raise a Refusal for a report that is not newer than what was taken."""
    if report.boot_id in taken.earlier_boots:
        raise Refusal(Because.REPLAYED, f"it is of process {report.boot_id}, and a later one has reported")
    if report.boot_id == taken.boot_id and report.sequence <= taken.sequence:
        raise Refusal(Because.REPLAYED, f"sequence {report.sequence} is not above {taken.sequence}")


def is_news(taken: Taken, said: Standing, clock_skew_seconds: int, now: float) -> bool:
    """Whether it is worth a write: something else is the case, or what is written has got old."""
    old = not 0 <= now - taken.written_at < REFRESH_SECONDS
    return old or taken.standing != standing(said, clock_skew_seconds)


def heard(taken: Taken, report: Report) -> Taken:
    """After a report that was taken and told nothing new."""
    return replace(taken, sequence=report.sequence)


def written(taken: Taken | None, report: Report, clock_skew_seconds: int, now: float) -> Taken:
    """After a report that was written."""
    earlier = taken.earlier_boots if taken else ()
    if taken is not None and taken.boot_id != report.boot_id:
        earlier = (*earlier, taken.boot_id)[-_BOOTS:]
    return Taken(
        boot_id=report.boot_id,
        sequence=report.sequence,
        earlier_boots=earlier,
        standing=standing(report, clock_skew_seconds),
        written_at=now,
    )
