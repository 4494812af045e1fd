"""Agents get another pod a few at a time over all sites, and what harms stops at the first ones."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edgeglm_api import labels
from edgeglm_operator.kube.errors import Forbidden, Unavailable
from edgeglm_operator.kube.kinds import CONFIG_MAPS, DEPLOYMENTS, EDGE_SITES, EVENTS, NODES, SECRETS, SENSOR_GRAPHS
from edgeglm_operator.max_unavailable import max_unavailable_of
from edgeglm_operator.resources.names import agent_name
from edgeglm_operator.settings import Reporting, Settings
from edgeglm_operator.store import Name
from tests.reconcile.builders import PLANT, Manifest, a_sensor_graph, an_edge_node
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

BOXES = ("box-1", "box-2", "box-3", "box-4")
ENDPOINT = {"url": "http://127.0.0.1:8000/v1", "model": "m"}
REPORTING = Settings(reporting=Reporting(url="https://reports.example", key=b"k" * 32))
NEXT = Settings(agent_image="edgeglm/agent:next", agents_follow_release=True)
LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}


class Agents:
    """Four sites whose agents are ready."""

    def __init__(self, cluster: InMemoryCluster, operator: OperatorInMemory) -> None:
        self.cluster = cluster
        self.operator = operator

    async def restart(self, settings: Settings) -> None:
        """Another process of the operator, with other settings or of another release."""
        self.operator = await reconciled(self.cluster, settings)

    async def say(self, *boxes: str, ready: int = 1, **status: Any) -> None:
        """Let the controller of Deployments have read them, and the kubelet have done what it can."""
        for box in boxes:
            live = self.deployment(box)
            counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": ready, "availableReplicas": ready}
            seen = {"observedGeneration": live["metadata"]["generation"], **counts, **status}
            self.cluster.put({**live, "status": seen})
        await self.operator.settle()

    async def see(self, *boxes: str, ready: bool = True, since: str = "2025-12-31T00:00:00Z") -> None:
        """How the control plane hears their nodes."""
        for box in boxes:
            live = self.cluster.live(NODES, "", box) or {}
            self.cluster.put({**live, "status": an_edge_node(box, ready=ready, since=since)["status"]})
        await self.operator.settle()

    async def report(self, box: str) -> None:
        """Let its agent say that it has its bundle."""
        live = self.cluster.live(EDGE_SITES, PLANT, box) or {}
        bundle = {key: live["status"]["bundle"][key] for key in ("generation", "sha256")} | {"verdict": "Applied"}
        report = {"receivedAt": self.operator.now, "bootID": "0" * 16, "sequence": 1, "bundle": bundle}
        self.cluster.put({**live, "status": {**live["status"], "report": report}})
        await self.say(box)

    async def graph(self, **spec: Any) -> None:
        """Let the graph ask for something else."""
        live = self.cluster.live(SENSOR_GRAPHS, PLANT, "line") or {}
        self.cluster.put({**live, "spec": {**live["spec"], **spec}})
        await self.operator.settle()

    async def site(self, box: str, **spec: Any) -> None:
        """Let its EdgeSite ask for something else."""
        live = self.cluster.live(EDGE_SITES, PLANT, box) or {}
        self.cluster.put({**live, "spec": {**live["spec"], **spec}})
        await self.operator.settle()

    async def pass_time(self, now: str, *, seconds: float) -> None:
        self.operator.now = now
        self.operator.clock.seconds += seconds
        await self.operator.settle()

    def deployment(self, box: str) -> Manifest:
        return self.cluster.live(DEPLOYMENTS, PLANT, agent_name(box)) or {}

    def having(self, word: str) -> tuple[str, ...]:
        """The boxes whose agents are to have it."""
        return tuple(box for box in BOXES if word in str(self.deployment(box)["spec"]["template"]))

    def told(self, box: str, type_: str = "AgentReady") -> tuple[str, str]:
        live = self.cluster.live(EDGE_SITES, PLANT, box) or {}
        found = {each["type"]: each for each in live["status"]["conditions"]}[type_]
        return found["status"], found["reason"]

    @property
    def looks(self) -> float:
        """At sites, by the present process."""
        counted = self.operator.world.metrics.reconciles.labels(EDGE_SITES.name, "done")
        return float(counted._value.get())

    def since(self, number: int) -> list[tuple[str, str, str]]:
        """What was written after so many writes, but for events."""
        return [write for write in self.cluster.writes[number:] if write[1] != EVENTS.name]


@pytest.fixture
async def agents() -> Agents:
    cluster = InMemoryCluster()
    for box in BOXES:
        cluster.put(an_edge_node(box))
    cluster.put(a_sensor_graph("line", *BOXES, reasoning={"endpoint": ENDPOINT}))
    agents = Agents(cluster, await reconciled(cluster))
    assert agents.having("edgeglm/agent:0.1.0") == BOXES, "what is new comes everywhere at once"
    await agents.say(*BOXES)
    assert [agents.told(box) for box in BOXES] == [("True", "Serving")] * 4
    return agents


async def test_those_that_wait_do_not_look_again_and_again_while_nodes_are_out_of_sight(agents: Agents) -> None:
    """A turn is free then, and nobody may take it."""
    await agents.restart(REPORTING)
    agents.operator.store.nodes_readable = False
    agents.cluster.remove(EDGE_SITES, PLANT, BOXES[0])
    await agents.operator.settle()
    assert not any("--report-url" in str(agents.deployment(box)) for box in BOXES[1:])


async def test_the_next_gets_its_pod_when_the_one_before_is_ready(agents: Agents) -> None:
    """Switching reports on once restarted all of them within a second."""
    await agents.restart(REPORTING)
    assert agents.having("--report-url") == BOXES[:1]
    assert [agents.told(box) for box in BOXES[1:]] == [("True", "AwaitingTurn")] * 3
    assert agents.told("box-2", "Healthy") == ("Unknown", "AwaitingTurn"), "it cannot have reported"
    assert agents.cluster.names(SECRETS) == ["box-1-report-1"], "nor is it given anything before its turn"
    for number, box in enumerate(BOXES, 1):
        assert agents.having("--report-url") == BOXES[:number]
        await agents.report(box)
    assert [agents.told(box) for box in BOXES] == [("True", "Serving")] * 4


async def test_a_release_is_followed_only_where_that_is_asked_for(agents: Agents) -> None:
    before = len(agents.cluster.writes)
    await agents.restart(replace(NEXT, agents_follow_release=False))
    assert agents.since(before) == []
    await agents.restart(NEXT)
    assert agents.having("agent:next") == BOXES[:1]
    for box in BOXES:
        await agents.say(box)
    assert agents.having("agent:next") == BOXES
    before = len(agents.cluster.writes)
    await agents.restart(NEXT)
    assert agents.since(before) == []
    await agents.restart(Settings(agents_follow_release=True))
    assert agents.having("agent:next") == BOXES[1:], "the way back is a wave too"


async def test_a_bad_image_stops_at_the_first_and_a_correction_reaches_it_at_once(agents: Agents) -> None:
    await agents.restart(replace(NEXT, agent_image="edgeglm/agent:bad"))
    await agents.say("box-1", ready=0)
    await agents.pass_time("2026-01-01T12:00:00Z", seconds=43_200)
    assert agents.having("agent:bad") == BOXES[:1]
    await agents.restart(NEXT)
    assert (agents.having("agent:bad"), agents.having("agent:next")) == ((), BOXES[:1])
    await agents.say("box-1")
    assert agents.having("agent:next") == BOXES[:2]


@pytest.mark.parametrize(("most", "begin"), [("2", 2), ("50%", 2), ("51%", 3), ("1%", 1), ("9", 4)])
async def test_as_many_at_once_as_the_chart_says(agents: Agents, most: str, begin: int) -> None:
    await agents.restart(replace(NEXT, agent_max_unavailable=max_unavailable_of(most)))
    assert agents.having("agent:next") == BOXES[:begin]


async def test_a_wave_goes_over_namespaces(agents: Agents) -> None:
    other = a_sensor_graph("line", "box-1", reasoning={"endpoint": ENDPOINT})
    agents.cluster.put({**other, "metadata": {"name": "line", "namespace": "works"}})
    await agents.operator.settle()
    live = agents.cluster.live(DEPLOYMENTS, "works", "box-1-agent") or {}
    assert live, "what is new does not wait, though others do not either"
    await agents.restart(NEXT)
    assert agents.having("agent:next") == (), "the new one is not ready yet"


async def test_a_dark_site_holds_nobody_up_and_takes_no_turn(agents: Agents) -> None:
    await agents.see("box-1", ready=False)
    await agents.restart(NEXT)
    assert agents.having("agent:next") == ("box-2",)
    await agents.say("box-2")
    await agents.say("box-3")
    await agents.say("box-4")
    assert agents.having("agent:next") == BOXES[1:]
    assert agents.told("box-1") == ("Unknown", "SiteDisconnected")
    await agents.see("box-1")
    assert agents.having("agent:next") == BOXES


async def test_one_that_goes_dark_in_the_middle_makes_room(agents: Agents) -> None:
    await agents.restart(NEXT)
    await agents.see("box-1", ready=False)
    assert agents.having("agent:next") == BOXES[:2]
    await agents.see("box-1")
    await agents.say("box-2")
    assert agents.having("agent:next") == BOXES[:2], "it is seen again, and not ready"
    await agents.say("box-1")
    assert agents.having("agent:next") == BOXES[:3]


async def test_lines_that_flap_do_not_let_all_change_at_once(agents: Agents) -> None:
    """The nodes are heard before their pods are: for a moment nobody seems to have anything to lose."""
    await agents.see(*BOXES, ready=False)
    await agents.say(*BOXES, ready=0, conditions=[LATE])
    await agents.restart(NEXT)
    await agents.see(*BOXES, since=agents.operator.now)
    assert agents.having("agent:next") == ()
    await agents.say(*BOXES[:3])
    assert agents.having("agent:next") == (), "box-4 may be out of service"
    await agents.pass_time("2026-01-01T00:01:00Z", seconds=60)
    assert agents.having("agent:next") == ("box-4",), "it was waited for long enough; nothing else tells"
    await agents.say("box-4")
    assert agents.having("agent:next") == ("box-1", "box-4")


async def test_an_agent_that_does_not_run_is_corrected_at_once(agents: Agents) -> None:
    await agents.say("box-2", "box-3", ready=0)
    await agents.restart(NEXT)
    assert agents.having("agent:next") == ("box-2", "box-3"), "and is one of those that are out of service"
    await agents.say("box-2")
    assert agents.having("agent:next") == ("box-2", "box-3")
    await agents.say("box-3")
    assert agents.having("agent:next") == BOXES[:3]


async def test_a_suspended_site_has_no_turn_to_wait_for_and_holds_nobody_up(agents: Agents) -> None:
    await agents.site("box-4", suspend=True)
    await agents.restart(REPORTING)
    assert agents.having("--report-url") == ("box-1", "box-4")
    assert agents.deployment("box-4")["spec"]["replicas"] == 0


async def test_a_wave_goes_on_as_it_was_after_a_restart_and_nothing_is_written(agents: Agents) -> None:
    await agents.restart(NEXT)
    await agents.say("box-1")
    before = len(agents.cluster.writes)
    await agents.restart(NEXT)
    assert agents.since(before) == []
    assert agents.having("agent:next") == BOXES[:2]
    await agents.say("box-2")
    assert agents.having("agent:next") == BOXES[:3]


async def test_one_who_waits_is_neither_looked_at_nor_written_to_meanwhile(agents: Agents) -> None:
    """Else a fleet of thousands would be, for each agent that is ready."""
    await agents.restart(NEXT)
    before, looks = len(agents.cluster.writes), agents.looks
    await agents.say("box-1")
    assert {name for _, _, name in agents.since(before)} <= {"box-1", "box-2", "box-2-agent", "line"}
    await agents.pass_time("2026-01-01T00:00:20Z", seconds=20)
    assert agents.looks - looks <= 8, "box-1 and box-2 alone"
    looks = agents.looks
    await agents.say("box-2", ready=0)
    await agents.pass_time("2026-01-01T12:00:00Z", seconds=43_200)
    assert agents.looks - looks <= 4, "box-2 alone"


async def test_a_bundle_never_waits(agents: Agents) -> None:
    await agents.restart(NEXT)
    bundles = [agents.cluster.live(CONFIG_MAPS, PLANT, f"{box}-bundle") for box in BOXES]
    await agents.graph(window={"sizeSeconds": 20})
    after = [agents.cluster.live(CONFIG_MAPS, PLANT, f"{box}-bundle") for box in BOXES]
    assert all(was != now for was, now in zip(bundles, after, strict=True))
    assert agents.having("agent:next") == BOXES[:1]


async def test_what_a_bundle_counts_on_comes_with_it(agents: Agents) -> None:
    """It would ask its endpoint without the key until its turn; once the key is of no use any more, that can wait."""
    with_key = {"endpoint": {**ENDPOINT, "secretRef": {"name": "hub", "key": "api"}}}
    await agents.graph(reasoning=with_key)
    assert agents.having("/etc/edgeglm/endpoints/keys/hub") == BOXES
    await agents.say(*BOXES)
    live = agents.cluster.objects[SENSOR_GRAPHS, Name(PLANT, "line")]
    del live["spec"]["reasoning"]["endpoint"]["secretRef"]
    await agents.graph(window={"sizeSeconds": 20})
    assert agents.having("/etc/edgeglm/endpoints/keys/hub") == BOXES[1:]


async def test_other_wishes_of_sites_have_their_turns_too(agents: Agents) -> None:
    for box in BOXES:
        await agents.site(box, receive="Batches")
    assert agents.having("--receive=Batches") == BOXES[:1]
    await agents.site("box-3", endpointHosts=["127.0.0.1"])
    assert agents.having("--endpoint-host") == ("box-3",), "a pin holds as soon as it is asked for"


async def test_who_takes_the_note_away_has_the_pod_at_once(agents: Agents) -> None:
    await agents.restart(NEXT)
    live = agents.deployment("box-4")
    agents.cluster.put({**live, "metadata": {**live["metadata"], "annotations": {labels.TEMPLATE: ""}}})
    await agents.operator.settle()
    assert agents.having("agent:next") == ("box-1", "box-4")


def refusing(agents: Agents, box: str, error: Exception) -> Callable[[int], None]:
    def refuse(_: int) -> None:
        verb, kind, name = agents.cluster.requests[-1]
        if (verb, kind, name.name) == ("apply", DEPLOYMENTS, agent_name(box)):
            raise error

    return refuse


async def test_one_whose_change_is_refused_gives_its_turn_away(agents: Agents) -> None:
    agents.cluster.before = refusing(agents, "box-1", Forbidden("no", verb="patch", resource="deployments"))
    await agents.restart(NEXT)
    assert agents.having("agent:next") == ("box-2",)
    for box in BOXES[1:]:
        await agents.say(box)
    assert agents.having("agent:next") == BOXES[1:]
    assert agents.told("box-1") == ("False", "NotAllowed")


async def test_one_of_whom_nobody_knows_whether_it_changed_keeps_its_turn(agents: Agents) -> None:
    """The answer was lost. Till the next look it counts as one that is out of service."""
    agents.cluster.after = refusing(agents, "box-1", Unavailable("the line broke"))
    await agents.restart(NEXT)
    assert agents.having("agent:next") == BOXES[:1]
    agents.cluster.after = lambda _: None
    await agents.say("box-1")
    assert agents.having("agent:next") == BOXES[:2]


@pytest.mark.parametrize("order", list(itertools.permutations(BOXES))[::5], ids="-".join)
async def test_never_more_than_two_of_two_are_out_whatever_is_ready_first(
    agents: Agents, order: tuple[str, ...]
) -> None:
    await agents.restart(replace(NEXT, agent_max_unavailable=max_unavailable_of("2")))
    done: set[str] = set()
    for _ in BOXES:
        changing = set(agents.having("agent:next")) - done
        assert len(changing) == min(2, len(BOXES) - len(done))
        ready = next(box for box in order if box in changing)
        done.add(ready)
        await agents.say(ready)
    assert agents.having("agent:next") == BOXES


@pytest.mark.parametrize("goes", ["agent", "site"])
async def test_one_that_goes_in_the_middle_makes_room(agents: Agents, goes: str) -> None:
    await agents.restart(NEXT)
    if goes == "site":
        await agents.graph(sites={"nodeNames": list(BOXES[1:])})
        assert agents.cluster.live(EDGE_SITES, PLANT, "box-1") is None
    else:
        await agents.site("box-1", suspend=True)
    assert "agent:next" in str(agents.deployment("box-2"))
    assert "agent:next" not in str(agents.deployment("box-3"))
