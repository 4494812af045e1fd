"""The status of the three kinds: what is true, what is unknown as yet, and what somebody must look at."""

from typing import Any, Final

import msgspec
import pytest

from edgeglm_api.bundle import digest
from edgeglm_api.conditions import Condition
from edgeglm_api.model import write
from edgeglm_operator.observed import Container, Node
from edgeglm_operator.reconcile.compile import compile_bundle, renumbered
from edgeglm_operator.reconcile.placement import Place
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.status.edge_site import SiteView, edge_site_status
from edgeglm_operator.reconcile.status.inference_service import ServiceView, SiteReplica, inference_service_status
from edgeglm_operator.reconcile.status.sensor_graph import GraphSite, GraphView, sensor_graph_status
from edgeglm_operator.reconcile.status.verdict import Workload
from tests.unit.operator.builders import (
    NOW,
    a_deployment,
    a_node,
    a_pod,
    a_sensor_graph,
    a_target,
    an_edge_site,
    an_inference_service,
)

SERVING = Workload(deployment=a_deployment(ready=1))
STARTING = Workload(
    deployment=a_deployment(),
    pods=(a_pod(Container(name="engine", running=True, running_since="2026-11-22T11:59:00Z")),),
)
CRASHING = Workload(
    deployment=a_deployment(), pods=(a_pod(Container(name="engine", ended=True, exit_code=1, ended_message="boom")),)
)
CRASHING_FOR_LONG = Workload(
    deployment=a_deployment(),
    pods=(a_pod(Container(name="engine", ended=True, exit_code=1), created="2026-11-20T00:00:00Z"),),
)
STUCK = Workload(deployment=a_deployment(progress_deadline_exceeded=True))
REFUSED = Workload(refused=Refused("HostPortConflict", "port 8000 is taken"))
DARK = a_node(ready=False)

CLOUD = an_inference_service(cloud={"replicas": 1})
EDGE = an_inference_service(edge=[a_target(nodes=("box-1", "box-2", "box-3"))])
BOTH = an_inference_service(cloud={"replicas": 1}, edge=[a_target(nodes=("box-1", "box-2"))])


def sites(*found: tuple[Node, Workload]) -> tuple[SiteReplica, ...]:
    return tuple(
        SiteReplica(place=Place("plants", f"box-{number}"), node=node, workload=workload)
        for number, (node, workload) in enumerate(found, start=1)
    )


def told(conditions: tuple[Condition, ...]) -> dict[str, tuple[str, str]]:
    return {condition.type: (condition.status, condition.reason) for condition in conditions}


def message(conditions: tuple[Condition, ...], kind: str = "Ready") -> str:
    return next(condition.message for condition in conditions if condition.type == kind)


@pytest.mark.parametrize(
    ("workload", "status", "reason", "says"),
    [
        (Workload(), "Unknown", "Pending", "being made"),
        (STARTING, "Unknown", "Starting", "0 of 1 replicas ready; it is loading on node box-1"),
        (SERVING, "True", "Serving", "1 of 1 replicas ready"),
        (CRASHING, "Unknown", "CrashLoop", "boom"),
        (CRASHING_FOR_LONG, "False", "CrashLoop", "exit status 1"),
        (STUCK, "False", "ProgressDeadlineExceeded", "0 of 1 replicas ready"),
        (REFUSED, "False", "HostPortConflict", "port 8000 is taken"),
        (
            Workload(deployment=a_deployment(pods_refused='pods "llm" is forbidden: violates PodSecurity')),
            "False",
            "PodsRefused",
            "violates PodSecurity",
        ),
        (Workload(deployment=a_deployment(replicas=0)), "True", "ScaledToZero", "no replica is asked for"),
        (
            Workload(deployment=a_deployment(replicas=2, ready=2, updated=1)),
            "Unknown",
            "RollingOut",
            "2 of 2 replicas ready, 1 of the current spec",
        ),
    ],
)
def test_the_cloud_part_is_unknown_while_it_may_come_and_false_when_somebody_must_look(
    workload: Workload, status: str, reason: str, says: str
) -> None:
    made = inference_service_status(CLOUD, ServiceView(cloud=workload), NOW)
    assert told(made.conditions)["Ready"] == told(made.conditions)["CloudReady"] == (status, reason)
    assert says in message(made.conditions)
    assert made.cloud is not None
    assert (made.cloud.reason, says in made.cloud.message) == (reason, True)


@pytest.mark.parametrize(
    ("activator", "who"),
    [("HTTPAddon", "the next request for host llm.plant.svc"), ("External", "by scaling Deployment llm")],
)
def test_of_replicas_that_all_sleep_it_is_told_who_wakes_them(activator: str, who: str) -> None:
    autoscaling = {"maxReplicas": 4, "scaleToZero": {"activator": activator}}
    service = an_inference_service(cloud={"autoscaling": autoscaling})
    made = inference_service_status(service, ServiceView(cloud=Workload(deployment=a_deployment(replicas=0))), NOW)
    assert told(made.conditions)["Ready"] == ("True", "ScaledToZero")
    assert "no replica runs" in message(made.conditions)
    assert who in message(made.conditions)


def test_of_several_pods_the_one_that_tells_most_is_told() -> None:
    starting, crashing = STARTING.pods[0], CRASHING.pods[0]
    waiting = a_pod(scheduled=False, scheduling_message="0/1 nodes are available: 1 Insufficient cpu.")
    for pods in ((starting, waiting, crashing), (crashing, waiting, starting)):
        workload = Workload(deployment=a_deployment(replicas=3), pods=pods)
        made = inference_service_status(CLOUD, ServiceView(cloud=workload), NOW)
        assert told(made.conditions)["Ready"] == ("Unknown", "CrashLoop")


@pytest.mark.parametrize(
    ("found", "status", "reason", "counts"),
    [
        ([(a_node(), SERVING)] * 3, "True", "Serving", (3, 3, 0, 0, 0)),
        ([(a_node(), SERVING), (DARK, SERVING), (DARK, STARTING)], "True", "Serving", (3, 1, 2, 0, 0)),
        ([(a_node(), SERVING), (a_node(), STARTING), (DARK, SERVING)], "Unknown", "Starting", (3, 1, 1, 1, 0)),
        (
            [(a_node(), CRASHING_FOR_LONG), (a_node(), STARTING), (a_node(), SERVING)],
            "False",
            "CrashLoop",
            (3, 1, 0, 1, 1),
        ),
        ([(a_node(), REFUSED), (a_node(), SERVING), (a_node(), SERVING)], "False", "HostPortConflict", (3, 2, 0, 0, 1)),
        ([(DARK, REFUSED), (a_node(), SERVING), (a_node(), SERVING)], "False", "HostPortConflict", (3, 2, 0, 0, 1)),
        ([(DARK, SERVING)] * 3, "Unknown", "SiteDisconnected", (3, 0, 3, 0, 0)),
        ([], "False", "NoSites", (0, 0, 0, 0, 0)),
    ],
)
def test_every_connected_site_must_serve_and_dark_ones_are_counted(
    found: list[tuple[Node, Workload]], status: str, reason: str, counts: tuple[int, ...]
) -> None:
    made = inference_service_status(EDGE, ServiceView(sites=sites(*found)), NOW)
    assert told(made.conditions)["Ready"] == told(made.conditions)["EdgeReady"] == (status, reason)
    seen = made.edge[0].sites
    assert (seen.desired, seen.serving, seen.disconnected, seen.updating, seen.failed) == counts
    assert made.edge[0].reason == reason


LEAVING = Workload(deployment=a_deployment(replicas=0), pods=(a_pod(ready=True, deleting=True),))
AT_REST = Workload(deployment=a_deployment(replicas=0), pods=(a_pod(phase="Failed"),))


@pytest.mark.parametrize(
    ("cloud", "edge", "ready", "counts"),
    [
        (AT_REST, ((a_node(), AT_REST), (a_node(), AT_REST)), ("False", "Suspended"), (2, 0, 0, 0, 0)),
        (LEAVING, ((a_node(), AT_REST), (a_node(), AT_REST)), ("Unknown", "Suspending"), (2, 0, 0, 0, 0)),
        (AT_REST, ((a_node(), LEAVING), (a_node(), AT_REST)), ("Unknown", "Suspending"), (2, 0, 0, 1, 0)),
        (AT_REST, ((DARK, LEAVING), (a_node(), AT_REST)), ("False", "Suspended"), (2, 0, 1, 0, 0)),
        (AT_REST, ((DARK, LEAVING), (DARK, LEAVING)), ("False", "Suspended"), (2, 0, 2, 0, 0)),
        (REFUSED, ((a_node(), AT_REST), (a_node(), AT_REST)), ("False", "HostPortConflict"), (2, 0, 0, 0, 0)),
    ],
)
def test_a_suspended_service_says_so_once_its_pods_are_gone_and_counts_no_site_as_failed(
    cloud: Workload, edge: tuple[tuple[Node, Workload], ...], ready: tuple[str, str], counts: tuple[int, ...]
) -> None:
    service = an_inference_service(suspend=True, cloud={"replicas": 3}, edge=[a_target(nodes=("box-1", "box-2"))])
    made = inference_service_status(service, ServiceView(cloud=cloud, sites=sites(*edge)), NOW)
    assert told(made.conditions)["Ready"] == ready
    seen = made.edge[0].sites
    assert (seen.desired, seen.serving, seen.disconnected, seen.updating, seen.failed) == counts


def test_a_suspended_service_says_how_to_go_on() -> None:
    made = inference_service_status(an_inference_service(suspend=True), ServiceView(cloud=AT_REST), NOW)
    assert message(made.conditions) == "InferenceService llm is suspended; set its spec.suspend to false to go on"


def test_a_service_whose_sites_are_all_dark_is_ready_by_its_cloud_part() -> None:
    made = inference_service_status(
        BOTH, ServiceView(cloud=SERVING, sites=sites((DARK, SERVING), (DARK, SERVING))), NOW
    )
    assert told(made.conditions)["Ready"] == ("True", "Serving")
    assert told(made.conditions)["EdgeReady"] == ("Unknown", "SiteDisconnected")
    assert message(made.conditions) == (
        "1 of 1 replicas ready; spec.edge[plants]: 0 of 2 sites serve, 2 disconnected; node box-1 has not been heard"
        " since 2026-11-22T11:00:00Z; it may well be serving"
    )


@pytest.mark.parametrize(
    ("cloud", "edge", "ready"),
    [
        (SERVING, SERVING, ("True", "Serving")),
        (SERVING, STARTING, ("Unknown", "Starting")),
        (STARTING, CRASHING_FOR_LONG, ("False", "CrashLoop")),
        (STUCK, SERVING, ("False", "ProgressDeadlineExceeded")),
    ],
)
def test_ready_is_what_needs_most_care(cloud: Workload, edge: Workload, ready: tuple[str, str]) -> None:
    found = sites((a_node(), edge), (a_node("box-2"), edge))
    made = inference_service_status(BOTH, ServiceView(cloud=cloud, sites=found), NOW)
    assert told(made.conditions)["Ready"] == ready


def test_without_sight_of_nodes_the_edge_says_so_and_the_cloud_goes_on() -> None:
    made = inference_service_status(BOTH, ServiceView(cloud=SERVING, nodes_readable=False), NOW)
    assert told(made.conditions)["CloudReady"] == ("True", "Serving")
    assert told(made.conditions)["EdgeReady"] == ("False", "NodesNotReadable")
    assert "rbac.nodes" in message(made.conditions)


def test_a_refused_service_says_why_in_accepted_and_ready() -> None:
    refused = Refused("ReservedFlag", "spec.engine.extraArgs[0]: no")
    made = inference_service_status(CLOUD, ServiceView(refused=refused, cloud=SERVING), NOW)
    assert told(made.conditions)["Accepted"] == told(made.conditions)["Ready"] == ("False", "ReservedFlag")
    assert told(made.conditions)["CloudReady"] == ("True", "Serving")


@pytest.mark.parametrize(("workload", "progressing"), [(STARTING, "True"), (SERVING, "False"), (STUCK, "False")])
def test_progressing_is_true_while_something_is_on_its_way(workload: Workload, progressing: str) -> None:
    made = inference_service_status(CLOUD, ServiceView(cloud=workload), NOW)
    assert told(made.conditions)["Progressing"][0] == progressing


@pytest.mark.parametrize(("end", "status"), [("11:00", "Unknown"), ("14:00", "False")])
def test_a_download_is_not_late_while_its_window_is_closed(end: str, status: str) -> None:
    """By the deadline it is, of the pod and of its Deployment; but nobody has anything to do."""
    window = {"start": "10:00", "end": end, "timeZone": "UTC"}
    service = an_inference_service(edge=[a_target(download={"window": window})])
    going = Container(name="download-10", init=True, running=True, running_since="2026-11-20T00:00:00Z")
    pod = a_pod(going, Container(name="engine", waiting_reason="PodInitializing"), created="2026-11-20T00:00:00Z")
    late = Workload(deployment=a_deployment(progress_deadline_exceeded=True), pods=(pod,))
    made = inference_service_status(service, ServiceView(sites=sites((a_node(), late))), NOW)
    assert told(made.conditions)["Ready"] == (status, "Downloading")


def test_the_scale_subresource_finds_its_fields() -> None:
    workload = Workload(deployment=a_deployment(replicas=3, ready=2))
    made = inference_service_status(an_inference_service(cloud={"replicas": 3}), ServiceView(cloud=workload), NOW)
    assert made.cloud is not None
    assert (made.cloud.replicas, made.cloud.ready_replicas) == (3, 2)
    assert made.cloud.selector == "edgeglm.io/inference-service=llm,edgeglm.io/place=cloud"
    assert (made.url, made.model_name) == ("http://llm.plant.svc:8000", "llm")


def test_the_names_of_adapters_are_told() -> None:
    adapters = [{"name": "line-1", "uri": "hf://a/line-1"}, {"name": "line-2", "uri": "hf://a/line-2"}]
    service = an_inference_service(model={"uri": "hf://a/b", "adapters": adapters})
    assert inference_service_status(service, ServiceView(), NOW).adapters == ("line-1", "line-2")
    assert "adapters" not in write(inference_service_status(an_inference_service(), ServiceView(), NOW))


def test_a_status_that_did_not_change_is_equal_at_any_later_time() -> None:
    first = inference_service_status(CLOUD, ServiceView(cloud=SERVING), NOW)
    again = msgspec.structs.replace(CLOUD, status=first)
    assert inference_service_status(again, ServiceView(cloud=SERVING), "2026-11-23T00:00:00Z") == first
    assert all(condition.observed_generation == 3 for condition in first.conditions)
    assert all(condition.last_transition_time == NOW for condition in first.conditions)


def test_a_transition_has_its_own_time() -> None:
    later = "2026-11-22T13:00:00Z"
    first = inference_service_status(CLOUD, ServiceView(cloud=SERVING), NOW)
    then = inference_service_status(msgspec.structs.replace(CLOUD, status=first), ServiceView(cloud=STUCK), later)
    times = {condition.type: condition.last_transition_time for condition in then.conditions}
    assert (times["Ready"], times["Accepted"]) == (later, NOW)


def a_graph_site(node: Node | None = None, agent: Workload = SERVING, **rest: Any) -> GraphSite:
    return GraphSite(node=node or a_node(), **{"site": an_edge_site(), "agent": agent, **rest})


UNRESOLVED = Refused("UnresolvedParameter", "spec.broker.url asks for ${site.broker}")


@pytest.mark.parametrize(
    ("found", "ready", "accepted", "counts"),
    [
        ([a_graph_site()], ("True", "Serving"), ("True", "Accepted"), (1, 1, 0, 0)),
        ([a_graph_site(), a_graph_site(DARK)], ("True", "Serving"), ("True", "Accepted"), (2, 1, 0, 1)),
        ([a_graph_site(DARK)], ("Unknown", "SiteDisconnected"), ("True", "Accepted"), (1, 0, 0, 1)),
        ([a_graph_site(agent=STARTING)], ("Unknown", "Starting"), ("True", "Accepted"), (1, 0, 0, 0)),
        ([a_graph_site(site=None)], ("Unknown", "Pending"), ("True", "Accepted"), (1, 0, 0, 0)),
        (
            [a_graph_site(), a_graph_site(refused=UNRESOLVED)],
            ("False", "UnresolvedParameter"),
            ("False", "UnresolvedParameter"),
            (2, 1, 1, 0),
        ),
        ([], ("False", "NoSites"), ("True", "Accepted"), (0, 0, 0, 0)),
    ],
)
def test_a_graph_is_ready_where_the_agents_of_its_connected_sites_are(
    found: list[GraphSite], ready: tuple[str, str], accepted: tuple[str, str], counts: tuple[int, ...]
) -> None:
    made = sensor_graph_status(a_sensor_graph(), GraphView(sites=tuple(found)), NOW)
    assert told(made.conditions) == {"Ready": ready, "Accepted": accepted}
    assert (made.sites.desired, made.sites.ready, made.sites.rejected, made.sites.disconnected) == counts


@pytest.mark.parametrize(
    ("found", "ready"),
    [
        ([a_graph_site()], ("False", "Suspended")),
        ([a_graph_site(), a_graph_site(DARK)], ("False", "Suspended")),
        ([a_graph_site(DARK)], ("Unknown", "SiteDisconnected")),
        ([], ("False", "NoSites")),
    ],
)
def test_a_suspended_graph_says_so_where_it_is_seen(found: list[GraphSite], ready: tuple[str, str]) -> None:
    made = sensor_graph_status(a_sensor_graph(suspend=True), GraphView(sites=tuple(found)), NOW)
    assert told(made.conditions) == {"Ready": ready, "Accepted": ("True", "Accepted")}
    assert made.sites.ready == 0


WORDS: Final = {
    "name": "mode",
    "kind": "State",
    "topic": "plant/{machine}/mode",
    "entity": {"type": "Machine", "id": "{machine}"},
    "measurements": [{"property": "mode", "path": "$.mode", "type": "Enum"}],
}


@pytest.mark.parametrize(
    ("reasoning", "told"),
    [
        ({}, "nothing of it leaves the site, so the cloud is not asked: spec.reasoning.dataPolicy is absent"),
        ({"route": "EdgeOnly"}, ""),
        ({"dataPolicy": {"cloud": "Never"}}, ""),
        ({"dataPolicy": {"cloud": "Allowed"}}, ""),
    ],
)
def test_a_graph_that_is_kept_from_the_cloud_unasked_says_so(reasoning: dict[str, Any], told: str) -> None:
    graph = a_sensor_graph(sources=[WORDS], reasoning={"serviceRef": {"name": "llm"}, **reasoning})
    made = sensor_graph_status(graph, GraphView(sites=(a_graph_site(),)), NOW)
    (accepted,) = (each for each in made.conditions if each.type == "Accepted")
    assert (accepted.status, accepted.reason) == ("True", "Accepted")
    assert accepted.message.startswith(told)
    assert bool(accepted.message) is bool(told)


RESTING = a_graph_site(agent=AT_REST, site=an_edge_site(suspend=True))


@pytest.mark.parametrize(
    ("found", "ready", "says"),
    [
        ([a_graph_site(), RESTING], ("True", "Serving"), "its agent is ready at 1 of 2 sites, 1 suspended"),
        ([a_graph_site(agent=STARTING), RESTING], ("Unknown", "Starting"), "0 of 2 sites, 1 suspended; 0 of 1"),
        ([RESTING, RESTING], ("False", "Suspended"), "EdgeSite box-1 is suspended; set its spec.suspend to false"),
    ],
)
def test_a_suspended_site_is_counted_by_its_graphs_and_holds_none_up(
    found: list[GraphSite], ready: tuple[str, str], says: str
) -> None:
    made = sensor_graph_status(a_sensor_graph(), GraphView(sites=tuple(found)), NOW)
    assert told(made.conditions)["Ready"] == ready
    assert says in message(made.conditions)


def test_a_suspended_site_says_so_and_keeps_the_rest() -> None:
    made = edge_site_status(an_edge_site(suspend=True), SiteView(node=a_node(), agent=AT_REST), NOW)
    assert told(made.conditions) == {
        "Connected": ("True", "NodeReady"),
        "AgentReady": ("False", "Suspended"),
        "BundleComplete": ("True", "Complete"),
    }


def test_a_graph_without_sight_of_nodes_says_so() -> None:
    made = sensor_graph_status(a_sensor_graph(), GraphView(nodes_readable=False), NOW)
    assert told(made.conditions)["Ready"] == ("False", "NodesNotReadable")


@pytest.mark.parametrize(
    ("node", "agent", "connected", "ready"),
    [
        (a_node(), SERVING, ("True", "NodeReady"), ("True", "Serving")),
        (a_node(), STARTING, ("True", "NodeReady"), ("Unknown", "Starting")),
        (a_node(), None, ("True", "NodeReady"), ("True", "NotNeeded")),
        (DARK, SERVING, ("False", "SiteDisconnected"), ("Unknown", "SiteDisconnected")),
        (None, SERVING, ("False", "SiteDisconnected"), ("Unknown", "SiteDisconnected")),
    ],
)
def test_a_dark_site_is_disconnected_and_its_agent_is_not_called_failed(
    node: Node | None, agent: Workload | None, connected: tuple[str, str], ready: tuple[str, str]
) -> None:
    made = edge_site_status(an_edge_site(), SiteView(node=node, agent=agent), NOW)
    assert told(made.conditions)["Connected"] == connected
    assert told(made.conditions)["AgentReady"] == ready


def test_a_site_says_where_its_agent_can_be_asked() -> None:
    made = edge_site_status(an_edge_site(), SiteView(node=a_node(), agent=SERVING), NOW)
    assert "http://127.86.4.78:9464 on the node itself" in message(made.conditions, "AgentReady")


def test_a_site_says_what_it_should_hold_and_what_was_left_out() -> None:
    service = an_inference_service(edge=[a_target()])
    graphs = [a_sensor_graph("good"), a_sensor_graph("bad", broker={"url": "mqtt://${site.broker}"})]
    compiled = compile_bundle(an_edge_site(), a_node(), graphs, [service])
    bundle = renumbered(compiled.bundle, None)
    view = SiteView(node=a_node(), agent=SERVING, bundle=bundle, refusals=compiled.refusals)
    made = edge_site_status(an_edge_site(), view, NOW)
    assert write(made)["bundle"] == {"generation": 1, "sha256": digest(bundle), "graphs": 1}
    assert told(made.conditions)["BundleComplete"] == ("False", "UnresolvedParameter")
    assert message(made.conditions, "BundleComplete").startswith("SensorGraph bad: spec.broker.url asks for")


def test_a_site_whose_bundle_was_not_written_keeps_what_it_said_of_the_last_one() -> None:
    site = an_edge_site()
    bundle = renumbered(compile_bundle(site, a_node(), [], []).bundle, None)
    before = edge_site_status(site, SiteView(node=a_node(), bundle=bundle), NOW)
    known = msgspec.structs.replace(site, status=before)
    assert edge_site_status(known, SiteView(node=a_node()), NOW).bundle == before.bundle
