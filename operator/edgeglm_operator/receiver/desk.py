"""From a genuine report to the status of its EdgeSite.

The object is read before it is written, and written as the version that was read: so nothing is said of a site that was
made anew under the same name, and a process that has just begun knows what the one before it took.
"""

import logging
from collections.abc import Callable
from typing import Final, Protocol

from edgeglm_api.edge_site import EdgeSite, SiteReport
from edgeglm_api.model import InvalidObject, read
from edgeglm_api.report import Report
from edgeglm_api.reporting_site import ReportingSite
from edgeglm_operator.kube.client import Manifest
from edgeglm_operator.kube.errors import Conflict, Forbidden, KubeError, NotFound
from edgeglm_operator.kube.kinds import EDGE_SITES, Kind
from edgeglm_operator.kube.said_status import said_status
from edgeglm_operator.receiver.judge import Taken, heard, is_news, refuse_old, taken_by, written
from edgeglm_operator.receiver.memory import Remembered
from edgeglm_operator.receiver.refusal import Because, Refusal
from edgeglm_operator.receiver.site_report import clock_skew_seconds, site_report

MANAGER: Final = "edgeglm-receiver"
"""Who owns `status.report` in the server's book of fields; the operator owns the rest of the status."""
TRIES: Final = 5
"""The operator may write the same status at the same moment."""
RETRY_AFTER_SECONDS: Final = 10

log = logging.getLogger(__name__)


class Statuses(Protocol):
    """All that the receiver asks of the API server."""

    async def get_status(self, kind: Kind, namespace: str, name: str, /) -> Manifest:
        """Read one object by its status, for which the right to that alone is enough."""
        ...

    async def apply_status(self, manifest: Manifest, *, manager: str) -> Manifest:
        """Server-side apply of a status; Conflict when it is no longer of the `resourceVersion` that is given."""
        ...


class Desk:
    """Takes reports, one of each site after the other."""

    def __init__(self, statuses: Statuses, clock: Callable[[], float]) -> None:
        self._statuses = statuses
        self._clock = clock

    async def take(self, site: ReportingSite, remembered: Remembered, report: Report) -> bool:
        """Take a report; tells whether it was written. Raises a Refusal."""
        try:
            async with remembered.turn:
                return await self._take(site, remembered, report)
        except NotFound as error:
            raise Refusal(Because.NO_SUCH_SITE, f"there is no EdgeSite {site.namespace}/{site.name}") from error
        except Forbidden as error:
            log.warning("no right to the status of EdgeSites in namespace %s: %s", site.namespace, error)
            raise Refusal(Because.NOT_ALLOWED, f"namespace {site.namespace} is not served here") from error
        except KubeError as error:
            log.warning("EdgeSite %s/%s: %s: %s", site.namespace, site.name, type(error).__name__, error)
            raise Refusal(Because.BUSY, "not now", retry_after_seconds=RETRY_AFTER_SECONDS) from error

    async def _take(self, site: ReportingSite, remembered: Remembered, report: Report) -> bool:
        now, live = self._clock(), None
        if remembered.taken is None:
            live = await self._live(site)
            remembered.taken = _taken_before(live)
        taken, skew = remembered.taken, clock_skew_seconds(report, now)
        if taken is not None:
            refuse_old(taken, report)
            if not is_news(taken, report, skew, now):
                remembered.taken = heard(taken, report)
                return False
        await self._write(site, site_report(report, skew, now), live)
        remembered.taken = written(taken, report, skew, now)
        return True

    async def _live(self, site: ReportingSite) -> Manifest:
        live = await self._statuses.get_status(EDGE_SITES, site.namespace, site.name)
        if live["metadata"]["uid"] != site.uid:
            raise Refusal(Because.NO_SUCH_SITE, f"EdgeSite {site.namespace}/{site.name} has been made anew")
        return live

    async def _write(self, site: ReportingSite, report: SiteReport, live: Manifest | None) -> None:
        for left in reversed(range(TRIES)):
            version = (live or await self._live(site))["metadata"]["resourceVersion"]
            try:
                await self._statuses.apply_status(_manifest(site, report, version), manager=MANAGER)
            except Conflict:
                if not left:
                    raise
                live = None
            else:
                return


def _taken_before(live: Manifest) -> Taken | None:
    try:
        report = read(live, EdgeSite).status.report
    except InvalidObject as error:  # another release wrote it
        log.info("what was reported before cannot be read: %s", error)
        return None
    return taken_by(report) if report else None


def _manifest(site: ReportingSite, report: SiteReport, version: str) -> Manifest:
    return {
        "apiVersion": EDGE_SITES.api_version,
        "kind": EDGE_SITES.name,
        "metadata": {"name": site.name, "namespace": site.namespace, "resourceVersion": version},
        "status": {"report": said_status(report)},
    }
