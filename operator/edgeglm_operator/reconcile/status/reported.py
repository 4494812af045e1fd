"""What follows for a site's conditions from what it says of itself."""

from typing import Final

import msgspec

from edgeglm_api.edge_site import BundleStatus, SiteReport
from edgeglm_api.report_health import troubles
from edgeglm_operator.moment import seconds_between
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.status.verdict import DISCONNECTED, State, Verdict, dark

NOT_REPORTED: Final = "NotReported"
SILENT_SECONDS: Final = 600
"""A site that is heard has a report in its status that is five minutes old at most; one more may be lost."""


def silent_in(report: SiteReport | None, now: str) -> float | None:
    """How long until a site counts as silent, in seconds; None when it does by now."""
    if report is None:
        return None
    left = SILENT_SECONDS - seconds_between(report.received_at, now)
    return left if left > 0 else None


def heard(report: SiteReport | None, node: Node | None, now: str) -> SiteReport | Verdict:
    """The report, or what to say of a site that does not report."""
    if report is not None and silent_in(report, now) is not None:
        return report
    if node is None or not node.ready:
        return Verdict(State.DISCONNECTED, DISCONNECTED, dark(node))
    if report is None:
        return Verdict(State.PROGRESSING, NOT_REPORTED, f"its agent has not reported yet; {_CURE}")
    since = f"its node is heard, but its agent has not reported since {report.received_at}"
    return Verdict(State.PROGRESSING, "NotReporting", f"{since}; {_CURE}")


def bundle_applied(report: SiteReport, desired: BundleStatus | None) -> Verdict:
    """Whether the site runs what it should."""
    said, wanted = report.bundle, desired or BundleStatus()
    if said.verdict == "Rejected":
        kept = f"it goes on with generation {said.generation}" if said.generation else "it runs nothing"
        told = f"its agent refuses the bundle ({said.reason}), {kept}: {said.message}"
        return Verdict(State.FAILED, "BundleRejected", told)
    if said.generation < wanted.generation:
        runs = f"runs generation {said.generation}" if said.generation else "runs nothing yet"
        return Verdict(State.PROGRESSING, "BundleOnItsWay", f"it {runs}, and {wanted.generation} is on its way")
    if (said.generation, said.sha256) != (wanted.generation, wanted.sha256):
        theirs = f"generation {said.generation} ({said.sha256[:12]})"
        return Verdict(State.FAILED, "OtherBundle", f"it runs {theirs}, which this cluster did not make")
    if report.refused_graphs:
        refused = "; ".join(f"SensorGraph {each.graph}: {each.message}" for each in report.refused_graphs)
        told = f"its agent does not run all of generation {said.generation}: {refused}"
        return Verdict(State.FAILED, "GraphsRefused", told)
    return Verdict(State.SERVING, "Applied", f"generation {said.generation}")


def graph_applied(graph: str, report: SiteReport, desired: BundleStatus | None) -> Verdict:
    """Whether the site runs one graph as it should."""
    for each in report.refused_graphs:
        if each.graph == graph:
            return Verdict(State.FAILED, "GraphsRefused", f"its agent does not run it ({each.reason}): {each.message}")
    return bundle_applied(msgspec.structs.replace(report, refused_graphs=()), desired)


def healthy(report: SiteReport) -> Verdict:
    """Whether all is well at the site."""
    found = list(troubles(report, report.clock_skew_seconds))
    if not found:
        return Verdict(State.SERVING, "Healthy", "")
    return Verdict(State.FAILED, found[0].reason, "; ".join(trouble.message for trouble in found))


_CURE: Final = "see its log, and whether the receiver is reached from there"
