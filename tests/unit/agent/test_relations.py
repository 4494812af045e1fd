"""Relations that come and go: who is related to whom, when, and where that places an entity."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeglm_agent.config.source_rules import problems_of_source
from edgeglm_agent.decode.observation import Entity, Observation, Relation
from edgeglm_agent.graph.build import build
from edgeglm_agent.graph.encode import encode_entities, encode_window
from edgeglm_agent.graph.relations import MAX_SAID, Relations, _settled
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.spool.entry import Connected, Entry, Message
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import (
    EntityRef,
    Measurement,
    OpFrom,
    PartitionBy,
    Question,
    SourceRelation,
    Timestamp,
    Topology,
    TopologyEdge,
    TopologyNode,
)
from tests.edge.bundles import a_bundle, a_graph, a_source

from .machine import BROKER, Crash, assert_crashes_change_nothing, crashes
from .observations import SECOND, a_message
from .test_graph_fold import a_fold, assert_balanced, counts

IN_BED = SourceRelation(
    type="in",
    to=EntityRef(type="Bed", id="{$.bed}"),
    op_from=OpFrom(path="$.what", map={"admit": "Replace", "discharge": "Remove"}),
)
WARDS = Topology(
    nodes=(
        *(TopologyNode(id=ward, type="Ward") for ward in ("north", "south")),
        *(TopologyNode(id=bed, type="Bed") for bed in ("n1", "n2", "s1")),
    ),
    edges=tuple(
        TopologyEdge(source=bed, target=ward, type="in")
        for bed, ward in (("n1", "north"), ("n2", "north"), ("s1", "south"))
    ),
)


def a_hospital(**changes: Any) -> Graph:
    patient = EntityRef(type="Patient", id="{patient}")
    pulse = a_source(
        name="pulse",
        topic="vital/{patient}/pulse",
        entity=patient,
        measurements=(Measurement(property="pulse", path="$.bpm"),),
        relations=(),
    )
    mode = a_source(
        name="mode",
        kind="State",
        topic="vital/{patient}/mode",
        entity=patient,
        measurements=(Measurement(property="mode", path="$.mode", type="Enum"),),
        relations=(),
    )
    moves = a_source(
        name="moves", kind="Relation", topic="adt/{patient}/moves", entity=patient, measurements=(), relations=(IN_BED,)
    )
    window = msgspec.structs.replace(
        a_graph().window, partition_by=PartitionBy(entity_type="Ward"), max_skew_seconds=1000
    )
    return msgspec.structs.replace(
        a_graph(sources=(pulse, mode, moves), topology=WARDS, window=window, question=Question()), **changes
    )


def a_body(topic: str, *, at: float, arrived: float | None = None, **said: Any) -> Message:
    payload = msgspec.json.encode({"ts": at, **said})
    return a_message(at=at, arrived=arrived, topic=topic, payload=payload, size=len(payload))


def a_pulse(*, at: float, arrived: float | None = None, patient: str = "p1") -> Message:
    return a_body(f"vital/{patient}/pulse", at=at, arrived=arrived, bpm=70)


def a_mode(mode: str, *, at: float, arrived: float | None = None, patient: str = "p1") -> Message:
    return a_body(f"vital/{patient}/mode", at=at, arrived=arrived, mode=mode)


def a_move(bed: str, *, at: float, what: str = "admit", arrived: float | None = None, patient: str = "p1") -> Message:
    return a_body(f"adt/{patient}/moves", at=at, arrived=arrived, bed=bed, what=what)


def feed(fold: Any, *messages: Message) -> list[Closed]:
    return [closed for message in messages for closed in fold.take(message.topic.rpartition("/")[2], message)]


def text_of(closed: Closed) -> str:
    graph = build(closed.window, closed.era.surroundings, {}, {}, ())
    return f"{encode_entities(graph)}\n{encode_window(graph, closed.window.start_ns)}"


def by_ward(closed: list[Closed], ward: str) -> dict[int, Closed]:
    return {each.window.start_ns // SECOND: each for each in closed if each.window.partition == ward}


def test_a_patient_who_changes_the_ward_is_from_then_on_in_the_other() -> None:
    fold = a_fold(a_hospital())
    closed = feed(fold, a_move("n1", at=99.5), a_mode("auto", at=99.6))
    closed += feed(fold, *(a_pulse(at=100.0 + half / 2) for half in range(4)))
    closed += feed(fold, a_move("s1", at=101.7))
    closed += feed(fold, *(a_pulse(at=102.0 + half / 2) for half in range(6)))
    closed += fold.flush(0)
    north, south = by_ward(closed, "north"), by_ward(closed, "south")
    assert set(fold.partitions) == {"north", "south"}
    assert "p1 (Patient): in n1\n" in text_of(north[100])
    assert "p1: pulse 70; mode auto since -1 s\n" in text_of(north[100])
    assert "in n1 until +0 s" in text_of(north[101])
    assert "p1 (Patient): in s1\n" in text_of(south[102])
    assert "mode auto since -3 s\n" in text_of(south[102])
    assert 102 not in north, "nothing of the north is left to tell"
    assert "p1" not in fold.partitions["north"].heard
    assert set(fold.partitions["north"].holders) == set()
    assert_balanced(fold)


def test_a_bed_in_the_same_ward_is_another_edge_and_the_same_partition() -> None:
    fold = a_fold(a_hospital())
    feed(fold, a_move("n1", at=99.5), a_pulse(at=100.0))
    closed = feed(fold, a_move("n2", at=100.5), *(a_pulse(at=100.6 + second) for second in range(4)))
    text = text_of(by_ward(closed, "north")[100])
    assert "in n1 until +0 s; in n2 from +0 s" in text
    assert set(fold.partitions) == {"north"}


def test_who_is_discharged_belongs_nowhere() -> None:
    fold = a_fold(a_hospital())
    feed(fold, a_move("n1", at=99.5), a_pulse(at=100.0), a_move("n1", what="discharge", at=100.5))
    feed(fold, a_mode("auto", at=100.1), a_pulse(at=101.0))
    assert set(fold.partitions) == {"north", "unassigned"}
    closed = feed(fold, *(a_pulse(at=102.0 + second, patient="p2") for second in range(4)), a_move("n2", at=102.0))
    assert "p1" not in {entity for each in closed for entity in each.window.states}
    assert_balanced(fold)


def test_a_silent_patient_is_in_the_graph_of_the_ward() -> None:
    fold = a_fold(a_hospital())
    feed(fold, a_move("n1", at=99.5), a_move("n2", at=99.6, patient="p2"))
    closed = feed(fold, *(a_pulse(at=100.0 + second) for second in range(4)))
    assert "p2 (Patient): in n2\n" in text_of(by_ward(closed, "north")[101])


def test_readings_go_where_the_entity_was_at_their_own_time() -> None:
    fold = a_fold(a_hospital())
    feed(fold, a_move("n1", at=99.5), a_pulse(at=100.0), a_move("s1", at=100.5))
    feed(fold, a_pulse(at=100.3, arrived=100.6), a_pulse(at=100.7))
    north, south = (fold.partitions[ward].panes[1][100].stats["p1"]["pulse"].n for ward in ("north", "south"))
    assert (north, south) == (2, 1)


def test_a_word_that_there_is_not_is_refused() -> None:
    fold = a_fold(a_hospital())
    feed(fold, a_move("n1", what="lost", at=100.0))
    assert counts(fold)["dead.unmapped"] == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["n1", "n2", "s1"]), st.booleans()), max_size=8),
    st.randoms(),
)
def test_reordering_within_the_lateness_gives_the_same_windows_in_each_ward(
    moves: list[tuple[int, str, bool]], chance: random.Random
) -> None:
    """What is heard of others sets the time; only that a reading overtakes the move that it follows is left out."""
    beds = {"watch-n": "n1", "watch-s": "s1"}
    first = [a_move(bed, at=99.0, arrived=100.0, patient=who) for who, bed in beds.items()]
    beat = [a_pulse(at=100 + half / 2, arrived=100.0, patient=who) for half in range(12) for who in beds]
    said = [a_mode("AB"[tenth % 2], at=100 + tenth / 10, arrived=100.0, patient="watch-n") for tenth, _, _ in moves]
    goes = [
        a_move(bed, at=100 + tenth / 10, arrived=100.0, what="discharge" if ends else "admit")
        for tenth, bed, ends in moves
    ]
    messages = sorted(beat + said + goes, key=_event_s)
    last = [a_pulse(at=200.0, arrived=100.0, patient=who) for who in beds]
    shifted = sorted(messages, key=lambda each: _event_s(each) + chance.uniform(-0.49, 0.49))
    in_order, reordered = a_fold(a_hospital()), a_fold(a_hospital())

    expected = _content(feed(in_order, *first, *messages, *last))
    assert _content(feed(reordered, *first, *shifted, *last)) == expected
    assert_balanced(reordered)


def _event_s(message: Message) -> float:
    return float(msgspec.json.decode(message.payload)["ts"])


def _content(closed: list[Closed]) -> dict[tuple[str, int], bytes]:
    """What the windows say; whose message is counted where does not matter to the model."""
    return {
        (each.window.partition, each.window.start_ns): msgspec.json.encode(
            [each.window.states, each.window.ties, each.window.pane.stats], order="deterministic"
        )
        for each in closed
        if each.window.pane.stats
    }


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crashes(entries=20, most=10))
def test_crashes_anywhere_give_the_same_requests(tmp_path_factory: pytest.TempPathFactory, faults: list[Crash]) -> None:
    stream: list[Entry] = [Connected(99 * SECOND, BROKER, 1, resumed=False)]
    for second in range(40):
        if second % 5 == 0:
            stream.append(a_move(("n1", "s1", "n2")[second % 3], at=99.9 + second))
        stream += [a_mode("AB"[second % 2], at=100.2 + second), a_pulse(at=100.0 + second)]
        stream.append(a_pulse(at=100.5 + second, patient="p2"))
    numbered = [
        msgspec.structs.replace(entry, packet_id=number) if isinstance(entry, Message) else entry
        for number, entry in enumerate(stream)
    ]
    asked = assert_crashes_change_nothing(tmp_path_factory, a_bundle(a_hospital()), numbered, faults)
    assert len(asked) > 30


# The lookup itself.


def an_op(at: float, op: str, target: str = "a", *, ttl: float = 0) -> Observation:
    relation = Relation("feeds", Entity(target, "Bus"), op=op, ttl_ns=round(ttl * SECOND))
    return Observation("breaker", Entity("grid", "Bus"), round(at * SECOND), (), (relation,))


def related(*ops: Observation) -> Relations:
    relations = Relations()
    for each in ops:
        relations.note(each, 0)
    return relations


def targets(relations: Relations, at: float) -> list[str]:
    return [tie.target for tie in relations.of("grid", round(at * SECOND))]


def test_relations_begin_and_end() -> None:
    relations = related(an_op(1, "Add", "a"), an_op(2, "Add", "b"), an_op(4, "Remove", "a"), an_op(6, "Replace", "c"))
    assert [targets(relations, at) for at in range(8)] == [
        [],
        ["a"],
        ["a", "b"],
        ["a", "b"],
        ["b"],
        ["b"],
        ["c"],
        ["c"],
    ]


def test_what_is_not_said_again_in_time_ends() -> None:
    relations = related(an_op(1, "Add", ttl=3), an_op(3, "Add", ttl=3), an_op(10, "Add", ttl=1))
    assert [at for at in range(13) if targets(relations, at)] == [1, 2, 3, 4, 5, 10]
    (first, second) = relations.during(0, 20 * SECOND)
    assert (first.since_ns, first.until_ns, second.until_ns) == (1 * SECOND, 6 * SECOND, 11 * SECOND)


OPS = st.lists(
    st.builds(
        an_op,
        st.integers(0, 20),
        st.sampled_from(["Add", "Remove", "Replace"]),
        st.sampled_from("abc"),
        ttl=st.sampled_from([0, 3]),
    ),
    max_size=20,
)


@given(OPS, st.randoms())
def test_the_order_of_arrival_does_not_matter(ops: list[Observation], chance: object) -> None:
    shuffled = list(ops)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert related(*shuffled) == related(*ops)


@given(OPS)
def test_what_is_settled_is_told_as_before(ops: list[Observation]) -> None:
    relations = related(*ops)
    before = relations.during(12 * SECOND, 30 * SECOND)
    for related_entity in relations.related.values():
        for told in related_entity.told.values():
            told[:] = _settled(told, 12 * SECOND)
    assert relations.during(12 * SECOND, 30 * SECOND) == before


def test_repetitions_do_not_crowd_out_what_holds() -> None:
    relations = related(an_op(1, "Add", "a"), *(an_op(2 + number, "Add", "b") for number in range(1000)))
    assert len(relations.related["grid"].told["feeds"]) <= MAX_SAID
    assert [(tie.target, tie.since_ns // SECOND) for tie in relations.of("grid", 2000 * SECOND)] == [("a", 1), ("b", 2)]


def test_a_late_word_does_not_bring_back_what_was_replaced() -> None:
    relations = related(an_op(10, "Replace", "a"))
    relations.note(an_op(5, "Add", "b"), 8 * SECOND)
    assert targets(relations, 10) == ["a"]


def test_the_bundle_is_held_to_the_same_rules() -> None:
    timed = {"timestamp": Timestamp(path="$.ts"), "relations": (IN_BED,), "measurements": ()}
    good = a_source(kind="Relation", **timed)
    assert list(problems_of_source(good)) == []
    bad_path = msgspec.structs.replace(IN_BED, op_from=OpFrom(path="what", map={"a": "Add"}))
    for source in (
        a_source(kind="Relation"),
        a_source(kind="Relation", **timed | {"relations": ()}),
        a_source(relations=(IN_BED,)),
        a_source(kind="Relation", **timed | {"relations": (bad_path,)}),
    ):
        assert len(list(problems_of_source(source))) == 1


def test_without_partitions_all_relations_are_in_the_one() -> None:
    whole = msgspec.structs.replace(a_hospital().window, partition_by=None)
    fold = a_fold(a_hospital(window=whole, topology=Topology()))
    closed = feed(fold, a_move("n1", at=99.5), *(a_pulse(at=100.0 + second, patient="p2") for second in range(4)))
    assert "p1 (Patient): in n1\n" in text_of(by_ward(closed, "all")[101])


def test_where_the_partition_itself_is_never_heard_it_is_in_the_graph_of_those_that_lead_to_it() -> None:
    fold = a_fold(a_hospital(topology=Topology(), sources=_with_beds_in_wards()))
    feed(fold, a_move("n1", at=99.0), a_body("adt/n1/stands", at=99.0, ward="north"))
    closed = feed(fold, *(a_pulse(at=100.0 + second) for second in range(4)))
    text = text_of(by_ward(closed, "north")[101])
    assert "p1 (Patient): in n1\n" in text
    assert "p1: pulse 70\n" in text
    assert "n1 (Bed): in north\n" in text


def _with_beds_in_wards() -> tuple[Any, ...]:
    to_ward = SourceRelation(type="in", to=EntityRef(type="Ward", id="{$.ward}"))
    bed = EntityRef(type="Bed", id="{bed}")
    stands = a_source(
        name="stands", kind="Relation", topic="adt/{bed}/stands", entity=bed, measurements=(), relations=(to_ward,)
    )
    return (*a_hospital().sources, stands)
