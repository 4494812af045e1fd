"""Silence is a fact that code states: by the time in the messages, and only while the broker is heard."""

import random
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeglm_agent.graph.detect import detect
from edgeglm_agent.graph.sentence import sentence
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.reason.citation import severity_of
from edgeglm_agent.spool.entry import Connected, Disconnected, Tick
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Question, When
from tests.edge.bundles import a_bundle, a_graph, a_source

from .machine import BROKER, Machine
from .observations import SECOND, a_message
from .test_graph_fold import a_fold, assert_balanced, feed

BEAT = ("m1", "m2")


def a_graph_that_waits(**changes: Any) -> Graph:
    return a_graph(sources=(a_source(expect_every_seconds=3),), **changes)


def silent(closed: list[Closed]) -> list[tuple[int, list[tuple[str, float]]]]:
    return [
        (each.window.start_ns // SECOND, [(who.entity, who.last_ns / SECOND) for who in each.window.silent])
        for each in closed
    ]


def test_who_is_not_heard_for_longer_than_expected_is_silent_until_heard_again() -> None:
    fold = a_fold(a_graph_that_waits())
    beat = [a_message(at=100.0 + second) for second in range(14)]
    feed(fold, a_message(at=100.5, arrived=100.0, machine="m2"))
    closed = feed(fold, *beat[:10], a_message(at=109.2, machine="m2"), *beat[10:])
    told = dict(silent(closed))
    assert [second for second in sorted(told) if told[second]] == [103, 104, 105, 106, 107, 108]
    assert told[103] == [("l1/m2", 100.5)]
    (item,) = detect(next(each for each in closed if each.window.start_ns == 103 * SECOND).window, {}, {})
    assert sentence(item) == "l1/m2 is silent: nothing from vibration since 1970-01-01T00:01:40Z, expected every 3 s"
    assert severity_of([item]) == "Warning"
    assert_balanced(fold)


def test_where_everybody_falls_silent_the_clock_opens_one_window_to_tell_it() -> None:
    fold = a_fold(a_graph_that_waits())
    feed(fold, a_message(at=100.0), a_message(at=100.0, machine="m2"))
    closed = [each for second in range(101, 130) for each in fold.tick(second * SECOND)]
    assert silent(closed) == [(100, []), (103, [("l1/m1", 100), ("l1/m2", 100)])]
    assert_balanced(fold)


def test_who_is_back_is_missed_again_when_it_goes() -> None:
    fold = a_fold(a_graph_that_waits())
    told: list[Closed] = []
    for begin in (100, 120):
        told += feed(fold, a_message(at=float(begin)))
        told += [each for second in range(begin + 1, begin + 20) for each in fold.tick(second * SECOND)]
    assert [second for second, who in silent(told) if who] == [103, 123]


def test_what_could_not_be_heard_was_not_silence() -> None:
    fold = a_fold(a_graph_that_waits())
    feed(fold, a_message(at=100.0))
    closed = fold.tick(103 * SECOND)
    fold.listen_again(200 * SECOND)
    closed += fold.tick(201 * SECOND)
    assert silent(closed) == [(100, [])]
    closed = [each for second in range(202, 210) for each in fold.tick(second * SECOND)]
    assert [who for _, who in silent(closed)] == [[("l1/m1", 200)]]


def test_a_broker_that_is_away_makes_nobody_silent(tmp_path: Path) -> None:
    """Through the whole fold, with a crash while it is away; then somebody is silent for real."""
    rules = a_graph_that_waits(question=Question(when=When(detectors=("Silence",))))
    machine = Machine(tmp_path, a_bundle(rules))
    machine.hear(Connected(99 * SECOND, BROKER, 1, resumed=False), a_message(at=100.0))
    machine.hear(Disconnected(101 * SECOND, BROKER), *(Tick(second * SECOND) for second in range(102, 150)))
    machine.fold_all()
    machine.crash()
    machine.hear(Connected(150 * SECOND, BROKER, 2, resumed=True), Tick(151 * SECOND), Tick(152 * SECOND))
    machine.fold_all()
    assert machine.requests() == {}
    machine.crash()
    machine.hear(*(Tick(second * SECOND) for second in range(153, 170)))
    machine.fold_all()
    (asked,) = machine.requests().values()
    assert b'"kind":"Silence","node":"l1/m1"' in asked
    machine.books()


def test_an_earlier_connection_that_ends_late_makes_nobody_deaf(tmp_path: Path) -> None:
    """With a full hand-off its end can come into the log behind the begin of the connection that follows."""
    machine = Machine(tmp_path)
    machine.hear(Connected(98 * SECOND, BROKER, 1, resumed=False), Connected(99 * SECOND, BROKER, 2, resumed=True))
    machine.hear(a_message(12.0, at=100.0), Disconnected(100 * SECOND, BROKER, 1))
    machine.hear(*(Tick(second * SECOND) for second in range(101, 110)))
    machine.fold_all()
    assert len(machine.requests()) == 1, "the window stays open, though the broker can be heard"
    machine.books()


def test_without_an_expectation_nobody_is_missed() -> None:
    fold = a_fold()
    feed(fold, a_message(at=100.0))
    closed = [each for second in range(101, 130) for each in fold.tick(second * SECOND)]
    assert silent(closed) == [(100, [])]


@settings(max_examples=40, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 40), st.sampled_from(BEAT)), min_size=1, max_size=40), st.randoms())
def test_reordering_within_the_lateness_misses_the_same(heard: set[tuple[int, str]], chance: random.Random) -> None:
    messages = [
        a_message(at=100 + half / 2, arrived=100.0, machine=who)
        for half, who in sorted(heard | {(half, "m3") for half in range(42)})
    ]
    last = [a_message(at=200.0, arrived=100.0, machine=who) for who in (*BEAT, "m3")]
    shifted = sorted(messages, key=lambda each: msgspec.json.decode(each.payload)["ts"] + chance.uniform(-0.49, 0.49))
    skew = msgspec.structs.replace(a_graph().window, max_skew_seconds=1000)
    in_order, reordered = a_fold(a_graph_that_waits(window=skew)), a_fold(a_graph_that_waits(window=skew))
    assert silent(feed(reordered, *shifted, *last)) == silent(feed(in_order, *messages, *last))
    assert in_order.partitions["l1"].expected == reordered.partitions["l1"].expected
