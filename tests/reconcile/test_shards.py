"""Two operators with labels of their own share a cluster, and neither touches what the other one has."""

from typing import Any

import pytest

from edgeglm_operator.flags import parser, settings_of
from edgeglm_operator.kube.kinds import CONFIG_MAPS, DEPLOYMENTS, EDGE_SITES, INFERENCE_SERVICES, SENSOR_GRAPHS
from edgeglm_operator.settings import Settings
from edgeglm_operator.shard import shard_of
from edgeglm_operator.store import Name
from tests.reconcile.builders import PLANT, a_sensor_graph, an_edge_node, an_edge_target, an_inference_service
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

Manifest = dict[str, Any]

SHARD = "edgeglm.io/shard"
A, B = Settings(shard=shard_of(f"{SHARD}=a")), Settings(shard=shard_of(f"{SHARD}=b"))
REST = Settings(shard=shard_of(f"!{SHARD}"))
ENDPOINT: dict[str, Any] = {"reasoning": {"endpoint": {"url": "http://127.0.0.1:9/v1", "model": "m"}}}


@pytest.fixture
def cluster() -> InMemoryCluster:
    """A service and a graph of each shard, and of none."""
    cluster = InMemoryCluster()
    for number, shard in enumerate(("a", "b", ""), start=1):
        cluster.put(an_edge_node(f"box-{number}"))
        targets = [an_edge_target(f"box-{number}")]
        cluster.put(of_shard(an_inference_service(f"llm-{number}", cloud={"replicas": 1}, edge=targets), shard))
        cluster.put(of_shard(a_sensor_graph(f"line-{number}", f"box-{number}", **ENDPOINT), shard))
    return cluster


def of_shard(manifest: Manifest, shard: str) -> Manifest:
    labels = {SHARD: shard} if shard else {}
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}


async def test_each_looks_after_its_own(cluster: InMemoryCluster) -> None:
    for number, settings in enumerate((A, B, REST), start=1):
        before = len(cluster.writes)
        await reconciled(cluster, settings)
        assert {name for _, kind, name in cluster.writes[before:] if kind == DEPLOYMENTS.name} == {
            f"llm-{number}",
            f"llm-{number}-sites-box-{number}",
            f"box-{number}-agent",
        }

    assert cluster.names(EDGE_SITES) == ["box-1", "box-2", "box-3"]
    assert [
        (cluster.live(EDGE_SITES, PLANT, f"box-{number}") or {})["metadata"]["labels"].get(SHARD)
        for number in (1, 2, 3)
    ] == ["a", "b", None]


async def test_together_they_do_what_one_would_do(cluster: InMemoryCluster) -> None:
    operators = [OperatorInMemory(cluster, settings) for settings in (A, B, REST)]
    for operator in operators:
        await operator.start()
    for operator in (*operators, *operators):
        await operator.settle()

    for number in (1, 2, 3):
        for kind, name in ((INFERENCE_SERVICES, "llm"), (SENSOR_GRAPHS, "line")):
            assert (cluster.live(kind, PLANT, f"{name}-{number}") or {}).get("status")
    before = len(cluster.writes)
    for operator in operators:
        await operator.lister.list_all()
        await operator.settle()
    assert cluster.writes[before:] == []


async def test_what_goes_to_another_shard_keeps_its_children_and_its_site(cluster: InMemoryCluster) -> None:
    """The agent's store on the node is the site's: a site made anew would not find it."""
    first = await reconciled(cluster, A)
    children = [cluster.live(DEPLOYMENTS, PLANT, name) for name in ("llm-1", "llm-1-sites-box-1", "box-1-agent")]
    site = cluster.live(EDGE_SITES, PLANT, "box-1") or {}

    relabel(cluster, "b", INFERENCE_SERVICES, "llm-1")
    relabel(cluster, "b", SENSOR_GRAPHS, "line-1")
    await first.settle()
    second = await reconciled(cluster, B)

    assert (cluster.live(EDGE_SITES, PLANT, "box-1") or {})["metadata"]["uid"] == site["metadata"]["uid"]
    assert "OtherShard" in str((cluster.live(EDGE_SITES, PLANT, "box-1") or {})["status"])
    relabel(cluster, "b", EDGE_SITES, "box-1")
    await first.settle()
    await second.settle()
    after = [cluster.live(DEPLOYMENTS, PLANT, name) for name in ("llm-1", "llm-1-sites-box-1", "box-1-agent")]
    assert after == children
    assert len(second.store.sites) == 2
    assert "OtherShard" not in str((cluster.live(EDGE_SITES, PLANT, "box-1") or {})["status"])


async def test_a_node_of_two_shards_has_the_site_of_one(cluster: InMemoryCluster) -> None:
    """In one namespace there is one agent to a node; whoever was first keeps it."""
    await reconciled(cluster, A)
    site = cluster.live(EDGE_SITES, PLANT, "box-1")
    cluster.put(of_shard(a_sensor_graph("other", "box-1", **ENDPOINT), "b"))

    await reconciled(cluster, B)
    await reconciled(cluster, A)

    assert cluster.live(EDGE_SITES, PLANT, "box-1") == site
    bundle = cluster.live(CONFIG_MAPS, PLANT, "box-1-bundle")
    assert bundle is not None
    assert '"other"' not in bundle["data"]["bundle.json"]


async def test_what_nothing_selects_any_more_still_goes(cluster: InMemoryCluster) -> None:
    operator = await reconciled(cluster, A)

    cluster.put(of_shard(an_inference_service("llm-1", cloud={"replicas": 1}, edge=[]), "a"))
    cluster.put(of_shard(a_sensor_graph("line-1", "box-2", **ENDPOINT), "a"))
    await operator.settle()

    assert "box-1" not in cluster.names(EDGE_SITES)


async def test_nothing_is_made_for_what_went_over_in_mid_reconcile(cluster: InMemoryCluster) -> None:
    """The event is late; the parent is asked for its labels before anything is made."""
    operator = OperatorInMemory(cluster, A)
    await operator.start()
    relabel(cluster, "b", INFERENCE_SERVICES, "llm-1")
    operator._told = {key: found["metadata"]["resourceVersion"] for key, found in cluster.objects.items()}

    await operator.settle()

    assert "llm-1" not in cluster.names(DEPLOYMENTS)
    assert operator.store.services.get(PLANT, "llm-1") is None


@pytest.mark.parametrize("text", ["shard in (a,b)", "shard", "=a", "a=", "!", "!a=b", "a==b", "a=b c"])
def test_a_selector_that_no_label_could_be_made_to_meet_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write KEY=VALUE or !KEY"):
        shard_of(text)


def test_a_selector_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert settings_of(parser().parse_args(["--watch-label-selector=a=1"])).shard.labels == {"a": "1"}
    with pytest.raises(SystemExit):
        parser().parse_args(["--watch-label-selector=a in (1)"])
    assert "a in (1): write KEY=VALUE or !KEY" in capsys.readouterr().err


def test_a_selector_is_met_by_what_bears_its_labels() -> None:
    shard = shard_of("a=1,example.com/b=x.y,!c")

    assert shard.meets({"a": "1", "example.com/b": "x.y", "d": ""})
    assert shard.meets(shard.labels)
    assert not shard.meets({"a": "1", "example.com/b": "x.y", "c": ""})
    assert not shard.meets({"a": "2", "example.com/b": "x.y"})
    assert shard_of("").meets({})


def relabel(cluster: InMemoryCluster, shard: str, kind: Any, name: str) -> None:
    live = cluster.objects[kind, Name(PLANT, name)]
    cluster.put(
        {**live, "metadata": {**live["metadata"], "labels": {**live["metadata"].get("labels", {}), SHARD: shard}}}
    )
