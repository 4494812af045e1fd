"""Derived properties over neighbours: balances, of what an entity measures and what those it is related to do."""

import random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeglm_agent.config.rules import problems_of
from edgeglm_agent.graph.detect import detect
from edgeglm_agent.graph.encode import Detail
from edgeglm_agent.graph.sentence import sentence
from edgeglm_agent.graph.window import Window
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.graph_fold import GraphFold
from edgeglm_agent.pipeline.judge import Site, judge
from edgeglm_agent.reason.disguise import disguised
from edgeglm_agent.reason.prompt import question
from edgeglm_agent.reason.request import decode_request
from edgeglm_agent.spool.entry import Connected, Entry, Message
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import (
    Derived,
    EntityRef,
    Limits,
    Measurement,
    OpFrom,
    PartitionBy,
    Question,
    SourceRelation,
    Topology,
    TopologyEdge,
    TopologyNode,
)
from tests.edge.bundles import a_bundle, a_graph, a_source

from .machine import BROKER, Crash, assert_crashes_change_nothing, crashes
from .observations import SECOND
from .test_graph_fold import a_fold, assert_balanced
from .test_relations import a_body

TAPS = ("tap-1", "tap-2", "tap-3")
LOSS = Derived(property="loss", expr="flow - sum(feeds.flow)", unit="l/min", limits=Limits(high=1.0))
METERS = a_source(
    name="vibration",
    topic="water/{kind}/{meter}",
    entity=EntityRef(type="Meter", id="{meter}"),
    measurements=(Measurement(property="flow", path="$.flow"),),
    relations=(),
)
VALVES = a_source(
    name="valves",
    kind="Relation",
    topic="valve/{main}",
    entity=EntityRef(type="Meter", id="{main}"),
    measurements=(),
    relations=(
        SourceRelation(
            type="feeds",
            to=EntityRef(type="Meter", id="{$.tap}"),
            op_from=OpFrom(path="$.state", map={"open": "Add", "shut": "Remove"}),
        ),
    ),
)


def pipes(*edges: tuple[str, str], **types: str) -> Topology:
    names = dict.fromkeys(name for edge in edges for name in edge)
    return Topology(
        nodes=tuple(TopologyNode(id=name, type=types.get(name, "Meter")) for name in names),
        edges=tuple(TopologyEdge(source=source, target=target, type="feeds") for source, target in edges),
    )


def waterworks(*derived: Derived, topology: Topology | None = None, **changes: object) -> Graph:
    rules = a_graph(
        sources=(METERS, VALVES),
        derived=derived or (LOSS,),
        topology=topology or pipes(*(("main", tap) for tap in TAPS)),
        window=msgspec.structs.replace(a_graph().window, partition_by=None),
    )
    return msgspec.structs.replace(rules, **changes)


def flows(at: float, **measured: float) -> list[Message]:
    return [a_body(f"water/x/{name.replace('_', '-')}", at=at, flow=flow) for name, flow in measured.items()]


def take(fold: GraphFold, *messages: Message) -> list[Closed]:
    return [
        closed
        for message in messages
        for closed in fold.take("valves" if message.topic.startswith("valve") else "vibration", message)
    ]


def closed_by(rules: Graph, *messages: Message) -> list[Closed]:
    """Feed messages, then enough of what comes after to close their windows."""
    fold = a_fold(rules)
    done = take(fold, *messages)
    after = max(message.arrived_ns for message in messages) / 1e9 + 4
    return done + take(fold, *flows(after, main=0))


def means(window: Window, name: str) -> dict[str, float]:
    return {entity: stats[name].mean for entity, stats in window.pane.stats.items() if name in stats}


def test_what_is_lost_between_a_main_and_its_taps_is_evidence_that_names_them() -> None:
    (closed,) = closed_by(waterworks(), *flows(100.5, main=10, tap_1=3, tap_2=3, tap_3=1.5))
    assert means(closed.window, "loss") == {"main": 2.5}, "a tap feeds nobody, and has no balance"
    (item,) = detect(closed.window, {}, closed.era.surroundings.units)
    told = sentence(item)
    assert told.startswith("main loss 2.5 l/min is above its high limit 1 since ")
    assert told.endswith(", with 3 of 3: tap-1, tap-2, tap-3")


def test_who_changes_over_within_a_window_is_in_no_sum_though_readings_tell_of_it() -> None:
    """Its whole mean would be in both."""
    feeders = msgspec.structs.replace(
        METERS, relations=(SourceRelation(type="feeds", to=EntityRef(type="Meter", id="{$.bus}")),)
    )
    rules = waterworks(Derived(property="load", expr="sum(^feeds.flow)"), topology=Topology(), sources=(feeders,))

    def at(moment: float, meter: str, flow: float, bus: str) -> Message:
        return a_body(f"water/x/{meter}", at=moment, flow=flow, bus=bus)

    def loads(*messages: Message) -> dict[str, float]:
        (closed,) = take(a_fold(rules), *messages, at(110, "c", 0.0, "bus-3"))
        return means(closed.window, "load")

    before = at(100.1, "a", 5.0, "bus-1"), at(100.2, "b", 3.0, "bus-2")
    assert loads(*before) == {"bus-1": 5.0, "bus-2": 3.0}
    assert loads(*before, at(100.5, "a", 5.0, "bus-2"), at(100.6, "b", 3.0, "bus-2")) == {}


def test_who_has_derived_values_alone_is_known_as_long_as_it_has_them() -> None:
    """Else it is forgotten before those that are gone, with what is usual for it."""
    fold = a_fold(waterworks(Derived(property="fed", expr="sum(feeds.flow)")))
    for moment in range(100, 110):
        take(fold, *flows(moment + 0.5, tap_1=1, tap_2=2, tap_3=3))
    known = fold.partitions["all"].known
    assert known["main"] == max(known["main"], known["tap-1"] - 4 * SECOND)


def test_a_sum_is_not_told_while_one_is_silent_and_the_others_are() -> None:
    derived = (
        LOSS,
        Derived(property="usual", expr="mean(feeds.flow)"),
        Derived(property="most", expr="max(feeds.flow) - min(feeds.flow)"),
        Derived(property="heard", expr="count(feeds.flow)", limits=Limits(low=3.0)),
        Derived(property="taps", expr="count(feeds)"),
        Derived(property="guess", expr="flow - mean(feeds.flow) * count(feeds)"),
    )
    (closed,) = closed_by(waterworks(*derived), *flows(100.5, main=10, tap_1=3, tap_3=1))
    stats = closed.window.pane.stats["main"]
    assert {name: stat.mean for name, stat in stats.items()} == {
        "flow": 10,
        "usual": 2,
        "most": 2,
        "heard": 2,
        "taps": 3,
        "guess": 4,
    }
    (item,) = detect(closed.window, {}, {})
    assert sentence(item).endswith(", with 2 of 3: tap-1, tap-3")


def test_who_measures_nothing_of_the_kind_is_not_missed() -> None:
    topology = pipes(("main", "tap-1"), ("main", "pump"), pump="Pump")
    (closed,) = closed_by(waterworks(topology=topology), *flows(100.5, main=10, tap_1=3))
    assert means(closed.window, "loss") == {"main": 7}


def test_against_the_direction_and_of_what_was_derived_before() -> None:
    derived = (LOSS, Derived(property="above", expr="flow + sum(^feeds.loss)"))
    topology = pipes(("main", "tap-1"), ("tap-1", "tap-2"))
    (closed,) = closed_by(waterworks(*derived, topology=topology), *flows(100.5, main=10, tap_1=6, tap_2=5))
    assert means(closed.window, "above") == {"tap-1": 10, "tap-2": 6}


def test_an_entity_that_measures_nothing_itself_has_what_its_neighbours_do_and_learns_it() -> None:
    rules = waterworks(
        Derived(property="load", expr="sum(feeds.flow)"), topology=pipes(("bus", "tap-1"), ("bus", "tap-2"), bus="Bus")
    )
    fold = a_fold(rules)
    for second in range(100, 104):
        for closed in take(fold, *flows(second + 0.5, tap_1=3, tap_2=4)):
            assert means(closed.window, "load") == {"bus": 7}
            judge(closed, Site(name="s", uid="u", revision=0))
    partition = fold.partitions["all"]
    assert partition.baselines["bus"]["load"].mean == 7
    assert "bus" in partition.known, "what is not known is never forgotten"


def test_a_relation_that_comes_or_goes_leaves_no_sum_in_its_window() -> None:
    rules = waterworks(topology=pipes(("main", "tap-1")))
    fold = a_fold(rules)

    def second(at: float) -> list[Message]:
        return flows(at, main=10, tap_1=3, tap_2=4)

    opened = a_body("valve/main", at=101.6, tap="tap-2", state="open")
    shut = a_body("valve/main", at=103.6, tap="tap-2", state="shut")
    said = [*second(100.5), *second(101.5), opened, *second(102.5), *second(103.5), shut]
    closed = take(fold, *said, *second(104.5), *second(109.5))
    lost = [means(each.window, "loss").get("main") for each in closed]
    assert lost == [7, None, 3, None, 7]
    assert_balanced(fold)


def test_who_is_in_another_partition_is_missed_in_a_sum() -> None:
    plant = Topology(
        nodes=(
            *(TopologyNode(id=name, type="Line") for name in ("north", "south")),
            *(TopologyNode(id=name, type="Meter") for name in ("main", *TAPS)),
        ),
        edges=(
            *(TopologyEdge(source=each, target="north", type="partOf") for each in ("main", "tap-1", "tap-2")),
            TopologyEdge(source="tap-3", target="south", type="partOf"),
            *(TopologyEdge(source="main", target=tap, type="feeds") for tap in TAPS),
        ),
    )
    derived = (LOSS, Derived(property="share", expr="count(feeds.flow) / count(feeds)"))
    window = msgspec.structs.replace(a_graph().window, partition_by=PartitionBy(entity_type="Line"))
    rules = waterworks(*derived, topology=plant, window=window)
    said = [*flows(100.5, main=10, tap_1=3, tap_2=3, tap_3=1), *flows(110.5, main=1, tap_3=1)]
    closed = {each.window.partition: each.window for each in closed_by(rules, *said) if each.window.start_ns == 100e9}
    assert closed.keys() == {"north", "south"}
    assert means(closed["north"], "loss") == {}
    assert means(closed["north"], "share") == {"main": pytest.approx(2 / 3)}
    assert means(closed["south"], "share") == {}, "main is not at home there"


@given(st.lists(st.floats(0, 1e6, allow_nan=False), min_size=3, max_size=3), st.randoms(use_true_random=False))
def test_the_order_of_arrival_makes_no_difference(measured: list[float], dice: random.Random) -> None:
    said = flows(100.5, main=1e6, tap_1=measured[0], tap_2=measured[1], tap_3=measured[2])
    shuffled = dice.sample(said, len(said))
    (one,), (other,) = closed_by(waterworks(), *said), closed_by(waterworks(), *shuffled)
    assert one.window.pane.stats["main"]["loss"] == other.window.pane.stats["main"]["loss"]
    assert one.window.made_of == other.window.made_of


def test_a_late_reading_makes_the_balance_whole() -> None:
    window = msgspec.structs.replace(
        a_graph().window, partition_by=None, late="Revise", late_within_seconds=60, idle_timeout_seconds=2
    )
    fold = a_fold(waterworks(window=window))
    closed = take(fold, *flows(100.5, main=10, tap_1=3, tap_2=3), *flows(102.5, main=10), *flows(104.6, main=10))
    (first, *_) = closed
    assert means(first.window, "loss") == {}
    late = a_body("water/x/tap-3", at=100.7, arrived=104.7, flow=1)
    again = take(fold, late, *(each for at in (105.5, 106.5, 108.5) for each in flows(at, main=10)))
    (anew,) = [each for each in again if each.belated_ns]
    assert anew.window.start_ns == first.window.start_ns
    assert means(anew.window, "loss") == {"main": 3}


def test_the_prompt_names_them_and_under_pseudonyms_it_does_not() -> None:
    (closed,) = closed_by(waterworks(), *flows(100.5, main=10, tap_1=3, tap_2=3, tap_3=1.5))
    request = judge(closed, Site(name="s", uid="u", revision=0)).request
    assert "with 3 of 3: tap-1, tap-2, tap-3" in question(request, Detail.FULL)[1]["content"]
    view = disguised(request, b"key")
    asked = question(view.request, Detail.FULL)[1]["content"]
    assert "with 3 of 3: n-" in asked
    assert "tap-1" not in asked


def test_of_many_only_the_first_are_named() -> None:
    taps = [f"tap-{number:02}" for number in range(12)]
    rules = waterworks(topology=pipes(*(("main", tap) for tap in taps)))
    (closed,) = closed_by(rules, *flows(100.5, main=100, **{tap.replace("-", "_"): 1 for tap in taps}))
    (item,) = detect(closed.window, {}, {})
    assert sentence(item).endswith(", with 12 of 12: " + ", ".join(taps[:8]) + " and others")


def test_graphs_without_neighbours_in_them_look_none_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("edgeglm_agent.pipeline.whereabouts.around", never)
    (closed,) = closed_by(waterworks(Derived(property="twice", expr="flow * 2")), *flows(100.5, main=10))
    assert means(closed.window, "twice") == {"main": 20}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crashes(entries=20, most=10))
def test_crashes_anywhere_give_the_same_requests(tmp_path_factory: pytest.TempPathFactory, faults: list[Crash]) -> None:
    stream: list[Entry] = [Connected(99 * SECOND, BROKER, 1, resumed=False)]
    for second in range(40):
        if second % 5 == 0:
            state = ("open", "shut")[second % 2]
            stream.append(a_body("valve/main", at=99.9 + second, tap="tap-3", state=state))
        stream += flows(100.2 + second, main=10, tap_1=3, tap_2=3 + second % 3)
        if second % 4:
            stream += flows(100.3 + second, tap_3=1)
    numbered = [
        msgspec.structs.replace(entry, packet_id=number) if isinstance(entry, Message) else entry
        for number, entry in enumerate(stream)
    ]
    rules = waterworks(topology=pipes(("main", "tap-1"), ("main", "tap-2")), question=Question())
    asked = assert_crashes_change_nothing(tmp_path_factory, a_bundle(rules), numbered, faults)
    found = [item for body in asked.values() for item in decode_request(body).subject.evidence]
    lost = [item for item in found if item.property == "loss"]
    assert {item.among.heard for item in lost if item.among} == {2, 3}


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ("flow - sum(feeds.pressure)", "'pressure', which no source measures"),
        ("sum(feeds.loss)", "'loss', which no source measures"),
        ("flow - sum(feeds.flow", "misses"),
    ],
)
def test_the_bundle_is_held_to_it(expr: str, problem: str) -> None:
    (found,) = problems_of(a_bundle(waterworks(Derived(property="loss", expr=expr))))
    assert found.field == "graphs[0].derived[0].expr"
    assert problem in found.message
