"""What users copy: every example is taken by a real API server, as it stands."""

import random
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgeglm_operator.cli import main as edgeglm
from tests.chart.kubectl import Kubectl
from tests.chart.rendering import CHART, ROOT, of_kind, render

EXAMPLES = ROOT / "examples"
APPLIED = ("plant", "gpu", "scenes")
OURS = {"InferenceService": "infsvc", "SensorGraph": "sgraph", "EdgeSite": "esite"}
APPLICATIONS = sorted((EXAMPLES / "argocd").glob("*.yaml"))

Manifest = dict[str, Any]


def manifests(directory: str) -> list[Manifest]:
    """All objects of an example, in the order in which `kubectl apply -f DIRECTORY` takes them."""
    texts = [path.read_text() for path in sorted((EXAMPLES / directory).glob("*.yaml"))]
    return [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]


@pytest.fixture(params=APPLIED)
def example(request: pytest.FixtureRequest, installed: Kubectl) -> Iterator[str]:
    """An example's directory; what was applied of it is taken away again."""
    yield request.param
    installed.run("delete", "--ignore-not-found", "-f", str(EXAMPLES / request.param), "--timeout=60s")


@pytest.mark.cluster
def test_an_example_is_applied_in_one_command(example: str, installed: Kubectl) -> None:
    installed.run("apply", "--server-side", "-f", str(EXAMPLES / example))
    for wanted in manifests(example):
        if wanted["kind"] in OURS:
            name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
            live = installed.get(OURS[wanted["kind"]], name, namespace)
            assert live["metadata"]["generation"] == 1


@pytest.mark.cluster
def test_an_example_is_applied_on_the_client_side_too(example: str, installed: Kubectl) -> None:
    """`kubectl apply` without --server-side keeps a copy of each object in an annotation."""
    installed.run("apply", "-f", str(EXAMPLES / example))
    installed.run("apply", "-f", str(EXAMPLES / example), "--dry-run=server")


@pytest.mark.parametrize("directory", APPLIED)
def test_an_example_is_valid_offline_too(directory: str, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(path) for path in sorted((EXAMPLES / directory).glob("*.yaml"))]
    assert edgeglm(["validate", "--file", *paths]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("directory", APPLIED)
def test_an_example_opens_its_namespace_as_the_chart_asks(directory: str) -> None:
    namespaces = {
        each["metadata"]["name"]: each["metadata"]["labels"] for each in of_kind(manifests(directory), "Namespace")
    }
    assert {each["metadata"]["namespace"] for kind in OURS for each in of_kind(manifests(directory), kind)} == set(
        namespaces
    )
    for labels in namespaces.values():
        assert labels["edgeglm.io/edge"] == "allowed"
        assert labels["pod-security.kubernetes.io/enforce"] == "privileged"


@pytest.mark.parametrize("directory", APPLIED)
def test_an_example_keeps_to_the_chart_s_default_lists(directory: str) -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())["edge"]
    for service in of_kind(manifests(directory), "InferenceService"):
        for target in service["spec"].get("edge", []):
            path = target.get("model", service["spec"]["model"])["uri"].removeprefix("file://")
            assert any(path.startswith(prefix) for prefix in defaults["hostPathPrefixes"])
            assert any(each["from"] <= target["port"] <= each["to"] for each in defaults["hostPorts"])


def test_the_graph_of_the_plant_asks_a_service_and_a_site_that_are_there() -> None:
    plant = manifests("plant")
    [graph] = of_kind(plant, "SensorGraph")
    [site] = of_kind(plant, "EdgeSite")
    services = {each["metadata"]["name"] for each in of_kind(plant, "InferenceService")}
    assert graph["spec"]["reasoning"]["serviceRef"]["name"] in services
    assert graph["spec"]["broker"]["url"] == "mqtt://${site.broker}"
    assert "broker" in site["spec"]["parameters"]
    assert graph["spec"]["sites"]["nodeNames"] == [site["spec"]["nodeName"]]


def test_the_simulated_plant_speaks_as_the_graph_listens() -> None:
    """simulate.py and the SensorGraph meet on topics and payloads only, so a slip would show as silence."""
    [graph] = of_kind(manifests("plant"), "SensorGraph")
    sources = {re.sub(r"\{\w+\}", "[^/]+", each["topic"]): each for each in graph["spec"]["sources"]}
    simulate = runpy.run_path(str(EXAMPLES / "plant" / "simulate.py"))
    heard = set()
    for topic, payload in simulate["readings"](random.Random(1), at=1e9, since_bad=0.0):  # noqa: S311 - noise
        [source] = [each for pattern, each in sources.items() if re.fullmatch(pattern, topic)]
        [measurement] = source["measurements"]
        fields = {measurement["path"], source["timestamp"]["path"]}
        assert {f"$.{field}" for field in payload} == fields
        value = payload[measurement["path"].removeprefix("$.")]
        assert measurement["min"] < value < measurement["limits"]["high"], "it begins well"
        heard.add(source["name"])
    assert heard == {source["name"] for source in graph["spec"]["sources"]}


@pytest.mark.parametrize("path", APPLICATIONS, ids=lambda path: path.stem)
def test_an_application_is_one_of_argo_cd(path: Path) -> None:
    """Its CRD is not at hand; this much every version of it asks."""
    application = yaml.safe_load(path.read_text())
    assert (application["apiVersion"], application["kind"]) == ("argoproj.io/v1alpha1", "Application")
    assert set(application["spec"]) == {"project", "source", "destination", "syncPolicy"}
    assert {"repoURL", "targetRevision", "path"} <= set(application["spec"]["source"])
    assert "ServerSideApply=true" in application["spec"]["syncPolicy"]["syncOptions"]


def test_the_operator_s_application_renders_the_chart() -> None:
    source = yaml.safe_load((EXAMPLES / "argocd" / "operator.yaml").read_text())["spec"]["source"]
    assert ROOT / source["path"] == CHART
    assert of_kind(render(source["helm"]["valuesObject"]), "Deployment")
