"""Windows by event time: the same readings give the same windows, in whatever order they come within the lateness."""

import random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeglm_agent.graph.relations import Relations
from edgeglm_agent.pipeline.births import Births
from edgeglm_agent.pipeline.books import Books, imbalance
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.era import EraState
from edgeglm_agent.pipeline.graph_fold import GraphFold
from edgeglm_agent.pipeline.whereabouts import Whereabouts
from edgeglm_agent.spool.entry import Message
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import (
    EntityRef,
    Measurement,
    SourceLimits,
    Timestamp,
    Topology,
    TopologyEdge,
    TopologyNode,
)
from tests.edge.bundles import a_graph, a_source

from .observations import SECOND, a_message


def a_fold(rules: Graph | None = None) -> GraphFold:
    first = EraState(number=1, from_ns=0, rules=rules or a_graph())
    return GraphFold((first,), Whereabouts(Relations(), {}), Births({}, {}), Books({}), {})


def feed(fold: GraphFold, *messages: Message) -> list[Closed]:
    return [closed for message in messages for closed in fold.take("vibration", message)]


def spans(closed: list[Closed]) -> list[tuple[str, float, float, int]]:
    return [
        (
            each.window.partition,
            each.window.start_ns / SECOND,
            each.window.end_ns / SECOND,
            sum(each.window.pane.messages.values()),
        )
        for each in closed
    ]


def counts(fold: GraphFold) -> dict[str, int]:
    return {entry: n for (_graph, _source, entry), n in fold._books.all().items()}


def assert_balanced(fold: GraphFold) -> None:
    pending: dict[tuple[str, str], int] = {}
    for source, n in fold.pending():
        pending[fold.uid, source] = pending.get((fold.uid, source), 0) + n
    assert imbalance(fold._books.all(), pending) == {}


def test_a_window_closes_when_all_that_are_heard_are_past_it_and_the_lateness() -> None:
    fold = a_fold()
    assert feed(fold, a_message(at=100.1), a_message(at=100.2, machine="m2")) == []
    assert feed(fold, a_message(at=103.0, arrived=100.5)) == [], "m2 may still have something to say"
    assert feed(fold, a_message(at=101.9, arrived=100.5, machine="m2")) == []
    assert spans(feed(fold, a_message(at=102.0, arrived=100.5, machine="m2"))) == [("l1", 100, 101, 2)]
    assert_balanced(fold)


def test_partitions_have_their_own_time() -> None:
    fold = a_fold()
    feed(fold, a_message(at=100.0), a_message(at=100.0, line="l2"))
    assert [each.window.partition for each in feed(fold, a_message(at=110.0))] == ["l1"]


def test_what_is_silent_for_too_long_no_longer_holds_the_others_back() -> None:
    fold = a_fold()
    feed(fold, a_message(at=100.0, machine="m2"))
    assert feed(fold, *(a_message(at=100.0 + second) for second in range(3))) == []
    closed = feed(fold, *(a_message(at=103.0 + second) for second in range(2)))
    assert len(closed) == 3, "m2 was last heard at 100, and the idle timeout is 2 s"


def test_when_nothing_is_heard_the_clock_closes_what_is_open_and_no_more() -> None:
    fold = a_fold()
    feed(fold, a_message(at=100.0))
    assert fold.tick(101 * SECOND) == []
    assert spans(fold.tick(105 * SECOND)) == [("l1", 100, 101, 1)]
    fold.tick(200 * SECOND)
    feed(fold, a_message(at=150.0, arrived=201.0))
    assert counts(fold).get("late", 0) == 0, "a buffer that is sent after the outage is in time"


def test_what_comes_after_its_window_is_late_and_counted() -> None:
    fold = a_fold()
    feed(fold, a_message(at=100.0), a_message(at=102.5), a_message(at=100.5))
    assert counts(fold)["late"] == 1
    assert_balanced(fold)


def test_clocks_that_cannot_be_right_are_quarantined_and_move_nothing() -> None:
    fold = a_fold()
    feed(
        fold,
        a_message(at=2_000_000.0),
        a_message(at=2_000_100.0, arrived=2_000_000.0),
        a_message(at=5.0, arrived=2_000_000.0),
    )
    assert counts(fold)["dead.skew"] == 2
    assert spans(feed(fold, a_message(at=2_000_002.0))) == [("l1", 2_000_000, 2_000_001, 1)]


def test_too_many_entities_are_refused_not_stored() -> None:
    fold = a_fold()
    feed(fold, *(a_message(at=100.0, machine=f"m{number}") for number in range(4200)))
    assert counts(fold)["dead.series_limit"] == 4200 - 4096
    assert_balanced(fold)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["m1", "m2"])), min_size=1, max_size=60), st.randoms())
def test_reordering_within_the_lateness_gives_the_same_windows(
    readings: list[tuple[int, str]], chance: random.Random
) -> None:
    """Each message may overtake by less than half the lateness in either direction."""
    messages = [
        a_message(tenth / 10 % 9, at=100 + tenth / 10, arrived=100.0, machine=who) for tenth, who in sorted(readings)
    ]
    last = [a_message(at=200.0, arrived=100.0, machine=who) for who in ("m1", "m2")]
    shifted = sorted(messages, key=lambda each: msgspec.json.decode(each.payload)["ts"] + chance.uniform(-0.49, 0.49))

    skew = msgspec.structs.replace(a_graph().window, max_skew_seconds=1000)
    in_order, reordered = a_fold(a_graph(window=skew)), a_fold(a_graph(window=skew))

    assert _content(feed(reordered, *shifted, *last)) == _content(feed(in_order, *messages, *last))
    assert counts(reordered) == counts(in_order)
    assert_balanced(reordered)


def _content(closed: list[Closed]) -> list[bytes]:
    return [msgspec.json.encode(each.window, order="deterministic") for each in closed]


def test_an_entity_belongs_to_the_partition_that_the_topology_says() -> None:
    topology = Topology(
        nodes=(
            TopologyNode(id="hall-9", type="Line"),
            TopologyNode(id="l1/m1", type="Machine"),
            TopologyNode(id="sensor", type="Sensor"),
        ),
        edges=(
            TopologyEdge(source="l1/m1", target="hall-9", type="partOf"),
            TopologyEdge(source="sensor", target="l1/m1", type="watches"),
        ),
    )
    fold = a_fold(a_graph(topology=topology, sources=(a_source(relations=()),)))
    feed(fold, a_message(at=100.0), a_message(at=100.0, machine="m7"))
    assert set(fold.partitions) == {"hall-9", "unassigned"}


def test_changed_rules_begin_at_the_next_border_and_old_readings_stay_under_the_old_ones() -> None:
    fold = a_fold()
    feed(fold, a_message(at=100.2))
    fold.cut_over(a_graph(window=msgspec.structs.replace(a_graph().window, size_seconds=10)), 0)
    closed = feed(fold, a_message(at=100.7), a_message(at=101.5), a_message(at=112.0))
    assert spans(closed) == [("l1", 100, 101, 2), ("l1", 101, 110, 1)], "none is told twice"
    assert closed[0].era.digest != closed[1].era.digest
    assert len(fold.eras) == 1, "nothing is left under the old rules"
    assert_balanced(fold)


def a_batching_graph(**changes: Any) -> Graph:
    """One message says something of many machines, each with its own time."""
    source = a_source(
        topic="plant/{line}/batch",
        for_each="$.items[*]",
        entity=EntityRef(type="Machine", id="{@.id}"),
        measurements=(Measurement(property="rms", path="@.v", **changes),),
        timestamp=Timestamp(path="@.ts"),
    )
    return a_graph(sources=(source,))


def a_batch(*items: tuple[str, float, float], arrived: float = 100.0) -> Message:
    payload = msgspec.json.encode({"items": [{"id": name, "ts": at, "v": value} for name, at, value in items]})
    return a_message(at=0, arrived=arrived, topic="plant/l1/batch", payload=payload, size=len(payload))


def test_a_batch_is_one_message_in_the_books_however_many_windows_it_is_in() -> None:
    fold = a_fold(a_batching_graph())
    closed = feed(fold, a_batch(("m1", 100.1, 1), ("m1", 101.1, 2), ("m1", 102.1, 3), ("m1", 103.5, 4)))
    assert spans(closed) == [("l1", 100, 101, 1), ("l1", 101, 102, 0)]
    assert [stat.n for each in closed for stat in each.window.pane.stats["m1"].values()] == [1, 1]
    assert_balanced(fold)
    assert counts(fold)["received"] == counts(fold)["windowed"] == 1


def test_of_a_batch_that_is_late_in_part_the_rest_is_used() -> None:
    fold = a_fold(a_batching_graph())
    feed(fold, a_batch(("m1", 100.1, 1), ("m1", 104.0, 2)))
    feed(fold, a_batch(("m1", 100.2, 1), ("m1", 104.1, 2)), a_batch(("m1", 100.3, 1)))
    assert (counts(fold)["refused_reading.late"], counts(fold)["late"]) == (1, 1)
    assert_balanced(fold)


def test_of_a_batch_with_a_strange_clock_the_rest_is_used() -> None:
    fold = a_fold(a_batching_graph())
    feed(fold, a_batch(("m1", 100.1, 1), ("m2", 2_000_000, 2)), a_batch(("m2", 2_000_000, 2)))
    assert (counts(fold)["refused_reading.skew"], counts(fold)["dead.skew"]) == (1, 1)
    assert_balanced(fold)


def test_a_batch_over_a_change_of_rules_is_split_at_the_border() -> None:
    fold = a_fold(a_batching_graph())
    feed(fold, a_batch(("m1", 100.1, 1)))
    fold.cut_over(a_batching_graph(unit="mm/s"), 0)
    closed = feed(fold, a_batch(("m1", 100.5, 2), ("m1", 101.5, 3), ("m1", 104.0, 4)))
    assert [(each.window.start_ns // SECOND, each.era.number) for each in closed] == [(100, 1), (101, 2)]
    assert_balanced(fold)


def test_a_counter_counts_by_its_rate_over_resets_and_out_of_order() -> None:
    fold = a_fold(a_batching_graph(type="Counter"))
    feed(fold, a_batch(("m1", 100.0, 1000), ("m1", 100.5, 1010), ("m1", 100.2, 1004), ("m1", 100.75, 5)))
    (closed,) = feed(fold, a_batch(("m1", 104.0, 5)))
    stat = closed.window.pane.stats["m1"]["rms"]
    assert (stat.n, stat.min, stat.max, stat.last) == (2, 20, 20, 20)
    assert counts(fold)["refused_reading.out_of_order"] == 1
    assert closed.era.surroundings.units["rms"] == "/s"


def test_a_source_brings_no_more_readings_a_second_than_it_may() -> None:
    """By the time of arrival, so a replay drops the same; what is dropped is not even decoded."""
    fold = a_fold(a_graph(sources=(a_source(limits=SourceLimits(readings_per_second=2)),)))
    feed(fold, *(a_message(at=100.0, arrived=100.0 + tenth / 10) for tenth in range(20)))
    assert counts(fold)["dropped"] == 16
    assert_balanced(fold)


def test_a_source_has_no_more_entities_than_it_may_until_some_fall_silent() -> None:
    fold = a_fold(a_graph(sources=(a_source(limits=SourceLimits(entities=2)),)))
    feed(fold, *(a_message(at=100.0, machine=f"m{number}", line=f"l{number}") for number in range(3)))
    assert counts(fold)["dead.series_limit"] == 1
    feed(fold, a_message(at=100.1, machine="m1", line="l1"))
    fold.tick(110 * SECOND)
    feed(fold, a_message(at=110.0, machine="m9", line="l9"))
    assert counts(fold)["dead.series_limit"] == 1
    assert_balanced(fold)
