"""The chart's alerts, judged by Prometheus itself: each fires when it should, and keeps silent when it should."""

from typing import Final, NamedTuple

import pytest
import yaml

from tests.chart.rendering import CHART, ROOT
from tests.prometheus.promtool import Promtool

RULES: Final = CHART / "files" / "rules.yaml"
GROUPS: Final = yaml.safe_load(RULES.read_text())["groups"]
ALERTS: Final = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
GUIDE: Final = ROOT / "docs" / "guide" / "troubleshooting.md"

Labels = dict[str, str]

OPERATOR: Final = {"namespace": "edgeglm-system", "job": "edgeglm-system/edgeglm", "pod": "edgeglm-0"}
STANDBY: Final = OPERATOR | {"pod": "edgeglm-1"}
RECEIVER: Final = OPERATOR | {"pod": "edgeglm-receiver-0"}
AGENT: Final = {"instance": "box-1"}
ENGINE: Final = {"namespace": "plant", "edgeglm_io_inference_service": "llm", "model_name": "glm"}


def metric(name: str, target: Labels, **labels: str) -> str:
    said = ",".join(f'{label}="{value}"' for label, value in (target | labels).items())
    return f"{name}{{{said}}}"


def leads(target: Labels = OPERATOR) -> str:
    return metric("edgeglm_leader", target)


def reconciled(result: str) -> str:
    return metric("edgeglm_reconcile_total", OPERATOR, kind="EdgeSite", result=result)


def service(status: str, reason: str, target: Labels = OPERATOR) -> str:
    return metric("edgeglm_conditions", target, kind="InferenceService", type="Ready", status=status, reason=reason)


def graph(status: str, reason: str) -> str:
    return metric("edgeglm_conditions", OPERATOR, kind="SensorGraph", type="Ready", status=status, reason=reason)


def site(type_: str, status: str, reason: str) -> str:
    return metric("edgeglm_conditions", OPERATOR, kind="EdgeSite", type=type_, status=status, reason=reason)


def reports(result: str) -> str:
    return metric("edgeglm_receiver_reports_total", RECEIVER, result=result)


def agent(name: str, **labels: str) -> str:
    return metric(f"edgeglm_agent_{name}", AGENT, **labels)


def spool(raw_bytes: int) -> dict[str, str]:
    sizes = {"raw": raw_bytes, "ledger": 50, "cap": 1000}
    return {agent(f"spool_{part}_bytes"): f"{size}x400" for part, size in sizes.items()}


def dead() -> str:
    return agent("messages_total", graph="line", source="s", outcome="dead", reason="Malformed")


def answers(status: str) -> str:
    return agent("answers_total", graph="line", status=status)


NOT_READ: Final = metric("edgeglm_topologies_not_read", OPERATOR)
BROKER: Final = agent("broker_connected", broker="mqtt://b")
SENT_AWAY: Final = metric("vllm:admission_rejections_total", ENGINE, reason="max_num_queued_reqs")


class Case(NamedTuple):
    """Series in promtool's notation, a sample each 15 s, and when they are looked at."""

    alert: str
    at: str
    series: dict[str, str]


FIRE: Final = [
    Case("EdgeglmOperatorNotLeading", "6m", {leads(): "0x400", leads(STANDBY): "0x400"}),
    Case("EdgeglmOperatorNotLeading", "6m", {leads(): "1 stale"}),
    Case("EdgeglmReconcileErrors", "32m", {reconciled("error"): "0+1x400"}),
    Case(
        "EdgeglmServiceNotReady", "32m", {service("False", "ImagePull"): "1x400", service("True", "Serving"): "9x400"}
    ),
    # Another reason, or another service, does not begin it anew.
    Case(
        "EdgeglmServiceNotReady",
        "32m",
        {service("False", "ImagePull"): "1x80 stale", service("False", "CrashLoop"): "_x80 1x400"},
    ),
    Case(
        "EdgeglmServiceNotReady",
        "32m",
        {service("False", "ImagePull"): "1x400", service("False", "ImagePull", STANDBY): "1x400"},
    ),
    Case(
        "EdgeglmGraphNotReady", "32m", {graph("False", "InvalidTopology"): "1x400", graph("True", "Serving"): "9x400"}
    ),
    Case("EdgeglmSiteDark", "32m", {site("Connected", "False", "Disconnected"): "2x400"}),
    Case("EdgeglmSiteUnhealthy", "16m", {site("Healthy", "False", "SpoolBlocked"): "1x400"}),
    Case("EdgeglmSiteUnhealthy", "16m", {site("Healthy", "Unknown", "NotReporting"): "1x400"}),
    Case("EdgeglmSiteNeverReported", "62m", {site("Healthy", "Unknown", "NotReported"): "1x400"}),
    Case("EdgeglmBundleRefused", "16m", {site("BundleApplied", "False", "BundleRejected"): "1x400"}),
    Case("EdgeglmTopologiesNotRead", "32m", {NOT_READ: "2x400"}),
    Case("EdgeglmReportsRefused", "17m", {reports("BadToken"): "0+1x400"}),
    Case("EdgeglmReportsRefused", "17m", {reports("BadToken"): "0+1x400", reports("Heard"): "0+9x400"}),
    Case("EdgeglmSpoolNearlyFull", "11m", spool(800)),
    Case("EdgeglmSpoolBlocked", "6m", {agent("spool_blocked"): "1x400"}),
    Case("EdgeglmMessagesLost", "2m", {agent("messages_lost_total"): "0x4 1x400"}),
    Case("EdgeglmMessagesLost", "2m", {agent("books_balanced"): "0x400"}),
    Case("EdgeglmDeadLettersGrow", "32m", {dead(): "0+1x400"}),
    Case("EdgeglmAnswersExpire", "17m", {answers("Expired"): "0+1x400"}),
    Case("EdgeglmBrokerLost", "16m", {BROKER: "0x400"}),
    Case("EdgeglmEngineQueueFull", "6m", {SENT_AWAY: "0+1x400"}),
]

KEEP_SILENT: Final = [
    Case("EdgeglmOperatorNotLeading", "6m", {leads(): "0x400", leads(STANDBY): "1x400"}),
    # One hands over to the other.
    Case("EdgeglmOperatorNotLeading", "10m", {leads(): "1x8 0x4 1x40"}),
    Case("EdgeglmReconcileErrors", "20m", {reconciled("bug"): "0+1x400"}),
    Case("EdgeglmReconcileErrors", "32m", {reconciled("done"): "0+1x400"}),
    Case("EdgeglmServiceNotReady", "32m", {service("False", "ImagePull"): "1x80 stale"}),
    Case("EdgeglmServiceNotReady", "32m", {service("False", "Suspended"): "1x400"}),
    Case("EdgeglmGraphNotReady", "32m", {graph("False", "Suspended"): "1x400", graph("Unknown", "Starting"): "1x400"}),
    Case("EdgeglmSiteDark", "32m", {site("Connected", "True", "NodeReady"): "2x400"}),
    Case("EdgeglmSiteUnhealthy", "16m", {site("Healthy", "Unknown", "NotReported"): "1x400"}),
    Case("EdgeglmSiteUnhealthy", "16m", {site("Healthy", "Unknown", "AwaitingTurn"): "1x400"}),
    Case("EdgeglmSiteNeverReported", "62m", {site("Healthy", "Unknown", "AwaitingTurn"): "1x400"}),
    Case("EdgeglmSiteUnhealthy", "16m", {site("Healthy", "Unknown", "SiteDisconnected"): "1x400"}),
    Case("EdgeglmSiteUnhealthy", "16m", {site("Healthy", "False", "Suspended"): "1x400"}),
    Case("EdgeglmSiteNeverReported", "62m", {site("Healthy", "Unknown", "NotReporting"): "1x400"}),
    Case("EdgeglmBundleRefused", "16m", {site("BundleApplied", "False", "Suspended"): "1x400"}),
    Case("EdgeglmBundleRefused", "16m", {site("BundleApplied", "Unknown", "BundleOnItsWay"): "1x400"}),
    Case("EdgeglmTopologiesNotRead", "32m", {NOT_READ: "0x400"}),
    Case("EdgeglmReportsRefused", "17m", {reports("Heard"): "0+9x400"}),
    # Somebody who is no site, or a site of a poor line, beside many that are well.
    Case("EdgeglmReportsRefused", "17m", {reports("BadToken"): "0+1x400", reports("Heard"): "0+99x400"}),
    # The API server was away for two minutes.
    Case("EdgeglmReportsRefused", "17m", {reports("Busy"): "0+9x8 72x400", reports("Heard"): "0x8 0+9x400"}),
    # Nobody reports at all.
    Case("EdgeglmReportsRefused", "17m", {reports("BadToken"): "0x400", reports("Heard"): "0x400"}),
    Case("EdgeglmSpoolNearlyFull", "11m", spool(700)),
    Case("EdgeglmSpoolBlocked", "6m", {agent("spool_blocked"): "0x400"}),
    Case("EdgeglmMessagesLost", "30m", {agent("messages_lost_total"): "7x400", agent("books_balanced"): "1x400"}),
    Case("EdgeglmDeadLettersGrow", "32m", {dead(): "0x4 5x400"}),
    Case("EdgeglmAnswersExpire", "17m", {answers("Ok"): "0+1x400"}),
    Case("EdgeglmBrokerLost", "16m", {BROKER: "0x20 1x4 0x400"}),
    Case("EdgeglmEngineQueueFull", "6m", {SENT_AWAY: "5x400"}),
]


@pytest.mark.prometheus
def test_the_rules_have_no_fault(promtool: Promtool) -> None:
    assert promtool.check(RULES) == ""


@pytest.mark.prometheus
@pytest.mark.parametrize("case", FIRE, ids=lambda case: case.alert)
def test_it_fires(promtool: Promtool, case: Case) -> None:
    assert fired(promtool, case, samples=[{"labels": f'{{alertname="{case.alert}"}}', "value": 1}]) == ""


@pytest.mark.prometheus
@pytest.mark.parametrize("case", KEEP_SILENT, ids=lambda case: case.alert)
def test_it_keeps_silent(promtool: Promtool, case: Case) -> None:
    assert fired(promtool, case, samples=[]) == ""


def fired(promtool: Promtool, case: Case, *, samples: list[dict[str, object]]) -> str:
    """What promtool has against these being the alerts that fire."""
    # Without any leader its absence is told, whatever else the case is about.
    series = case.series if leads() in case.series else case.series | {leads(): "1x400"}
    expected = {
        "expr": f'count by (alertname) (ALERTS{{alertstate="firing",alertname="{case.alert}"}})',
        "eval_time": case.at,
        "exp_samples": samples,
    }
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [expected],
    }
    return promtool.test(test, rules=[RULES])


@pytest.mark.prometheus
def test_what_it_tells_is_a_sentence(promtool: Promtool) -> None:
    told = {
        "eval_time": "32m",
        "alertname": "EdgeglmDeadLettersGrow",
        "exp_alerts": [
            {
                "exp_labels": {"severity": "warning", "instance": "box-1", "graph": "line", "reason": "Malformed"},
                "exp_annotations": {
                    "summary": "For half an hour graph line at box-1 has had messages that it cannot read: Malformed.",
                    "runbook_url": "https://edgeglm.io/docs/guide/troubleshooting#edgeglmdeadlettersgrow",
                },
            }
        ],
    }
    test = {"interval": "15s", "input_series": [{"series": dead(), "values": "0+1x400"}], "alert_rule_test": [told]}
    assert promtool.test(test, rules=[RULES]) == ""


def test_each_is_shown_to_fire_and_to_keep_silent() -> None:
    for cases in (FIRE, KEEP_SILENT):
        assert {case.alert for case in cases} == set(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_each_leads_to_its_paragraph(alert: str) -> None:
    page, _, anchor = ALERTS[alert]["annotations"]["runbook_url"].partition("#")
    assert page == "https://edgeglm.io/docs/guide/troubleshooting"
    assert anchor == alert.lower()
    assert f"\n### {alert}\n" in GUIDE.read_text()


def test_the_guide_knows_no_alert_that_is_none() -> None:
    headings = [line.removeprefix("### ") for line in GUIDE.read_text().splitlines() if line.startswith("### Edgeglm")]
    assert headings == list(ALERTS)
