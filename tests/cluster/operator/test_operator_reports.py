"""A site that reports: operator, receiver and agent as real processes with their own rights, on a real API server."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgeglm_api.bundle import BUNDLE_FILE, DIGEST_FILE, decode
from edgeglm_api.reporting_site import ReportingSite, report_path
from edgeglm_operator.resources.names import agent_name, bundle_name
from tests.chart.kubectl import Kubectl, Right
from tests.chart.rendering import RECEIVER, render
from tests.cluster.fixtures import AnyCluster
from tests.cluster.operator.chart import SYSTEM
from tests.cluster.operator.conftest import address_of, kubeconfig_for, launching
from tests.cluster.operator.objects import Scene, eventually
from tests.cluster.operator.receiver import ReceiverProcess
from tests.cluster.pki import Authority, make_authority
from tests.edge.agent_process import AgentProcess
from tests.edge.stub_engine import Scripted, StubEngine
from tests.reconcile.builders import a_sensor_graph, an_inference_service

pytestmark = pytest.mark.cluster

SECONDS = 120
"""An agent reports twice a minute."""
RIGHTS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding"}
SITES = "edgesites.edgeglm.io"
STATUS = "edgesites/status.edgeglm.io"
ENDPOINT = {"url": "http://127.0.0.1:8000/v1", "model": "m"}


@pytest.fixture(scope="module")
def reporting(installed: Kubectl) -> Iterator[Kubectl]:
    """The rights that the chart gives with a receiver; later modules take those of the operator back."""
    installed.apply([each for each in render(RECEIVER) if each["kind"] in RIGHTS])
    yield installed
    installed.apply([each for each in render() if each["kind"] in RIGHTS])


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path / "authority")


@pytest.fixture
def receiver(
    cluster: AnyCluster, reporting: Kubectl, authority: Authority, tmp_path: Path
) -> Iterator[ReceiverProcess]:
    """As the ServiceAccount that the chart makes for it."""
    token = reporting.run("create", "token", "edgeglm-receiver", "-n", SYSTEM, "--duration=1h").strip()
    server, ca = address_of(cluster.kubeconfig, tmp_path)
    config = kubeconfig_for(server, token)
    config["clusters"][0]["cluster"]["certificate-authority"] = str(ca)
    kubeconfig = tmp_path / "receiver.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    made = ReceiverProcess(kubeconfig, tmp_path, authority)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def scene(
    cluster: AnyCluster, receiver: ReceiverProcess, reporting: Kubectl, namespace: str, edge_node: str, tmp_path: Path
) -> Iterator[Scene]:
    """A graph at a site, and an operator that lets sites report."""
    scene = Scene(reporting, namespace)
    flags = (f"--report-url={receiver.url}", f"--report-key={receiver.key}", f"--report-ca={receiver.ca}")
    with launching(cluster, reporting, tmp_path) as launch:
        operator = launch(*flags, f"--watch-namespace={namespace}")
        operator.start()
        scene.apply(a_sensor_graph("line", edge_node, reasoning={"endpoint": ENDPOINT}))
        assert eventually(lambda: scene.get("deployment", agent_name(edge_node)), SECONDS), operator.log()
        yield scene


@pytest.fixture
def agent(scene: Scene, edge_node: str, tmp_path: Path) -> Iterator[AgentProcess]:
    """With the arguments of its pod, and the files that a kubelet would mount."""
    agent = AgentProcess(tmp_path / "agent")
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    for name, content in secret_of(scene, edge_node).items():
        (mounted / name).write_bytes(content)
    agent.options = tuple(
        each.replace("/etc/edgeglm/report", str(mounted)) for each in arguments_of(scene, edge_node) if "report" in each
    )
    put_bundle(agent, scene, edge_node)
    yield agent
    agent.end()


def test_what_a_site_says_reaches_its_status(
    agent: AgentProcess, scene: Scene, edge_node: str, receiver: ReceiverProcess
) -> None:
    """The bundle that it runs or refuses, that its broker is away, what it could not say while nobody listened."""
    assert eventually(lambda: scene.condition("esite", edge_node, "BundleApplied").get("status") == "Unknown", SECONDS)
    agent.start(ready=False)
    assert eventually(lambda: is_applied(scene, edge_node, 1), SECONDS), receiver.log() + agent.log.read_text()
    report = report_of(scene, edge_node)
    assert report["bundle"]["sha256"] == (scene.get("esite", edge_node) or {})["status"]["bundle"]["sha256"]
    assert abs(report["clockSkewSeconds"]) < 30
    assert eventually(lambda: "books" in report_of(scene, edge_node), SECONDS)
    assert report_of(scene, edge_node)["spool"]["capBytes"] > 0

    assert receiver.stop() == 0, receiver.log()
    scene.patch("sgraph", "line", {"spec": {"window": {"sizeSeconds": 30}}})
    assert eventually(lambda: condition(scene, edge_node, "BundleApplied")["reason"] == "BundleOnItsWay", SECONDS)
    put_bundle(agent, scene, edge_node)
    assert eventually(lambda: agent.status()["reports"]["failed"].get("Unreachable", 0) > 0, SECONDS)
    receiver.start()
    assert eventually(lambda: is_applied(scene, edge_node, 2), SECONDS), receiver.log()
    assert eventually(lambda: report_of(scene, edge_node).get("outage", {}).get("missed", 0) > 0, SECONDS)
    assert eventually(lambda: condition(scene, edge_node, "Healthy")["reason"] == "BrokerUnreachable", SECONDS)

    (agent.bundle_folder / DIGEST_FILE).write_text("0" * 64)
    assert eventually(lambda: condition(scene, edge_node, "BundleApplied")["reason"] == "BundleRejected", SECONDS)
    assert "DigestMismatch" in condition(scene, edge_node, "BundleApplied")["message"]
    assert eventually(lambda: scene.condition("sgraph", "line", "SitesInSync").get("status") == "False", SECONDS)
    assert agent.stop() == 0
    assert receiver.counted("BadToken") == 0


def test_an_engine_at_a_site_that_answers_only_the_first_of_many_is_found_out(
    agent: AgentProcess, scene: Scene, edge_node: str
) -> None:
    """Asked by the agent, told by its report, judged by the operator."""
    engine = StubEngine(lambda _: Scripted("one" if len(engine.asked) == 1 else ""))
    engine.model = "llm"
    engine.start()
    edge = [{"name": "boxes", "sites": {"nodeNames": [edge_node]}, "port": engine.port}]
    scene.apply(an_inference_service("llm", edge=edge, verification={"concurrency": 4}))
    scene.patch("sgraph", "line", {"spec": {"reasoning": {"endpoint": None, "serviceRef": {"name": "llm"}}}})
    bundle = bundle_name(edge_node)
    assert eventually(lambda: "verifyAtOnce" in (scene.get("configmap", bundle) or {})["data"][BUNDLE_FILE], SECONDS)
    put_bundle(agent, scene, edge_node)
    agent.start(ready=False)
    found = eventually(lambda: scene.condition("infsvc", "llm", "Verified").get("reason") == "EmptyAnswers", SECONDS)
    assert found, agent.log.read_text()
    told = scene.condition("infsvc", "llm", "Verified")["message"]
    assert told.startswith(
        f"3 of 4 parallel requests came back empty, with status 200 and no text, at site {edge_node}"
    )
    engine.stop()


def test_a_site_s_token_is_good_for_that_site_as_long_as_it_is_there(
    scene: Scene, edge_node: str, receiver: ReceiverProcess
) -> None:
    uid = (scene.get("esite", edge_node) or {})["metadata"]["uid"]
    token = secret_of(scene, edge_node)["token"].decode()
    site = ReportingSite(scene.namespace, edge_node, uid)
    body = {"apiVersion": "agent.edgeglm.io/v1", "bootID": "0" * 16, "sequence": 1, "sentAtMillis": 1}

    assert post(receiver, site, token, body) == 204
    assert post(receiver, site._replace(name="another"), token, body) == 401
    assert post(receiver, site, token, body | {"sequence": 1}) == 409
    assert report_of(scene, edge_node)["sequence"] == 1
    assert eventually(lambda: condition(scene, edge_node, "Healthy")["reason"] == "ClockSkew", SECONDS)
    managers = {each["manager"] for each in (shown(scene, edge_node))["metadata"]["managedFields"]}
    assert {"edgeglm-operator", "edgeglm-receiver"} <= managers

    scene.run("delete", "sgraph", "line")
    assert eventually(lambda: scene.get("esite", edge_node) is None, SECONDS)
    assert post(receiver, site, token, body | {"sequence": 2, "bootID": "1" * 16}) == 404


def test_receiver_and_operator_may_do_what_they_need_and_no_more(reporting: Kubectl, namespace: str) -> None:
    may = [Right("get", STATUS), Right("patch", STATUS)]
    may_not = [
        *(Right(verb, SITES) for verb in ("get", "list", "watch", "create", "update", "patch", "delete")),
        *(Right(verb, STATUS) for verb in ("update", "delete")),
        *(Right(verb, "secrets") for verb in ("get", "list", "watch", "create", "patch")),
        *(Right(verb, "sensorgraphs/status.edgeglm.io") for verb in ("get", "patch")),
        *(Right("list", kind) for kind in ("pods", "nodes", "configmaps", "deployments.apps")),
    ]
    found = reporting.rights(f"system:serviceaccount:{SYSTEM}:edgeglm-receiver", [*may, *may_not], namespace)
    assert found == dict.fromkeys(may, True) | dict.fromkeys(may_not, False)

    may = [Right("create", "secrets")]
    may_not = [Right(verb, "secrets") for verb in ("get", "list", "watch", "update", "patch", "delete")]
    found = reporting.rights(f"system:serviceaccount:{SYSTEM}:edgeglm", [*may, *may_not], namespace)
    assert found == dict.fromkeys(may, True) | dict.fromkeys(may_not, False)


def arguments_of(scene: Scene, site: str) -> list[str]:
    deployment = scene.get("deployment", agent_name(site)) or {}
    arguments: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return arguments


def secret_of(scene: Scene, site: str) -> dict[str, bytes]:
    """As the kubelet reads it."""
    data = (scene.get("secret", f"{site}-report-1") or {})["data"]
    return {name: base64.b64decode(value) for name, value in data.items()}


def put_bundle(agent: AgentProcess, scene: Scene, site: str) -> None:
    agent.configure(decode((scene.get("configmap", bundle_name(site)) or {})["data"][BUNDLE_FILE].encode()))


def condition(scene: Scene, site: str, type_: str) -> dict[str, Any]:
    return {"reason": "", "message": ""} | scene.condition("esite", site, type_)


def is_applied(scene: Scene, site: str, generation: int) -> bool:
    found = condition(scene, site, "BundleApplied")
    return (found["reason"], found["message"]) == ("Applied", f"generation {generation}")


def report_of(scene: Scene, site: str) -> dict[str, Any]:
    report: dict[str, Any] = (scene.get("esite", site) or {}).get("status", {}).get("report", {})
    return report


def shown(scene: Scene, site: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(scene.run("get", "esite", site, "-o", "json", "--show-managed-fields"))
    return found


def post(receiver: ReceiverProcess, site: ReportingSite, token: str, body: dict[str, Any]) -> int:
    url = receiver.url + report_path(site)
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310 - https
    try:
        context = ssl.create_default_context(cafile=receiver.ca)
        with urllib.request.urlopen(request, timeout=30, context=context) as response:  # noqa: S310
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
