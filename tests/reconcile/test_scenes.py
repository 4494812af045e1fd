"""What the operator makes of a world, whatever happened before: states of the world, not calls."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from edgeglm_api import labels
from edgeglm_api.bundle import BUNDLE_FILE, decode
from edgeglm_operator.kube.errors import Forbidden, InternalError, Invalid, KubeError
from edgeglm_operator.kube.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    EDGE_SITES,
    EVENTS,
    INFERENCE_SERVICES,
    NETWORK_POLICIES,
    NODES,
    SENSOR_GRAPHS,
    SERVICES,
    Kind,
)
from edgeglm_operator.store import Name
from edgeglm_operator.workqueue import LAST_RETRY_SECONDS
from tests.reconcile.builders import (
    PLANT,
    Manifest,
    a_downloading_pod,
    a_sensor_graph,
    an_edge_node,
    an_edge_site,
    an_edge_target,
    an_inference_service,
)
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

READY: Manifest = {"type": "Ready", "status": "Unknown", "reason": "RollingOut"}


@pytest.fixture
def cluster() -> InMemoryCluster:
    """Two edge nodes and nothing else."""
    cluster = InMemoryCluster()
    for node in ("box-1", "box-2"):
        cluster.put(an_edge_node(node))
    return cluster


def condition(cluster: InMemoryCluster, kind: Kind, name: str, type_: str) -> Manifest:
    found = cluster.live(kind, PLANT, name) or {}
    conditions = found.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == type_), {})


def edge_ready(cluster: InMemoryCluster, name: str = "llm") -> Manifest:
    return condition(cluster, INFERENCE_SERVICES, name, "EdgeReady")


async def test_a_cloud_part_makes_a_deployment_and_a_service(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service())
    await reconciled(cluster)

    assert cluster.names(DEPLOYMENTS) == ["llm"]
    assert cluster.names(SERVICES) == ["llm"]


class OlderCluster(InMemoryCluster):
    """One before Kubernetes 1.34: it drops what it does not know."""

    def admitted(self, manifest: Manifest) -> Manifest:
        """Without claims."""
        pod = manifest["spec"].get("template", {}).get("spec", {})
        known = {field: value for field, value in pod.items() if field != "resourceClaims"}
        known["volumes"] = [_known(volume) for volume in pod.get("volumes", ())]
        template = {"template": {**manifest["spec"]["template"], "spec": known}} if pod else {}
        return {**manifest, "spec": {**manifest["spec"], **template}}


def _known(volume: Manifest) -> Manifest:
    return volume if "image" not in volume else {"name": volume["name"], "emptyDir": {}}


class ClusterWithoutTheGate(InMemoryCluster):
    """Between Kubernetes 1.31 and 1.34: it knows image volumes, and does not allow them."""

    def admitted(self, manifest: Manifest) -> Manifest:
        """Nothing with such a volume."""
        if "template" in manifest["spec"]:
            raise Invalid("spec.template.spec.volumes[4]: Required value: must specify a volume type")
        return manifest


@pytest.mark.parametrize(
    ("cluster", "reason"),
    [
        (OlderCluster(), "ImagesNotMounted"),
        (ClusterWithoutTheGate(), "ImagesNotMounted"),
        (InMemoryCluster(), "RollingOut"),
    ],
)
async def test_a_cluster_that_mounts_no_images_is_told_of(cluster: InMemoryCluster, reason: str) -> None:
    """On the oldest ones its pods would run, on an empty directory."""
    cluster.put(an_inference_service(model={"uri": "oci://r.example/glm:1"}, cloud={"cache": {"imageVolume": {}}}))
    await reconciled(cluster)

    assert condition(cluster, INFERENCE_SERVICES, "llm", "CloudReady")["reason"] == reason


@pytest.mark.parametrize(
    ("cluster", "reason"), [(OlderCluster(), "ClaimsNotServed"), (InMemoryCluster(), "RollingOut")]
)
async def test_a_cluster_that_drops_claims_of_devices_is_told_of(cluster: InMemoryCluster, reason: str) -> None:
    """Its pods would run, without a device."""
    cluster.put(an_inference_service(cloud={"accelerator": {"claimTemplateName": "one-gpu"}}))
    await reconciled(cluster)

    assert condition(cluster, INFERENCE_SERVICES, "llm", "CloudReady")["reason"] == reason


async def test_a_model_too_large_for_its_accelerator_is_told_and_made_all_the_same(cluster: InMemoryCluster) -> None:
    """The sum is an estimate: it advises, and vLLM decides."""
    accelerator = {"count": 1, "memory": "16G"}
    model = {"uri": "hf://zai-org/glm-4-9b-chat-hf"}
    cluster.put(an_inference_service(preset="glm-4-9b-chat-hf@1", model=model, cloud={"accelerator": accelerator}))
    await reconciled(cluster)

    told = condition(cluster, INFERENCE_SERVICES, "llm", "CapacityFits")
    assert (told["status"], told["reason"]) == ("False", "TooLarge")
    assert cluster.names(DEPLOYMENTS) == ["llm"]
    status = (cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {})["status"]
    assert status["cloud"]["plan"]["weightsGiB"] == 18
    (engine,) = status["effectiveEngine"]
    assert {"name": "maxModelLen", "value": "32768", "from": "preset glm-4-9b-chat-hf@1"} in engine["settings"]


async def test_a_condition_tells_how_far_a_download_is(cluster: InMemoryCluster) -> None:
    """All that the operator sees of it is how containers of the pod ended."""
    cluster.put(an_inference_service())
    await reconciled(cluster)
    template = (cluster.live(DEPLOYMENTS, PLANT, "llm") or {})["spec"]["template"]
    cluster.put(a_downloading_pod(template))
    await reconciled(cluster)

    for kind in ("Ready", "CloudReady", "Progressing"):
        told = condition(cluster, INFERENCE_SERVICES, "llm", kind)
        assert told["reason"] == "Downloading"
        assert "25 % of 18.8 GB are there; at this pace all of it by 2026-11-28T12:00:00Z" in told["message"]
    assert condition(cluster, INFERENCE_SERVICES, "llm", "Ready")["status"] == "Unknown"


async def test_each_selected_node_gets_a_replica_and_a_site(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(edge=[an_edge_target("box-1", "box-2", "no-such-node")]))
    await reconciled(cluster)

    assert cluster.names(DEPLOYMENTS) == ["llm-sites-box-1", "llm-sites-box-2"]
    assert cluster.names(EDGE_SITES) == ["box-1", "box-2"]
    assert cluster.names(SERVICES) == []


async def test_a_site_without_graphs_has_neither_bundle_nor_agent(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(edge=[an_edge_target("box-1")]))
    await reconciled(cluster)

    assert cluster.names(CONFIG_MAPS) == []


async def test_a_node_that_is_not_of_the_edge_is_no_site(cluster: InMemoryCluster) -> None:
    node = an_edge_node("server")
    node["metadata"]["labels"] = {}
    cluster.put(node)
    cluster.put(an_inference_service(edge=[an_edge_target("server")]))
    await reconciled(cluster)

    assert cluster.names(DEPLOYMENTS) == []
    assert edge_ready(cluster)["reason"] == "NoSites"


async def test_an_empty_bundle_stays_when_the_last_graph_goes(cluster: InMemoryCluster) -> None:
    """Its generation must not begin anew, and KubeEdge loses a ConfigMap that is made anew."""
    cluster.put(an_edge_site("north", "box-1"))
    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT))
    await reconciled(cluster)
    cluster.remove(SENSOR_GRAPHS, PLANT, "line")
    await reconciled(cluster)

    assert cluster.names(CONFIG_MAPS) == ["north-bundle"]
    assert cluster.names(DEPLOYMENTS) == []
    assert generation(cluster, "north") == 2

    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT))
    await reconciled(cluster)
    assert generation(cluster, "north") == 3


@pytest.mark.parametrize("lost", ["config map", "status", "both"])
async def test_the_generation_survives_the_loss_of_either_record(cluster: InMemoryCluster, lost: str) -> None:
    cluster.put(an_edge_site("north", "box-1"))
    for size in (10, 20, 30):
        cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT, window={"sizeSeconds": size}))
        await reconciled(cluster)
    assert generation(cluster, "north") == 3

    if lost in {"config map", "both"}:
        cluster.remove(CONFIG_MAPS, PLANT, "north-bundle")
    if lost in {"status", "both"}:
        (cluster.live(EDGE_SITES, PLANT, "north") or {}).pop("status")
    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT, window={"sizeSeconds": 40}))
    await reconciled(cluster)

    assert generation(cluster, "north") == (1 if lost == "both" else 4)


async def test_the_generation_is_counted_from_the_server_not_from_the_store(cluster: InMemoryCluster) -> None:
    """The store is late: another process has counted on since."""
    cluster.put(an_edge_site("north", "box-1"))
    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT))
    late = await reconciled(cluster)
    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT, window={"sizeSeconds": 20}))
    await reconciled(cluster)
    assert generation(cluster, "north") == 2

    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT, window={"sizeSeconds": 30}))
    graph = cluster.live(SENSOR_GRAPHS, PLANT, "line")
    assert graph is not None
    late.feed.put(SENSOR_GRAPHS, graph)
    await late.controller._reconcilers[EDGE_SITES.name].reconcile(PLANT, "north")

    assert generation(cluster, "north") == 3


async def test_a_user_s_site_is_never_owned_labelled_or_deleted(cluster: InMemoryCluster) -> None:
    cluster.put(an_edge_site("north", "box-1"))
    cluster.put(an_inference_service(edge=[an_edge_target("box-1")]))
    await reconciled(cluster)
    cluster.remove(INFERENCE_SERVICES, PLANT, "llm")
    await reconciled(cluster)

    site = cluster.live(EDGE_SITES, PLANT, "north")
    assert site is not None
    assert site["metadata"].keys().isdisjoint({"labels", "ownerReferences", "annotations", "finalizers"})


async def test_the_operator_s_site_is_the_user_s_once_it_has_settings(cluster: InMemoryCluster) -> None:
    """Whoever is told of an unresolved parameter writes the EdgeSite of that name, which is there already."""
    cluster.put(an_inference_service(edge=[an_edge_target("box-1")]))
    await reconciled(cluster)
    before = (cluster.live(EDGE_SITES, PLANT, "box-1") or {})["metadata"]
    cluster.put(an_edge_site("box-1", "box-1", parameters={"broker": "10.0.0.1:1883"}))
    await reconciled(cluster)
    cluster.remove(INFERENCE_SERVICES, PLANT, "llm")
    await reconciled(cluster)

    site = cluster.live(EDGE_SITES, PLANT, "box-1")
    assert site is not None
    assert site["spec"]["parameters"] == {"broker": "10.0.0.1:1883"}
    assert site["metadata"]["uid"] == before["uid"]
    assert labels.MANAGED_BY in before["labels"]
    assert not any(site["metadata"].get(field) for field in ("labels", "ownerReferences", "annotations"))


async def test_a_site_with_settings_that_cannot_be_read_is_not_deleted(cluster: InMemoryCluster) -> None:
    """Of a newer CRD, say: what it holds is a user's in any case."""
    cluster.put(an_inference_service(edge=[an_edge_target("box-1")]))
    await reconciled(cluster)
    cluster.put(an_edge_site("box-1", "box-1", receive="OfANewerRelease", parameters={"broker": "10.0.0.1:1883"}))
    await reconciled(cluster)
    cluster.put(an_inference_service(edge=[an_edge_target("box-2")]))
    await reconciled(cluster)

    assert cluster.names(EDGE_SITES) == ["box-1", "box-2"]


async def test_a_site_is_let_go_though_its_user_applied_our_label_too(cluster: InMemoryCluster) -> None:
    """As whoever puts an exported EdgeSite into Git does."""
    cluster.put(an_inference_service(edge=[an_edge_target("box-1")]))
    await reconciled(cluster)
    exported = cluster.live(EDGE_SITES, PLANT, "box-1") or {}
    kept = {field: exported["metadata"][field] for field in ("name", "namespace", "labels", "ownerReferences")}
    spec = {"nodeName": "box-1", "parameters": {"broker": "10.0.0.1:1883"}}
    await cluster.apply({**exported, "metadata": kept, "spec": spec}, manager="argocd")
    await reconciled(cluster)
    cluster.remove(INFERENCE_SERVICES, PLANT, "llm")
    await reconciled(cluster)

    assert cluster.names(EDGE_SITES) == ["box-1"]


async def test_a_right_to_nodes_that_comes_back_is_told_where_there_is_no_node(cluster: InMemoryCluster) -> None:
    cluster.put(an_edge_site("north", "gone"))
    cluster.put(a_sensor_graph("line", "nowhere"))
    forbid(cluster, "list", NODES)
    operator = await reconciled(cluster)
    assert condition(cluster, EDGE_SITES, "north", "Connected")["reason"] == "NodesNotReadable"

    operator.store.nodes_watched = False
    cluster.heal()
    await operator.look()

    assert condition(cluster, EDGE_SITES, "north", "Connected")["reason"] == "SiteDisconnected"
    assert condition(cluster, SENSOR_GRAPHS, "line", "Ready")["reason"] != "NodesNotReadable"


async def test_a_site_called_like_another_node_is_left_alone(cluster: InMemoryCluster) -> None:
    """A user's site `box-2` stands for box-1: node box-2 gets none, and nothing is overwritten."""
    cluster.put(an_edge_site("box-2", "box-1"))
    cluster.put(an_inference_service(edge=[an_edge_target("box-1", "box-2")]))
    await reconciled(cluster)

    assert cluster.names(EDGE_SITES) == ["box-2"]
    assert (cluster.live(EDGE_SITES, PLANT, "box-2") or {})["spec"]["nodeName"] == "box-1"


async def test_a_site_that_the_server_refuses_keeps_no_other_waiting(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(edge=[an_edge_target("box-1", "box-2")]))
    refuse(cluster, "apply", "box-1", Invalid("its name is too long"), kind=EDGE_SITES)
    await reconciled(cluster)

    assert cluster.names(EDGE_SITES) == ["box-2"]


async def test_two_sites_for_one_node_have_one_agent(cluster: InMemoryCluster) -> None:
    for name in ("first", "second"):
        cluster.put(an_edge_site(name, "box-1"))
    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT))
    await reconciled(cluster)
    assert cluster.names(DEPLOYMENTS) == ["first-agent"]

    cluster.remove(EDGE_SITES, PLANT, "first")
    await reconciled(cluster)
    assert cluster.names(DEPLOYMENTS) == ["second-agent"]


async def test_without_sight_of_the_nodes_nothing_at_the_edge_is_touched(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(cloud={}, edge=[an_edge_target("box-1")]))
    cluster.put(a_sensor_graph("line", "box-1"))
    await reconciled(cluster)
    before = cluster.names(DEPLOYMENTS), cluster.names(EDGE_SITES)

    forbid(cluster, "list", NODES)
    cluster.put(an_inference_service(cloud={"replicas": 2}, edge=[an_edge_target("box-2")]))
    await reconciled(cluster)

    assert (cluster.names(DEPLOYMENTS), cluster.names(EDGE_SITES)) == before
    assert edge_ready(cluster)["reason"] == "NodesNotReadable"
    assert (cluster.live(DEPLOYMENTS, PLANT, "llm") or {})["spec"]["replicas"] == 2


async def test_a_site_says_that_its_node_is_out_of_sight_and_keeps_what_it_was_told(cluster: InMemoryCluster) -> None:
    cluster.put(an_edge_site("north", "box-1"))
    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT))
    await reconciled(cluster)
    before = (cluster.live(EDGE_SITES, PLANT, "north") or {})["status"]

    forbid(cluster, "list", NODES)
    cluster.put(an_edge_site("north", "box-1", maxConcurrency=3))
    await reconciled(cluster)

    site = cluster.live(EDGE_SITES, PLANT, "north") or {}
    assert site["status"]["observedGeneration"] == site["metadata"]["generation"] > before["observedGeneration"]
    assert site["status"]["bundle"] == before["bundle"]
    for type_ in ("Connected", "AgentReady", "BundleComplete"):
        told = condition(cluster, EDGE_SITES, "north", type_)
        assert (told["status"], told["reason"]) == ("Unknown", "NodesNotReadable")


async def test_a_node_that_the_store_missed_keeps_its_replica(cluster: InMemoryCluster) -> None:
    """The watch said that the node is gone; the server says otherwise, and is asked before anything is deleted."""
    cluster.put(an_inference_service(edge=[an_edge_target("box-1", "box-2")]))
    operator = await reconciled(cluster)
    node = next(name for kind, name in cluster.objects if kind is NODES and name.name == "box-2")

    operator.feed.remove(NODES, node)
    await drained(operator)

    assert cluster.names(DEPLOYMENTS) == ["llm-sites-box-1", "llm-sites-box-2"]
    assert cluster.names(EDGE_SITES) == ["box-1", "box-2"]


async def test_a_service_that_is_gone_though_the_store_has_it_gets_no_children(cluster: InMemoryCluster) -> None:
    """The watch is late with the end of it: made now, children would be collected and made again, for ever."""
    cluster.put(an_inference_service())
    await reconciled(cluster)
    operator = OperatorInMemory(cluster)
    await operator.start()
    before = len(cluster.writes)
    cluster.remove(INFERENCE_SERVICES, PLANT, "llm")
    operator.feed.remove(DEPLOYMENTS, Name(PLANT, "llm"))
    await drained(operator)

    assert cluster.names(DEPLOYMENTS) == []
    assert cluster.writes[before:] == []


async def test_what_is_made_for_a_new_service_that_is_gone_is_collected_and_not_made_again(
    cluster: InMemoryCluster,
) -> None:
    """Its first children are made unasked; the status that cannot be written tells that there is no parent."""
    cluster.put(an_inference_service())
    operator = OperatorInMemory(cluster)
    await operator.start()
    cluster.remove(INFERENCE_SERVICES, PLANT, "llm")
    await drained(operator)
    assert operator.store.services.get(PLANT, "llm") is None

    cluster.collect()
    for kind in (DEPLOYMENTS, SERVICES):
        operator.feed.remove(kind, Name(PLANT, "llm"))
    await operator.settle()

    assert cluster.names(DEPLOYMENTS) == cluster.names(SERVICES) == []


async def test_a_new_service_takes_a_request_for_each_child_and_one_for_its_status(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service())
    operator = OperatorInMemory(cluster)
    await operator.start()
    before = len(cluster.requests)
    await operator.settle()

    assert [(verb, kind) for verb, kind, _ in cluster.requests[before:]] == [
        ("apply", DEPLOYMENTS),
        ("apply", SERVICES),
        ("apply_status", INFERENCE_SERVICES),
    ]


@pytest.mark.parametrize("status", [{}, {"conditions": [READY]}], ids=["new", "known"])
@pytest.mark.parametrize("comes", ["before", "meanwhile"])
async def test_a_stranger_whom_no_watch_shows_is_left_as_they_are(
    cluster: InMemoryCluster, status: Manifest, comes: str
) -> None:
    """Without our labels they are not observed, and a forced apply would make them ours."""
    cluster.put({**an_inference_service(), "status": status})
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "llm", "namespace": PLANT}, "spec": {"a": 1}}
    if comes == "before":
        cluster.put(theirs)
    else:
        at(cluster, ("apply", SERVICES, (PLANT, "llm")), lambda: cluster.put(theirs))
    await reconciled(cluster)

    assert (cluster.live(SERVICES, PLANT, "llm") or {})["spec"] == {"a": 1}
    assert condition(cluster, INFERENCE_SERVICES, "llm", "CloudReady")["reason"] == "NotOwned"
    assert cluster.names(DEPLOYMENTS) == ["llm"]


async def test_children_that_another_process_has_just_made_are_taken_as_they_are(cluster: InMemoryCluster) -> None:
    """This one leads now, and its watch has not told of them yet."""
    cluster.put(an_inference_service())
    late = OperatorInMemory(cluster)
    await late.start()
    await reconciled(cluster)
    before = [cluster.live(kind, PLANT, "llm") for kind in (DEPLOYMENTS, SERVICES)]
    await drained(late)

    assert [cluster.live(kind, PLANT, "llm") for kind in (DEPLOYMENTS, SERVICES)] == before


@pytest.mark.parametrize("error", [Forbidden("quota"), Invalid("no")], ids=["forbidden", "invalid"])
async def test_a_refused_child_blocks_its_part_only(cluster: InMemoryCluster, error: KubeError) -> None:
    cluster.put(an_inference_service(cloud={}, edge=[an_edge_target("box-1", "box-2")]))

    refuse(cluster, "apply", "llm-sites-box-1", error)
    await reconciled(cluster)

    assert cluster.names(DEPLOYMENTS) == ["llm", "llm-sites-box-2"]
    assert edge_ready(cluster)["status"] == "False"
    assert str(error) in edge_ready(cluster)["message"]


FULL = "Internal error occurred: failed to allocate a serviceIP: range is full"


async def test_a_child_that_the_server_fails_at_is_told_and_tried_later_and_later(cluster: InMemoryCluster) -> None:
    """The rest of the service goes on, and no event will tell that it works again."""
    cluster.put(an_inference_service(cloud={}, edge=[an_edge_target("box-1")]))
    refuse(cluster, "apply", "llm", InternalError(FULL), kind=SERVICES)
    operator = await reconciled(cluster)

    told = condition(cluster, INFERENCE_SERVICES, "llm", "CloudReady")
    assert (told["status"], told["reason"]) == ("False", "ServerFails")
    assert FULL in told["message"]
    assert cluster.names(DEPLOYMENTS) == ["llm", "llm-sites-box-1"]
    tries = sum(request == ("apply", SERVICES, (PLANT, "llm")) for request in cluster.requests)
    # Within the seconds of a scene: 0.2, 0.4, 0.8 … seconds apart.
    assert 3 <= tries <= 12

    cluster.heal()
    operator.clock.seconds += LAST_RETRY_SECONDS
    await operator.settle()
    assert cluster.names(SERVICES) == ["llm"]
    assert condition(cluster, INFERENCE_SERVICES, "llm", "CloudReady")["reason"] != "ServerFails"


async def test_a_refused_child_is_tried_again_after_a_while(cluster: InMemoryCluster) -> None:
    """No event tells that a quota was raised."""
    cluster.put(an_inference_service())
    refuse(cluster, "apply", "llm", Forbidden("quota"))
    operator = await reconciled(cluster)
    cluster.heal()

    operator.clock.seconds += 30
    await operator.settle()

    assert cluster.names(DEPLOYMENTS) == ["llm"]


async def test_a_child_that_the_server_keeps_in_other_words_is_applied_once(cluster: InMemoryCluster) -> None:
    """Or each reconcile would send it again."""
    cluster.put(an_inference_service())
    rewrite(cluster, DEPLOYMENTS, lambda found: found["spec"].update(replicas=99))
    operator = await reconciled(cluster)
    writes = len(cluster.writes)

    cluster.put({**an_inference_service(), "status": {"url": "touched"}})
    await operator.settle()

    assert [each for each in cluster.writes[writes:] if each[1] == "Deployment"] == []


async def test_a_bug_in_one_object_does_not_stop_the_others(
    cluster: InMemoryCluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.put(an_inference_service("bad"))
    cluster.put(an_inference_service("good"))
    refuse(cluster, "apply", "bad", ZeroDivisionError("a bug"))  # type: ignore[arg-type]
    await reconciled(cluster)

    assert cluster.names(DEPLOYMENTS) == ["good"]
    assert sum("please report" in each.message for each in caplog.records) == 1


async def test_an_object_that_an_older_crd_let_in_is_passed_over(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service("odd", cloud={"replicas": "many"}))
    cluster.put(an_inference_service("good"))
    await reconciled(cluster)

    assert cluster.names(DEPLOYMENTS) == ["good"]


async def test_a_transition_is_told_once(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(edge=[an_edge_target("no-such-node")]))
    for _ in range(3):
        await reconciled(cluster)

    told = [found["reason"] for (kind, _), found in cluster.objects.items() if kind is EVENTS]
    assert told == ["NoSites", "NoSites"]  # of Ready and of EdgeReady


async def test_a_deleted_graph_leaves_the_bundle_at_once(cluster: InMemoryCluster) -> None:
    """It is there until its finalizers are done, but it is no longer wanted."""
    cluster.put(an_edge_site("north", "box-1"))
    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT))
    going = a_sensor_graph("going", "box-1", reasoning=AN_ENDPOINT)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster.put(going)
    await reconciled(cluster)

    bundle = (cluster.live(CONFIG_MAPS, PLANT, "north-bundle") or {})["data"]["bundle.json"]
    assert '"name":"line"' in bundle
    assert '"name":"going"' not in bundle


async def test_a_disruption_budget_comes_with_the_second_replica_and_goes_with_it(cluster: InMemoryCluster) -> None:
    for count, budgets in ((1, []), (2, ["llm"]), (1, [])):
        cluster.put(an_inference_service(cloud={"replicas": count}))
        await reconciled(cluster)
        assert cluster.names(DISRUPTION_BUDGETS) == budgets


async def test_a_disruption_budget_of_the_user_s_own_is_left_alone_and_said(cluster: InMemoryCluster) -> None:
    theirs = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}
    cluster.put({**theirs, "metadata": {"name": "llm", "namespace": PLANT}, "spec": {"minAvailable": 1}})
    cluster.put(an_inference_service(cloud={"replicas": 2}))
    await reconciled(cluster)

    assert (cluster.live(DISRUPTION_BUDGETS, PLANT, "llm") or {})["spec"] == {"minAvailable": 1}
    assert condition(cluster, INFERENCE_SERVICES, "llm", "CloudReady")["reason"] == "NotOwned"
    assert cluster.names(DEPLOYMENTS) == ["llm"]


async def test_a_network_policy_comes_and_goes_with_its_field(cluster: InMemoryCluster) -> None:
    for policy, policies in (({}, ["llm"]), (None, [])):
        cluster.put(an_inference_service(cloud={"replicas": 1, "networkPolicy": policy}))
        await reconciled(cluster)
        assert cluster.names(NETWORK_POLICIES) == policies


async def test_a_suspended_service_keeps_its_objects_and_loses_its_replicas(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(cloud={"replicas": 3}, edge=[an_edge_target("box-1")]))
    await reconciled(cluster)
    before = cluster.names(DEPLOYMENTS), cluster.names(SERVICES), cluster.names(EDGE_SITES)
    assert replicas(cluster) == {"llm": 3, "llm-sites-box-1": 1}

    cluster.put(an_inference_service(suspend=True))
    await reconciled(cluster)

    assert replicas(cluster) == {"llm": 0, "llm-sites-box-1": 0}
    assert (cluster.names(DEPLOYMENTS), cluster.names(SERVICES), cluster.names(EDGE_SITES)) == before
    ready = condition(cluster, INFERENCE_SERVICES, "llm", "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Suspended")

    cluster.put(an_inference_service(suspend=False))
    await reconciled(cluster)
    assert replicas(cluster) == {"llm": 3, "llm-sites-box-1": 1}


async def test_a_service_scaled_while_suspended_comes_back_so(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(suspend=True, cloud={"replicas": 3}))
    await reconciled(cluster)
    cluster.put(an_inference_service(cloud={"replicas": 5}))
    await reconciled(cluster)
    assert replicas(cluster) == {"llm": 0}

    cluster.put(an_inference_service(suspend=False))
    await reconciled(cluster)
    assert replicas(cluster) == {"llm": 5}


async def test_a_suspended_graph_leaves_the_bundle_and_the_agent_stays_to_finish(cluster: InMemoryCluster) -> None:
    cluster.put(an_edge_site("north", "box-1"))
    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT))
    await reconciled(cluster)

    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT, suspend=True))
    await reconciled(cluster)

    assert bundled(cluster, "north") == []
    assert replicas(cluster) == {"north-agent": 1}
    assert condition(cluster, SENSOR_GRAPHS, "line", "Ready")["reason"] == "Suspended"
    assert condition(cluster, EDGE_SITES, "north", "BundleComplete")["status"] == "True"

    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT, suspend=False))
    await reconciled(cluster)
    assert bundled(cluster, "north") == ["line"]
    assert generation(cluster, "north") == 3


async def test_a_graph_made_suspended_starts_no_agent_and_keeps_its_site(cluster: InMemoryCluster) -> None:
    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT, suspend=True))
    await reconciled(cluster)

    assert cluster.names(DEPLOYMENTS) == cluster.names(CONFIG_MAPS) == []
    assert cluster.names(EDGE_SITES) == ["box-1"]


async def test_a_suspended_site_has_no_agent_and_its_bundle_is_kept_up_to_date(cluster: InMemoryCluster) -> None:
    cluster.put(an_edge_site("north", "box-1", suspend=True))
    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT))
    await reconciled(cluster)

    assert replicas(cluster) == {"north-agent": 0}
    assert bundled(cluster, "north") == ["line"]
    assert condition(cluster, EDGE_SITES, "north", "AgentReady")["reason"] == "Suspended"
    assert condition(cluster, SENSOR_GRAPHS, "line", "Ready")["reason"] == "Suspended"

    cluster.put(an_edge_site("north", "box-1", suspend=False))
    await reconciled(cluster)
    assert replicas(cluster) == {"north-agent": 1}


async def test_a_site_pins_its_endpoint_hosts(cluster: InMemoryCluster) -> None:
    """The graph that would ask elsewhere says so and is left out; the agent has the hosts from its own arguments."""
    abroad = {"endpoint": {"url": "https://llm.example/v1", "model": "m"}, "route": "CloudOnly"}
    cluster.put(an_edge_site("north", "box-1"))
    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT))
    cluster.put(a_sensor_graph("abroad", "box-1", reasoning=abroad))
    await reconciled(cluster)
    assert bundled(cluster, "north") == ["abroad", "line"]
    assert pins(cluster, "north") == []

    cluster.put(an_edge_site("north", "box-1", endpointHosts=["127.0.0.1"]))
    await reconciled(cluster)
    assert bundled(cluster, "north") == ["line"]
    assert pins(cluster, "north") == ["127.0.0.1"]
    assert condition(cluster, SENSOR_GRAPHS, "abroad", "Accepted")["reason"] == "EndpointNotPinned"
    assert condition(cluster, EDGE_SITES, "north", "BundleComplete")["reason"] == "EndpointNotPinned"
    assert condition(cluster, SENSOR_GRAPHS, "line", "Accepted")["status"] == "True"


async def test_the_secrets_of_an_endpoint_come_and_go_in_the_agent(cluster: InMemoryCluster) -> None:
    cluster.put(an_edge_site("north", "box-1", receive="Batches"))
    secrets = {"secretRef": {"name": "hub", "key": "api"}, "caSecretRef": {"name": "ca"}}
    keyed = {"endpoint": {**AN_ENDPOINT["endpoint"], "url": "https://127.0.0.1:8443/v1", **secrets}}
    cluster.put(a_sensor_graph("line", "box-1", reasoning=keyed))
    await reconciled(cluster)
    assert secrets_in(cluster, "north-agent") == {"hub", "ca"}
    assert "--receive=Batches" in arguments(cluster, "north-agent")

    cluster.put(a_sensor_graph("line", "box-1", reasoning={"endpoint": dict.fromkeys(secrets)}))
    await reconciled(cluster)
    assert secrets_in(cluster, "north-agent") == set()


async def test_a_graph_that_hears_anothers_answers_waits_until_it_does_not(cluster: InMemoryCluster) -> None:
    cluster.put(a_sensor_graph("line", "box-1", reasoning=AN_ENDPOINT))
    await reconciled(cluster)
    echo = a_sensor_graph("newer", "box-1", reasoning=AN_ENDPOINT, output={"topic": "plant/{graph}/x/vibration"})
    cluster.put(echo)
    await reconciled(cluster)
    assert bundled(cluster, "box-1") == ["line"]
    assert condition(cluster, SENSOR_GRAPHS, "newer", "Accepted")["reason"] == "TopicOverlap"

    cluster.put(a_sensor_graph("newer", "box-1", reasoning=AN_ENDPOINT))
    await reconciled(cluster)
    assert bundled(cluster, "box-1") == ["line", "newer"]


AN_ENDPOINT = {"endpoint": {"url": "http://127.0.0.1:8000/v1", "model": "m"}}


def generation(cluster: InMemoryCluster, site: str) -> int:
    found = cluster.live(CONFIG_MAPS, PLANT, f"{site}-bundle")
    return int(found["metadata"]["annotations"][labels.BUNDLE_GENERATION]) if found else 0


def secrets_in(cluster: InMemoryCluster, deployment: str) -> set[str]:
    """The Secrets that its pods mount."""
    pod = (cluster.live(DEPLOYMENTS, PLANT, deployment) or {})["spec"]["template"]["spec"]
    return {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}


def arguments(cluster: InMemoryCluster, deployment: str) -> list[str]:
    """Of its one container."""
    pod = (cluster.live(DEPLOYMENTS, PLANT, deployment) or {})["spec"]["template"]["spec"]
    found: list[str] = pod["containers"][0]["args"]
    return found


def pins(cluster: InMemoryCluster, site: str) -> list[str]:
    """The hosts that its agent is told by its arguments."""
    (agent,) = (cluster.live(DEPLOYMENTS, PLANT, f"{site}-agent") or {})["spec"]["template"]["spec"]["containers"]
    return [host for option, host in pairwise(agent["args"]) if option == "--endpoint-host"]


def replicas(cluster: InMemoryCluster) -> dict[str, int]:
    """Of each Deployment."""
    return {
        name: (cluster.live(DEPLOYMENTS, PLANT, name) or {})["spec"]["replicas"] for name in cluster.names(DEPLOYMENTS)
    }


def bundled(cluster: InMemoryCluster, site: str) -> list[str]:
    """The graphs that a site's bundle holds."""
    found = cluster.live(CONFIG_MAPS, PLANT, f"{site}-bundle") or {}
    return [graph.name for graph in decode(found["data"][BUNDLE_FILE].encode()).graphs]


async def drained(operator: OperatorInMemory) -> None:
    """Work off the queue, without the events that a watch would bring."""
    operator.deliver = lambda: None  # type: ignore[method-assign]
    await operator.settle()


def forbid(cluster: InMemoryCluster, verb: str, kind: Kind) -> None:
    """RBAC that does not grant it."""

    def check(number: int) -> None:
        asked = cluster.requests[number - 1]
        if asked[:2] == (verb, kind):
            raise Forbidden(f"may not {verb} {kind.plural}", verb=verb, resource=kind.plural)

    cluster.before = check


def at(cluster: InMemoryCluster, request: tuple[str, Kind, tuple[str, str]], happens: Callable[[], object]) -> None:
    """Something happens once, as a request arrives."""

    def check(number: int) -> None:
        if cluster.requests[number - 1] == request:
            cluster.heal()
            happens()

    cluster.before = check


def refuse(cluster: InMemoryCluster, verb: str, name: str, error: KubeError, *, kind: Kind = DEPLOYMENTS) -> None:
    """Admission that refuses one object."""

    def check(number: int) -> None:
        if cluster.requests[number - 1] == (verb, kind, (PLANT, name)):
            raise error

    cluster.before = check


def rewrite(cluster: InMemoryCluster, kind: Kind, change: Any) -> None:
    """A mutating webhook."""
    keep = cluster._keep

    def kept(of: Kind, name: Any, wanted: Manifest) -> Manifest:
        if of is kind:
            change(wanted)
        return keep(of, name, wanted)

    setattr(cluster, "_keep", kept)  # noqa: B010 - mypy minds an assignment to a method
