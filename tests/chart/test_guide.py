"""The user guide keeps up with the code."""

import re
from pathlib import Path

import pytest
import yaml

from edgeglm_operator.cli import main as edgeglm
from tests.chart.rendering import CHART, ROOT

GUIDE = ROOT / "docs" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
RECONCILE = ROOT / "operator" / "edgeglm_operator" / "reconcile"
SPEAKING = [*(RECONCILE / "status").glob("*.py"), RECONCILE / "refused.py", RECONCILE / "outcome.py"]
SPEAKING += [RECONCILE / "capacity.py", RECONCILE / "fit_check.py", RECONCILE.parent / "verification" / "judge.py"]
SPEAKING += [ROOT / "operator" / "edgeglm_api" / "report_health.py"]

# Other words in the same shape: condition types and values, good news, and what the kubelet says.
NOT_A_REASON = {
    *("Ready", "Accepted", "CloudReady", "EdgeReady", "CapacityFits", "KnativeFits", "Progressing", "Verified"),
    *("AutoscalingReady", "ActivatorReady", "RouteReady", "PoolReady", "MonitoringReady"),
    *("AbleToScale", "ScalingActive", "HPAActive", "Fallback", "Paused", "ResolvedRefs"),
    *("Connected", "AgentReady", "BundleComplete", "BundleApplied", "Healthy", "SitesInSync", "Rejected"),
    *("True", "False", "Unknown", "Disconnected", "Settled", "Complete", "NodeReady"),
    *("HTTPAddon", "External", "Knative", "Surge"),
    *("Failed", "Succeeded", "OOMKilled"),
    *("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"),
    *("RegistryUnavailable", "SignatureValidationFailed"),
    *("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
}


def test_troubleshooting_knows_every_reason() -> None:
    spoken = {word for path in SPEAKING for word in re.findall(r'"([A-Z][A-Za-z]+)"', path.read_text())}
    known = set(re.findall(r"`([A-Z][A-Za-z]+)`", (GUIDE / "troubleshooting.md").read_text()))
    assert spoken - NOT_A_REASON - known == set()


def test_troubleshooting_knows_no_reason_that_nobody_gives() -> None:
    spoken = {word for path in SPEAKING for word in re.findall(r'"([A-Z][A-Za-z]+)"', path.read_text())}
    rows = re.findall(r"^\| (`[^|]+`) \|", (GUIDE / "troubleshooting.md").read_text(), re.MULTILINE)
    assert {word for row in rows for word in re.findall(r"`([A-Za-z]+)`", row)} - spoken == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_install_speaks_of_values_that_exist() -> None:
    rows = re.findall(r"^\| ((?:`[^|]+`)) \|", (GUIDE / "install.md").read_text(), re.MULTILINE)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for name in (name for row in rows for name in re.findall(r"`([a-zA-Z]+(?:\.[a-zA-Z]+)*)`", row)):
        node = values
        for part in name.split("."):
            assert part in node, name
            node = node[part]


def test_the_guide_s_plan_is_the_plan_of_its_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (GUIDE / "serve.md").read_text()
    service, sample = (
        re.findall(pattern, text, re.DOTALL)[0]
        for pattern in (r"```yaml\n(.*?)```", r"\$ edgeglm plan -f service.yaml\n(.*?)```")
    )
    file = tmp_path / "service.yaml"
    file.write_text(service.replace("quantization: awq, ", ""))
    assert edgeglm(["plan", "--file", str(file)]) == 1
    assert capsys.readouterr().out == sample


def test_the_guide_s_question_is_one_that_a_graph_may_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the place of the example's own question, with a source that `Silence` can miss."""
    [shown] = re.findall(
        r"^## When the model is asked\n.*?```yaml\n(.*?)```",
        (GUIDE / "sensors.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    graph = yaml.safe_load((ROOT / "examples" / "plant" / "40-sensor-graph.yaml").read_text())
    asked = yaml.safe_load(shown)
    assert {"question", "reasoning", "output"} <= set(asked)
    graph["spec"] |= asked
    graph["spec"]["sources"][0]["expectEverySeconds"] = 60
    file = tmp_path / "graph.yaml"
    file.write_text(yaml.safe_dump(graph))
    assert edgeglm(["validate", "--file", str(file)]) == 0, capsys.readouterr().err
