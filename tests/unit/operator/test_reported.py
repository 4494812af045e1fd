"""What a site's conditions say, when it says something itself."""

from typing import Any

import msgspec
import pytest

from edgeglm_api.bundle import Bundle, digest
from edgeglm_api.edge_site import BundleStatus, EdgeSite, SiteReport, Status
from edgeglm_api.report import AppliedBundle, BrokerCounts, RefusedGraph, SpoolUse
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.compile import compile_bundle, renumbered
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.status.edge_site import SiteView, edge_site_status
from edgeglm_operator.reconcile.status.reported import SILENT_SECONDS, silent_in
from edgeglm_operator.reconcile.status.sensor_graph import GraphSite, GraphView, sensor_graph_status
from edgeglm_operator.reconcile.status.verdict import Workload
from tests.unit.operator.builders import NOW, a_deployment, a_node, a_sensor_graph, an_edge_site

SERVING = Workload(deployment=a_deployment(ready=1))
DARK = a_node(ready=False)  # since 11:00
NOT_HEARD_BEFORE = "2026-11-22T11:49:59Z"


def a_bundle() -> Bundle:
    return renumbered(compile_bundle(an_edge_site(), a_node(), [], []).bundle, None)


def a_report(received_at: str = NOW, **said: Any) -> SiteReport:
    applied = AppliedBundle(generation=1, sha256=digest(a_bundle()), verdict="Applied", reason="Applied")
    envelope: dict[str, Any] = {"boot_id": "0" * 16, "sequence": 1, "received_at": received_at, "bundle": applied}
    return SiteReport(**(envelope | said))


def a_site(report: SiteReport | None, **spec: Any) -> EdgeSite:
    return msgspec.structs.replace(an_edge_site(**spec), status=Status(report=report))


def told(
    report: SiteReport | None, node: Node | None = None, *, agent: Workload | None = SERVING, **spec: Any
) -> dict[str, tuple[str, str, str]]:
    view = SiteView(node=node or a_node(), agent=agent, bundle=a_bundle(), reports=True)
    made = edge_site_status(a_site(report, **spec), view, NOW)
    assert made.report is None, "that part is the receiver's"
    return {each.type: (each.status, each.reason, each.message) for each in made.conditions}


@pytest.mark.parametrize(
    ("bundle", "status", "reason", "says"),
    [
        ({"generation": 1, "verdict": "Applied"}, "True", "Applied", "generation 1"),
        ({"generation": 0, "verdict": "None"}, "Unknown", "BundleOnItsWay", "it runs nothing yet, and 1 is on its way"),
        (
            {"generation": 0, "verdict": "Rejected", "reason": "Invalid", "message": "graphs[0]: no"},
            "False",
            "BundleRejected",
            "its agent refuses the bundle (Invalid), it runs nothing: graphs[0]: no",
        ),
        (
            {"generation": 1, "verdict": "Rejected", "reason": "TooLarge"},
            "False",
            "BundleRejected",
            "it goes on with generation 1",
        ),
        ({"generation": 9, "verdict": "Applied"}, "False", "OtherBundle", "which this cluster did not make"),
        ({"generation": 1, "verdict": "Applied", "sha256": "b" * 64}, "False", "OtherBundle", "generation 1 (bbbbbbbb"),
    ],
)
def test_a_site_runs_what_it_should_or_says_why_not(
    bundle: dict[str, Any], status: str, reason: str, says: str
) -> None:
    report = a_report(bundle=AppliedBundle(**({"sha256": digest(a_bundle())} | bundle)))
    assert told(report)["BundleApplied"][:2] == (status, reason)
    assert says in told(report)["BundleApplied"][2]


def test_an_older_generation_is_on_its_way_out() -> None:
    newer = msgspec.structs.replace(a_bundle(), generation=4)
    view = SiteView(node=a_node(), agent=SERVING, bundle=newer, reports=True)
    made = edge_site_status(a_site(a_report()), view, NOW)
    applied = next(each for each in made.conditions if each.type == "BundleApplied")
    assert (applied.status, applied.message) == ("Unknown", "it runs generation 1, and 4 is on its way")


def test_graphs_that_the_site_itself_refuses_are_named() -> None:
    refused = RefusedGraph(graph="line", reason="EndpointNotPinned", message="not there")
    condition = told(a_report(refused_graphs=(refused,)))["BundleApplied"]
    assert condition[:2] == ("False", "GraphsRefused")
    assert "SensorGraph line: not there" in condition[2]


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ({}, "True", "Healthy"),
        ({"spool": SpoolUse(blocked="full")}, "False", "SpoolBlocked"),
        ({"brokers": BrokerCounts(desired=1, reason="Unreachable")}, "False", "BrokerUnreachable"),
        ({"clock_skew_seconds": -3600}, "False", "ClockSkew"),
    ],
)
def test_a_site_is_healthy_or_says_what_is_wrong(said: dict[str, Any], status: str, reason: str) -> None:
    assert told(a_report(**said))["Healthy"][:2] == (status, reason)


@pytest.mark.parametrize(
    ("report", "node", "status", "reason"),
    [
        (None, a_node(), "Unknown", "NotReported"),
        (a_report(NOT_HEARD_BEFORE), a_node(), "Unknown", "NotReporting"),
        (a_report(NOT_HEARD_BEFORE), DARK, "Unknown", "SiteDisconnected"),
        (None, DARK, "Unknown", "SiteDisconnected"),
    ],
)
def test_of_a_site_that_is_silent_nothing_is_claimed(
    report: SiteReport | None, node: Node, status: str, reason: str
) -> None:
    for kind in ("BundleApplied", "Healthy"):
        assert told(report, node)[kind][:2] == (status, reason)


def test_reports_show_that_a_site_is_connected_whose_node_is_not_heard() -> None:
    connected = told(a_report(), DARK)["Connected"]
    assert connected[:2] == ("True", "Reporting")
    assert told(a_report("2026-11-22T10:59:00Z"), DARK)["Connected"][:2] == ("False", "SiteDisconnected")
    assert told(None, DARK)["Connected"][:2] == ("False", "SiteDisconnected")


def test_of_a_site_without_an_agent_or_suspended_nothing_is_asked() -> None:
    assert told(None, agent=None)["BundleApplied"][:2] == ("True", "NotNeeded")
    assert told(a_report(), suspend=True)["Healthy"][:2] == ("False", "Suspended")


def test_without_a_receiver_nothing_is_said_of_it() -> None:
    view = SiteView(node=a_node(), agent=SERVING, bundle=a_bundle())
    made = edge_site_status(a_site(a_report()), view, NOW)
    assert {each.type for each in made.conditions} == {"Connected", "AgentReady", "BundleComplete"}


def at(report: SiteReport | None, node: Node | None = None, **rest: Any) -> GraphSite:
    site = a_site(report)
    site = msgspec.structs.replace(site, status=msgspec.structs.replace(site.status, bundle=DESIRED))
    return GraphSite(node=node or a_node(), **{"site": site, "agent": SERVING, **rest})


DESIRED = BundleStatus(generation=1, sha256=digest(a_bundle()))
RUNS = at(a_report())
OLD = at(a_report(bundle=AppliedBundle(generation=0)))
SILENT = at(a_report(NOT_HEARD_BEFORE))
AWAY = at(a_report(NOT_HEARD_BEFORE), DARK)
REJECTS = at(a_report(bundle=AppliedBundle(verdict="Rejected", reason="Invalid", message="graphs[0]: no")))
REFUSES = at(a_report(refused_graphs=(RefusedGraph(graph="line-1", reason="EndpointNotPinned", message="no"),)))
REFUSES_ANOTHER = at(a_report(refused_graphs=(RefusedGraph(graph="another"),)))
UNCOMPILED = at(a_report(), refused=Refused("NoEndpoint", "nobody to ask"))
ASLEEP = at(None, site=a_site(None, suspend=True))


@pytest.mark.parametrize(
    ("found", "synced", "ready", "counts"),
    [
        ([RUNS, REFUSES_ANOTHER], ("True", "InSync"), "True", (2, 0, 0)),
        ([RUNS, OLD], ("Unknown", "BundleOnItsWay"), "True", (1, 1, 0)),
        ([RUNS, SILENT], ("Unknown", "NotReporting"), "True", (1, 1, 0)),
        ([RUNS, AWAY], ("True", "InSync"), "True", (1, 1, 0)),
        ([AWAY], ("Unknown", "SiteDisconnected"), "Unknown", (0, 1, 0)),
        ([RUNS, REJECTS], ("False", "BundleRejected"), "False", (1, 0, 1)),
        ([RUNS, REFUSES], ("False", "GraphsRefused"), "False", (1, 0, 1)),
        ([RUNS, UNCOMPILED], ("False", "NoEndpoint"), "False", (1, 0, 1)),
        ([RUNS, ASLEEP], ("True", "InSync"), "True", (1, 1, 0)),
        ([REJECTS, SILENT, OLD], ("False", "BundleRejected"), "False", (0, 2, 1)),
    ],
)
def test_a_graph_counts_the_sites_that_say_they_run_it(
    found: list[GraphSite], synced: tuple[str, str], ready: str, counts: tuple[int, int, int]
) -> None:
    made = sensor_graph_status(a_sensor_graph("line-1"), GraphView(sites=tuple(found), reports=True), NOW)
    conditions = {each.type: each for each in made.conditions}
    assert (conditions["SitesInSync"].status, conditions["SitesInSync"].reason) == synced
    assert conditions["Ready"].status == ready
    assert (made.sites.in_sync, made.sites.stale, made.sites.rejected) == counts
    assert sum(counts) == made.sites.desired


def test_a_graph_says_which_site_refuses_it_in_that_one_s_words() -> None:
    made = sensor_graph_status(a_sensor_graph("line-1"), GraphView(sites=(RUNS, REJECTS), reports=True), NOW)
    messages = {each.type: each.message for each in made.conditions}
    assert messages["SitesInSync"].startswith("1 of 2 sites say that they run these rules; box-1: its agent refuses")
    assert messages["SitesInSync"].endswith("graphs[0]: no")


def test_without_a_receiver_a_graph_claims_nothing_of_it() -> None:
    made = sensor_graph_status(a_sensor_graph("line-1"), GraphView(sites=(REJECTS,)), NOW)
    assert {each.type for each in made.conditions} == {"Ready", "Accepted"}
    assert (made.sites.in_sync, made.sites.stale) == (None, None)


def test_silence_is_noticed_when_it_begins() -> None:
    assert silent_in(a_report(), NOW) == SILENT_SECONDS
    assert silent_in(a_report("2026-11-22T11:50:01Z"), NOW) == 1
    assert silent_in(a_report("2026-11-22T11:50:00Z"), NOW) is None
    assert silent_in(None, NOW) is None
