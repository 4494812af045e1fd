"""What of a report goes into the status, in a form that is fit to be shown on a terminal."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from edgeglm_api.edge_site import SiteReport
from edgeglm_api.report import AppliedBundle, Engine, RefusedGraph, Report, SpoolUse, Standing

_MOST_SKEW_SECONDS: Final = 10 * 366 * 86_400
"""A clock without a battery is decades behind; more digits tell nothing."""
_UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"


def clock_skew_seconds(report: Report, now: float) -> int:
    """How far the site's clock is ahead of ours."""
    skew = round(report.sent_at_millis / 1000 - now)
    return max(-_MOST_SKEW_SECONDS, min(_MOST_SKEW_SECONDS, skew))


def site_report(report: Report, skew_seconds: int, now: float) -> SiteReport:
    """The report as the status has it."""
    said = {field: getattr(report, field) for field in Standing.__struct_fields__}
    said |= {
        "bundle": _shown_bundle(report.bundle),
        "refused_graphs": tuple(_shown_graph(each) for each in report.refused_graphs),
        "spool": _shown_spool(report.spool) if report.spool else None,
        "engines": tuple(_shown_engine(each) for each in report.engines),
    }
    serving = sum(engine.serving and engine.model_present for engine in report.engines)
    received_at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return SiteReport(**said, received_at=received_at, clock_skew_seconds=skew_seconds, engines_serving=serving)


def _shown_bundle(bundle: AppliedBundle) -> AppliedBundle:
    return msgspec.structs.replace(bundle, message=_printable(bundle.message))


def _shown_graph(graph: RefusedGraph) -> RefusedGraph:
    return msgspec.structs.replace(graph, message=_printable(graph.message))


def _shown_spool(spool: SpoolUse) -> SpoolUse:
    return msgspec.structs.replace(spool, blocked=_printable(spool.blocked))


def _shown_engine(engine: Engine) -> Engine:
    found = engine.verification
    verification = msgspec.structs.replace(found, said=_printable(found.said)) if found else None
    return msgspec.structs.replace(engine, model=_printable(engine.model), verification=verification)


def _printable(text: str) -> str:
    """Neither an escape sequence nor a mark that turns the direction of writing around reaches whoever looks."""
    return "".join(character if character.isprintable() else _UNPRINTABLE for character in text)
