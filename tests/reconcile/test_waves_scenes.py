"""A change goes through the sites of a target one after the other, and stops where it does harm."""

from typing import Any

import pytest

from edgeglm_operator.kube.kinds import DEPLOYMENTS, INFERENCE_SERVICES, NODES
from edgeglm_operator.resources.names import edge_deployment_name
from tests.reconcile.builders import PLANT, Manifest, an_edge_node, an_edge_target, an_inference_service
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

BOXES = ("box-1", "box-2", "box-3")


class Fleet:
    """Three sites that serve."""

    def __init__(self, cluster: InMemoryCluster, operator: OperatorInMemory) -> None:
        self.cluster = cluster
        self.operator = operator

    async def ask(self, length: int, **update: Any) -> None:
        """Let the spec ask for another length of the context."""
        target = an_edge_target(*BOXES) | ({"update": update} if update else {})
        live = self.cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {}
        self.cluster.put({**live, "spec": {**live["spec"], "engine": {"maxModelLen": length}, "edge": [target]}})
        await self.operator.settle()

    async def serve(self, *boxes: str) -> None:
        """Let the replicas there become ready."""
        for box in boxes:
            live = self.deployment(box)
            counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), 1)
            self.cluster.put({**live, "status": {"observedGeneration": live["metadata"]["generation"], **counts}})
        await self.operator.settle()

    async def _say(self, box: str, **status: Any) -> None:
        """Let the controller say that of the Deployment as it is now."""
        live = self.deployment(box)
        self.cluster.put({**live, "status": {"observedGeneration": live["metadata"]["generation"], **status}})
        await self.operator.settle()

    async def begin(self, box: str) -> None:
        """Let the replica there go, and the new one be on its way."""
        await self._say(box)

    async def fail(self, box: str) -> None:
        """Let the replica there not come up in time."""
        late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        await self._say(box, readyReplicas=0, availableReplicas=0, conditions=[late])

    async def crash(self, box: str) -> None:
        """Let the replica there, which has served, not be ready for a moment."""
        arrived = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
        await self._say(box, replicas=1, readyReplicas=0, conditions=[arrived])

    async def pass_time(self, now: str, *, seconds: float) -> None:
        """No event comes meanwhile."""
        self.operator.now = now
        self.operator.clock.seconds += seconds
        await self.operator.settle()

    async def lose_sight(self, box: str, *, ready: bool = False) -> None:
        live = self.cluster.live(NODES, "", box) or {}
        self.cluster.put({**live, "status": an_edge_node(box, ready=ready)["status"]})
        await self.operator.settle()

    async def cut_off(self, box: str) -> None:
        """Let its line break; the control plane then takes its pods for such that are not ready."""
        await self.lose_sight(box)
        await self.fail(box)

    async def come_back(self, box: str) -> None:
        """Let it be heard again: the node at once, its pods a little later."""
        live = self.cluster.live(NODES, "", box) or {}
        self.cluster.put({**live, "status": an_edge_node(box, since=self.operator.now)["status"]})
        await self.operator.settle()

    def deployment(self, box: str) -> Manifest:
        return self.cluster.live(DEPLOYMENTS, PLANT, edge_deployment_name("llm", "sites", box)) or {}

    def asked_of(self, length: int) -> tuple[str, ...]:
        """The boxes whose engines are to have it."""
        flag = f"--max-model-len={length}"
        return tuple(box for box in BOXES if flag in str(self.deployment(box)["spec"]["template"]))

    @property
    def reconciles(self) -> float:
        """So far."""
        counted = self.operator.world.metrics.reconciles.labels("InferenceService", "done")
        return float(counted._value.get())

    def told(self, type_: str = "EdgeReady") -> tuple[str, str]:
        live = self.cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {}
        found = {each["type"]: each for each in live["status"]["conditions"]}[type_]
        return found["status"], found["reason"]

    def message(self) -> str:
        live = self.cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {}
        return str({each["type"]: each for each in live["status"]["conditions"]}["EdgeReady"]["message"])


@pytest.fixture
async def fleet() -> Fleet:
    cluster = InMemoryCluster()
    for box in BOXES:
        cluster.put(an_edge_node(box))
    cluster.put(an_inference_service(edge=[an_edge_target(*BOXES)], engine={"maxModelLen": 1024}))
    fleet = Fleet(cluster, await reconciled(cluster))
    assert fleet.asked_of(1024) == BOXES, "what is new comes everywhere at once"
    await fleet.serve(*BOXES)
    assert fleet.told() == ("True", "Serving")
    return fleet


async def test_the_next_changes_when_the_one_before_serves(fleet: Fleet) -> None:
    await fleet.ask(2048)
    assert (fleet.asked_of(2048), fleet.asked_of(1024)) == (BOXES[:1], BOXES[1:])
    assert fleet.told()[0] == "Unknown"
    await fleet.serve("box-1")
    assert fleet.asked_of(2048) == BOXES[:2]
    await fleet.serve("box-2")
    await fleet.serve("box-3")
    assert fleet.asked_of(2048) == BOXES
    assert fleet.told() == ("True", "Serving")


async def test_a_fault_stops_at_the_first_and_a_correction_reaches_it(fleet: Fleet) -> None:
    await fleet.ask(9999)
    await fleet.fail("box-1")
    await fleet.ask(2048)
    assert (fleet.asked_of(9999), fleet.asked_of(2048)) == ((), BOXES[:2])
    await fleet.serve("box-1", "box-2")
    assert fleet.asked_of(2048) == BOXES


@pytest.mark.parametrize("changed", [{"port": 8001}, {"name": "pump-model"}], ids=["port", "name"])
async def test_what_agents_ask_by_changes_everywhere_at_once(fleet: Fleet, changed: dict[str, Any]) -> None:
    """Their bundles say so at once: a site that waited could not be asked."""
    live = fleet.cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {}
    target = an_edge_target(*BOXES, port=changed.get("port", 8000)) | {"update": {"hold": True}}
    model = live["spec"]["model"] | {key: value for key, value in changed.items() if key == "name"}
    fleet.cluster.put({**live, "spec": {**live["spec"], "edge": [target], "model": model}})
    await fleet.operator.settle()
    (said,) = changed.values()
    assert [str(said) in str(fleet.deployment(box)["spec"]["template"]["spec"]) for box in BOXES] == [True] * 3


async def test_as_many_at_a_time_as_is_said(fleet: Fleet) -> None:
    await fleet.ask(2048, maxConcurrentSites=2)
    assert fleet.asked_of(2048) == BOXES[:2]


async def test_held_nothing_changes_but_what_is_new(fleet: Fleet) -> None:
    await fleet.ask(2048, hold=True)
    assert fleet.asked_of(2048) == ()
    assert fleet.told() == ("Unknown", "UpdateHeld")
    await fleet.ask(2048)
    assert fleet.asked_of(2048) == BOXES[:1]
    await fleet.serve("box-1")
    assert fleet.told() == ("Unknown", "RollingOut")


NIGHT = {"start": "22:00", "end": "05:00", "timeZone": "Asia/Shanghai", "days": ["Friday"]}


async def test_a_wave_begins_when_its_window_opens_and_one_site_at_a_time(fleet: Fleet) -> None:
    """Nothing but the clock tells that it has opened. In the middle of a change its end stops only those to come."""
    fleet.operator.now = "2026-01-02T13:59:00Z"
    await fleet.ask(2048, window=NIGHT)
    assert fleet.asked_of(2048) == ()
    assert fleet.told() == ("Unknown", "AwaitingWindow")
    assert "window opens at 2026-01-02T22:00+08:00" in fleet.message()

    await fleet.pass_time("2026-01-02T14:00:00Z", seconds=60)
    assert fleet.asked_of(2048) == BOXES[:1]
    assert fleet.told() == ("Unknown", "RollingOut")

    fleet.operator.now = "2026-01-02T21:00:00Z"
    await fleet.serve("box-1")
    assert fleet.asked_of(2048) == BOXES[:1]
    assert "window opens at 2026-01-09T22:00+08:00" in fleet.message()


@pytest.mark.parametrize("update", [{"window": NIGHT}, {"hold": True}], ids=["window", "hold"])
async def test_what_waits_for_days_is_not_looked_at_meanwhile(fleet: Fleet, update: dict[str, Any]) -> None:
    """The clock tells when a window opens, and an event when somebody lets go."""
    await fleet.ask(2048, **update)
    before = fleet.reconciles
    await fleet.pass_time("2026-01-01T00:10:00Z", seconds=600)
    assert fleet.reconciles == before


async def test_what_is_on_its_way_beside_what_waits_is_looked_at(fleet: Fleet) -> None:
    """No event would tell that it takes too long, so its word goes first."""
    await fleet.lose_sight("box-1")
    await fleet.ask(2048)
    await fleet.begin("box-2")
    await fleet.lose_sight("box-1", ready=True)
    await fleet.ask(2048, hold=True)
    assert fleet.told() == ("Unknown", "RollingOut")
    before = fleet.reconciles
    await fleet.pass_time("2026-01-01T00:10:00Z", seconds=600)
    assert fleet.reconciles > before


async def test_a_deployment_that_its_controller_has_not_read_yet_still_serves(fleet: Fleet) -> None:
    """Another deadline is another generation, of which the counts say nothing for a moment: no reason to go at noon."""
    fleet.operator.now = "2026-01-02T04:00:00Z"
    await fleet.ask(2048, window=NIGHT)
    live = fleet.cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {}
    fleet.cluster.put({**live, "spec": {**live["spec"], "timeouts": {"progressDeadlineSeconds": 7200}}})
    await fleet.operator.settle()
    assert [fleet.deployment(box)["spec"]["progressDeadlineSeconds"] for box in BOXES] == [7200] * 3
    assert fleet.asked_of(2048) == ()


@pytest.mark.parametrize(
    ("changed", "begin"),
    [
        ({"model": {"uri": "hf://owner/model", "revision": "v2"}}, ()),
        ({"model": {"uri": "hf://owner/model", "adapters": [{"name": "a", "uri": "hf://owner/a"}]}}, ()),
        ({"engine": {"maxModelLen": 2048}}, BOXES[:1]),
        ({"edge": [an_edge_target(*BOXES) | {"download": {"window": NIGHT | {"end": "06:00"}}}]}, BOXES[:1]),
    ],
    ids=["revision", "adapter", "length", "window"],
)
async def test_a_site_that_serves_does_not_go_for_what_may_not_be_fetched_yet(
    fleet: Fleet, changed: dict[str, Any], begin: tuple[str, ...]
) -> None:
    """It would serve nobody until its download's window opens; what is there already is served again at once."""
    fleet.operator.now = "2026-01-02T13:00:00Z"
    live = fleet.cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {}
    limited = an_edge_target(*BOXES) | {"download": {"window": NIGHT}}
    live = {**live, "spec": {**live["spec"], "edge": [limited]}}
    fleet.cluster.put(live)
    await fleet.operator.settle()
    for box in BOXES:
        await fleet.serve(box)
    before = {box: fleet.deployment(box)["spec"] for box in BOXES}
    fleet.cluster.put({**live, "spec": {**live["spec"], **changed}})
    await fleet.operator.settle()
    assert tuple(box for box in BOXES if fleet.deployment(box)["spec"] != before[box]) == begin
    if not begin:
        assert "spec.edge[sites].download.window opens at 2026-01-02T22:00+08:00" in fleet.message()

    await fleet.pass_time("2026-01-02T14:00:00Z", seconds=3600)
    assert fleet.deployment("box-1")["spec"] != before["box-1"]


async def test_an_engine_that_crashes_does_not_go_for_what_may_not_be_fetched_yet(fleet: Fleet) -> None:
    """It comes back by itself; the next model could not be there before the window opens."""
    fleet.operator.now = "2026-01-02T13:00:00Z"
    live = fleet.cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {}
    live = {**live, "spec": {**live["spec"], "edge": [an_edge_target(*BOXES) | {"download": {"window": NIGHT}}]}}
    fleet.cluster.put(live)
    await fleet.operator.settle()
    for box in BOXES:
        await fleet.serve(box)
    before = {box: fleet.deployment(box)["spec"] for box in BOXES}
    later = {**live["spec"], "model": {"uri": "hf://owner/model", "revision": "v2"}}
    fleet.cluster.put({**live, "spec": later})
    await fleet.operator.settle()
    await fleet.crash("box-1")
    assert {box: fleet.deployment(box)["spec"] for box in BOXES} == before


async def test_a_window_in_a_zone_that_nobody_knows_is_refused(fleet: Fleet) -> None:
    await fleet.ask(2048, window=NIGHT | {"timeZone": "Mars/Base"})
    assert fleet.told("Accepted") == ("False", "InvalidSpec")
    assert fleet.asked_of(2048) == ()


async def test_a_window_is_not_missed_though_a_site_has_failed(fleet: Fleet) -> None:
    """Then nothing is in progress that would be looked at again and again."""
    fleet.operator.now = "2026-01-02T13:00:00Z"
    await fleet.fail("box-3")
    await fleet.ask(2048, window=NIGHT, maxConcurrentSites=2)
    await fleet.fail("box-3")
    assert (fleet.asked_of(2048), fleet.told()[0]) == (("box-3",), "False")

    await fleet.pass_time("2026-01-02T14:00:00Z", seconds=3600)
    assert fleet.asked_of(2048) == ("box-1", "box-3"), "the one that does not serve is the other of two"


async def test_a_site_out_of_sight_changes_when_it_is_heard(fleet: Fleet) -> None:
    await fleet.lose_sight("box-1")
    await fleet.ask(2048)
    assert fleet.asked_of(2048) == ("box-2",)
    await fleet.serve("box-2")
    await fleet.serve("box-3")
    assert (fleet.asked_of(2048), fleet.asked_of(1024)) == (BOXES[1:], BOXES[:1])
    await fleet.lose_sight("box-1", ready=True)
    assert fleet.asked_of(2048) == BOXES


async def test_a_site_whose_line_flaps_serves_on_outside_the_window(fleet: Fleet) -> None:
    """Its node is heard before its pods are: what served all the while seems to serve nobody for a moment."""
    fleet.operator.now = "2026-01-02T04:00:00Z"
    await fleet.ask(2048, window=NIGHT)
    await fleet.cut_off("box-1")
    await fleet.come_back("box-1")
    assert fleet.asked_of(2048) == ()
    await fleet.serve("box-1")
    await fleet.pass_time("2026-01-02T04:02:00Z", seconds=120)
    assert fleet.asked_of(2048) == ()
    assert fleet.told() == ("Unknown", "AwaitingWindow")


async def test_a_site_that_comes_back_and_does_not_serve_is_corrected_after_a_while(fleet: Fleet) -> None:
    """Nothing but the clock tells that it has been waited for long enough."""
    fleet.operator.now = "2026-01-02T04:00:00Z"
    await fleet.fail("box-3")
    await fleet.ask(2048, window=NIGHT)
    await fleet.fail("box-3")
    await fleet.cut_off("box-1")
    await fleet.come_back("box-1")
    assert fleet.asked_of(2048) == ("box-3",)
    await fleet.pass_time("2026-01-02T04:01:00Z", seconds=60)
    assert fleet.asked_of(2048) == ("box-1", "box-3")


async def test_a_restart_in_the_middle_of_a_wave_goes_on_with_it_and_writes_nothing(fleet: Fleet) -> None:
    await fleet.ask(2048)
    before = len(fleet.cluster.requests)
    fleet.operator = await reconciled(fleet.cluster)
    writes = [verb for verb, _, _ in fleet.cluster.requests[before:] if verb not in {"get", "list", "discover"}]
    assert writes == []
    await fleet.serve("box-1")
    assert fleet.asked_of(2048) == BOXES[:2]


async def test_suspending_takes_all_at_once_and_what_comes_back_is_new(fleet: Fleet) -> None:
    live = fleet.cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {}
    fleet.cluster.put({**live, "spec": {**live["spec"], "suspend": True, "engine": {"maxModelLen": 2048}}})
    await fleet.operator.settle()
    assert [fleet.deployment(box)["spec"]["replicas"] for box in BOXES] == [0, 0, 0]
    assert fleet.asked_of(2048) == BOXES
