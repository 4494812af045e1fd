"""Sliding windows: unions of panes, so that each equals a window cut by itself, over crashes and changes of rules."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeglm_agent.config.rules import problems_of
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.spool.entry import Message
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Question, Window
from tests.edge.bundles import a_bundle, a_graph

from .machine import Crash, Machine, assert_crashes_change_nothing, crashes
from .observations import SECOND, a_message, an_observation
from .test_graph_fold import a_fold, assert_balanced, counts, feed, spans
from .test_pipeline import a_stream


def a_sliding_graph(*, size: int = 4, slide: int = 1, **changes: Any) -> Graph:
    window = msgspec.structs.replace(
        a_graph().window, type="Sliding", size_seconds=size, slide_seconds=slide, max_skew_seconds=1000
    )
    return a_graph(window=window, **changes)


def test_a_window_closes_at_each_slide_and_reaches_back() -> None:
    fold = a_fold(a_sliding_graph())
    closed = feed(fold, *(a_message(float(second), at=100.0 + second) for second in range(8)))
    stats = [each.window.pane.stats["l1/m1"]["rms"] for each in closed]
    assert [(each.window.start_ns // SECOND, each.window.end_ns // SECOND) for each in closed] == [
        (97 + second, 101 + second) for second in range(6)
    ]
    assert [(stat.n, stat.min, stat.max) for stat in stats] == [
        (1, 0, 0),
        (2, 0, 1),
        (3, 0, 2),
        (4, 0, 3),
        (4, 1, 4),
        (4, 2, 5),
    ]


def test_a_message_is_in_the_books_once_however_many_windows_it_is_in() -> None:
    fold = a_fold(a_sliding_graph())
    closed = feed(fold, *(a_message(at=100.0 + second) for second in range(8)))
    assert counts(fold)["windowed"] == len(closed) == 6
    assert_balanced(fold)
    fold.flush(0)
    assert counts(fold)["windowed"] == 8
    assert_balanced(fold)


def test_what_is_out_of_reach_is_forgotten() -> None:
    fold = a_fold(a_sliding_graph())
    feed(fold, *(a_message(at=100.0 + second) for second in range(50)))
    assert len(fold.partitions["l1"].past[1]) <= 4
    (closed,) = feed(fold, a_message(at=200.0), a_message(at=202.0, rms=9.0))[-1:]
    assert closed.window.pane.stats["l1/m1"]["rms"].n == 1


def test_changed_rules_begin_at_a_slide_and_the_old_panes_go() -> None:
    fold = a_fold(a_sliding_graph())
    feed(fold, *(a_message(at=100.0 + second) for second in range(4)))
    fold.cut_over(a_sliding_graph(size=2), 0)
    closed = feed(fold, *(a_message(at=104.0 + second) for second in range(6)))
    assert spans(closed)[-1][1:3] == (106, 108)
    assert not [each for each in closed if each.era.number == 2 and each.window.start_ns < each.era.from_ns]
    assert set(fold.partitions["l1"].past) == {2}
    assert_balanced(fold)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 20)), min_size=1, max_size=60),
    st.sampled_from([(4, 2), (6, 1), (3, 3)]),
    st.randoms(),
)
def test_each_window_is_what_one_gets_by_cutting_it_out(
    readings: list[tuple[int, int]], shape: tuple[int, int], chance: random.Random
) -> None:
    size, slide = shape
    fold = a_fold(a_sliding_graph(size=size, slide=slide))
    told = [(100 + tenth / 10, float(rms)) for tenth, rms in readings]
    messages = sorted(told, key=lambda each: each[0] + chance.uniform(-0.49, 0.49))
    closed = feed(
        fold, *(a_message(rms, at=at, arrived=100.0) for at, rms in messages), a_message(at=300.0, arrived=100.0)
    )
    ends = sorted({int(at // slide + 1) * slide for at, _ in told})
    assert [each.window.end_ns // SECOND for each in closed] == ends
    for each in closed:
        pane = Pane()
        for at, rms in told:
            if each.window.start_ns <= round(at * SECOND) < each.window.end_ns:
                pane.add(an_observation(rms, at=at, machine="l1/m1"))
        assert each.window.pane.stats == pane.stats
        assert each.window.pane.edges == pane.edges
    assert_balanced(fold)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crashes(entries=30, most=8))
def test_crashes_anywhere_give_the_same_windows(tmp_path_factory: pytest.TempPathFactory, faults: list[Crash]) -> None:
    bundle, stream = a_bundle(a_sliding_graph(question=Question())), a_stream(30)
    assert len(assert_crashes_change_nothing(tmp_path_factory, bundle, stream, faults)) > 20


def test_the_bundle_is_held_to_the_same_rules() -> None:
    for changes in (
        {"type": "Sliding"},
        {"slide_seconds": 1},
        {"type": "Sliding", "slide_seconds": 3, "size_seconds": 10},
        {"type": "Sliding", "slide_seconds": 1, "size_seconds": 61},
    ):
        window = msgspec.structs.replace(Window(size_seconds=10), **changes)
        assert [each.field for each in problems_of(a_bundle(a_graph(window=window)))] == [
            "graphs[0].window.slideSeconds"
        ]
    assert problems_of(a_bundle(a_sliding_graph())) == []


def test_messages_of_one_moment_are_in_the_same_windows() -> None:
    fold = a_fold(a_sliding_graph())
    twins: list[Message] = [a_message(at=100.0, machine=who) for who in ("m1", "m2")]
    closed = feed(fold, *twins, *(a_message(at=102.5, machine=who) for who in ("m1", "m2")))
    assert set(closed[0].window.pane.stats) == {"l1/m1", "l1/m2"}


def test_a_reading_teaches_what_is_usual_once_however_many_windows_it_is_in(tmp_path: Path) -> None:
    """One machine speaks each second, the other once: the other is not known ten times after that."""
    machine = Machine(tmp_path, a_bundle(a_sliding_graph(size=10, question=Question())))
    machine.hear(a_message(at=100.0, machine="m2"), *(a_message(at=100.0 + second) for second in range(30)))
    machine.fold_all()
    machine.pipeline.checkpoint()
    machine.crash()
    (partition,) = machine.pipeline.fold.graphs[machine.bundle.graphs[0].uid].partitions.values()
    windows = {entity: known["rms"].windows for entity, known in partition.baselines.items()}
    assert windows == {"l1/m1": len(machine.requests()), "l1/m2": 1}
