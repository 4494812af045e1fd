"""Where there is a receiver: each agent gets what it reports with, and what sites say is told in their conditions."""

from typing import Any

import pytest

from edgeglm_api.reporting_site import ReportingSite, epoch_of
from edgeglm_operator.kube.errors import Forbidden
from edgeglm_operator.kube.kinds import CONFIG_MAPS, DEPLOYMENTS, EDGE_SITES, INFERENCE_SERVICES, SECRETS, SENSOR_GRAPHS
from edgeglm_operator.resources.names import agent_name
from edgeglm_operator.settings import Reporting, Settings
from edgeglm_operator.workqueue import Key
from tests.reconcile.builders import PLANT, Manifest, a_sensor_graph, an_edge_node, an_inference_service
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

KEY = b"k" * 32
URL = "https://reports.example:8443"
ON = Settings(reporting=Reporting(url=URL, key=KEY, ca="PEM"))
ENDPOINT = {"url": "http://127.0.0.1:8000/v1", "model": "m"}


@pytest.fixture
def cluster() -> InMemoryCluster:
    """One edge node, and a graph for it."""
    cluster = InMemoryCluster()
    cluster.put(an_edge_node("box-1"))
    cluster.put(a_sensor_graph("line", "box-1", reasoning={"endpoint": ENDPOINT}))
    return cluster


def site(cluster: InMemoryCluster) -> Manifest:
    return cluster.live(EDGE_SITES, PLANT, "box-1") or {}


def agent(cluster: InMemoryCluster) -> Manifest:
    pod: Manifest = (cluster.live(DEPLOYMENTS, PLANT, agent_name("box-1")) or {})["spec"]["template"]["spec"]
    return pod


def condition(cluster: InMemoryCluster, type_: str) -> tuple[str, str]:
    found = {each["type"]: each for each in site(cluster)["status"]["conditions"]}[type_]
    return found["status"], found["reason"]


def reported(operator: OperatorInMemory, generation: int, **said: Any) -> Manifest:
    """What the receiver writes."""
    desired = site(operator.cluster)["status"]["bundle"]
    bundle = {"generation": generation, "sha256": desired["sha256"], "verdict": "Applied"} | said.pop("bundle", {})
    return {"receivedAt": operator.now, "bootID": "0" * 16, "sequence": 1, "bundle": bundle} | said


def put_report(operator: OperatorInMemory, report: Manifest) -> None:
    live = site(operator.cluster)
    operator.cluster.put({**live, "status": {**live["status"], "report": report}})


async def test_an_agent_gets_a_token_that_is_its_site_s_own(cluster: InMemoryCluster) -> None:
    await reconciled(cluster, ON)

    secret = cluster.live(SECRETS, PLANT, "box-1-report-1") or {}
    identity = ReportingSite(PLANT, "box-1", site(cluster)["metadata"]["uid"])
    assert epoch_of(secret["stringData"]["token"], identity, KEY) == 1
    assert secret["stringData"]["ca.crt"] == "PEM"
    assert secret["immutable"] is True
    assert secret["metadata"]["ownerReferences"][0]["kind"] == "EdgeSite"
    arguments = agent(cluster)["containers"][0]["args"]
    assert f"--report-url={URL}/v1/sites/plant/box-1/{identity.uid}/report" in arguments
    volumes = [each for each in agent(cluster)["volumes"] if each.get("secret")]
    assert [(each["secret"]["secretName"], each["secret"]["optional"]) for each in volumes] == [
        ("box-1-report-1", True)
    ]
    assert KEY.decode() not in str(cluster.objects)


async def test_secrets_are_created_and_nothing_else(cluster: InMemoryCluster) -> None:
    operator = await reconciled(cluster, ON)
    put_report(operator, reported(operator, 1))
    await operator.settle()
    await reconciled(cluster, ON)

    of_secrets = [verb for verb, kind, _ in cluster.requests if kind == SECRETS]
    assert of_secrets == ["create"]


async def test_one_that_is_there_stays_as_it_is(cluster: InMemoryCluster) -> None:
    there = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "box-1-report-1", "namespace": PLANT}}
    cluster.put({**there, "data": {"token": "b2xk"}})
    await reconciled(cluster, ON)
    assert (cluster.live(SECRETS, PLANT, "box-1-report-1") or {})["data"] == {"token": "b2xk"}
    assert agent(cluster)


async def test_another_epoch_is_another_secret_and_another_pod(cluster: InMemoryCluster) -> None:
    await reconciled(cluster, ON)
    await reconciled(cluster, Settings(reporting=Reporting(url=URL, key=KEY, epoch=2)))

    assert cluster.names(SECRETS) == ["box-1-report-1", "box-1-report-2"]
    volumes = [each["secret"]["secretName"] for each in agent(cluster)["volumes"] if each.get("secret")]
    assert volumes == ["box-1-report-2"]


async def test_switching_it_on_and_off_is_what_restarts_an_agent(cluster: InMemoryCluster) -> None:
    await reconciled(cluster)
    without = agent(cluster)
    await reconciled(cluster, Settings(agent_image="another"))
    assert agent(cluster) == without, "an upgrade does not"

    await reconciled(cluster, ON)
    with_reports = agent(cluster)
    assert with_reports != without
    renewed = Settings(agent_image="another", reporting=Reporting(url=URL, key=b"n" * 32, ca="renewed"))
    await reconciled(cluster, renewed)
    assert agent(cluster) == with_reports, "nor does another key or another authority of the same epoch"

    await reconciled(cluster)
    assert "report" not in {each["name"] for each in agent(cluster)["volumes"]}


async def test_a_deleted_token_is_made_again_by_the_next_process(cluster: InMemoryCluster) -> None:
    await reconciled(cluster, ON)
    del cluster.objects[SECRETS, next(name for kind, name in cluster.objects if kind == SECRETS)]
    await reconciled(cluster, ON)
    assert cluster.names(SECRETS) == ["box-1-report-1"]


async def test_where_secrets_may_not_be_made_it_is_said_and_the_running_agent_stays(cluster: InMemoryCluster) -> None:
    await reconciled(cluster)
    before = agent(cluster)

    def refuse(_: int) -> None:
        if cluster.requests[-1][:2] == ("create", SECRETS):
            raise Forbidden("secrets is forbidden", verb="create", resource="secrets")

    cluster.before = refuse
    await reconciled(cluster, ON)
    assert condition(cluster, "AgentReady") == ("False", "NotAllowed")
    assert agent(cluster) == before


async def test_what_a_site_says_is_told_and_left_alone(cluster: InMemoryCluster) -> None:
    operator = await reconciled(cluster, ON)
    assert condition(cluster, "BundleApplied") == ("Unknown", "NotReported")

    report = reported(operator, 1)
    put_report(operator, report)
    await operator.settle()

    assert condition(cluster, "BundleApplied") == ("True", "Applied")
    assert condition(cluster, "Healthy") == ("True", "Healthy")
    assert site(cluster)["status"]["report"] == report
    before = len(cluster.writes)
    await reconciled(cluster, ON)
    assert cluster.writes[before:] == [], "a restart writes nothing"


async def test_a_site_that_falls_silent_is_noticed_without_an_event(cluster: InMemoryCluster) -> None:
    operator = await reconciled(cluster, ON)
    put_report(operator, reported(operator, 1))
    await operator.settle()
    operator.now = "2026-01-01T00:10:00Z"
    operator.clock.seconds += 600
    await operator.settle()
    assert condition(cluster, "BundleApplied") == ("Unknown", "NotReporting")


async def test_numbers_of_a_report_wake_no_graph(cluster: InMemoryCluster) -> None:
    """A fleet reports all the time; a graph at a thousand sites must not be looked at for each."""
    operator = await reconciled(cluster, ON)
    put_report(operator, reported(operator, 1, spool={"usedBytes": 1}))
    await operator.settle()
    put_report(operator, reported(operator, 1, spool={"usedBytes": 9}))
    operator.deliver()
    assert due(operator) == {EDGE_SITES.name}
    put_report(operator, reported(operator, 1, bundle={"verdict": "Rejected", "reason": "Invalid"}))
    operator.deliver()
    assert due(operator) == {EDGE_SITES.name, SENSOR_GRAPHS.name}


def due(operator: OperatorInMemory) -> set[str]:
    """The kinds that are looked at now, and not only later."""
    return {key.kind for key, entry in operator.queue._waiting.items() if entry.due <= operator.clock()}


@pytest.fixture
async def verifying() -> OperatorInMemory:
    """An engine at a site, which the agent there is to ask eight things at once."""
    cluster = InMemoryCluster()
    cluster.put(an_edge_node("box-1"))
    edge = [{"name": "boxes", "sites": {"nodeNames": ["box-1"]}, "port": 8000}]
    cluster.put(an_inference_service("llm", edge=edge, verification={"concurrency": 8}))
    cluster.put(a_sensor_graph("line", "box-1"))
    return await reconciled(cluster, ON)


async def told_by_agent(operator: OperatorInMemory, **counts: int) -> dict[str, Manifest]:
    """The conditions of the service when the agent has found so much."""
    verification = {"concurrency": 8, **counts}
    engine = {"name": "llm-edge", "serving": True, "modelPresent": True, "verification": verification}
    put_report(operator, reported(operator, 1, engines=[engine]))
    await operator.settle()
    return conditions_of_llm(operator)


def conditions_of_llm(operator: OperatorInMemory) -> dict[str, Manifest]:
    live = operator.cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {}
    return {each["type"]: each for each in live["status"]["conditions"]}


async def test_what_agents_find_of_their_engines_gates_the_service(verifying: OperatorInMemory) -> None:
    bundle = (verifying.cluster.live(CONFIG_MAPS, PLANT, "box-1-bundle") or {})["data"]["bundle.json"]
    assert '"verifyAtOnce":8' in bundle
    assert "Verified" not in conditions_of_llm(verifying)

    found = await told_by_agent(verifying, answered=1, empty=7)
    assert (found["Verified"]["status"], found["Verified"]["reason"]) == ("False", "EmptyAnswers")
    assert found["Verified"]["message"].startswith("7 of 8 parallel requests came back empty")
    assert "at site box-1" in found["Verified"]["message"]
    assert found["Ready"]["status"] == "False"

    found = await told_by_agent(verifying, answered=8)
    assert (found["Verified"]["status"], found["Verified"]["reason"]) == ("True", "Verified")
    assert "replica answered 8 parallel requests" in found["Verified"]["message"]
    assert found["Ready"]["reason"] != "EmptyAnswers"


async def test_a_site_that_is_silent_says_nothing_of_its_engine_any_more(verifying: OperatorInMemory) -> None:
    assert (await told_by_agent(verifying, empty=8))["Verified"]["status"] == "False"
    verifying.now = "2026-01-01T00:20:00Z"
    verifying.queue.add(Key(INFERENCE_SERVICES.name, PLANT, "llm"))
    await verifying.settle()
    assert "Verified" not in conditions_of_llm(verifying)
