"""Sessions: runs of slices in which something was heard, each as one would cut it out, over crashes and changes."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeglm_agent.config.rules import problems_of
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Question, Window
from tests.edge.bundles import a_bundle, a_graph

from .machine import Crash, Machine, assert_crashes_change_nothing, crashes
from .observations import SECOND, a_message, an_observation
from .test_graph_fold import a_fold, assert_balanced, counts, feed
from .test_pipeline import a_stream

Reading = tuple[float, float]
"""When, and what."""


def a_graph_of_sessions(*, most: int = 6, gap: int = 2, **changes: Any) -> Graph:
    window = msgspec.structs.replace(
        a_graph().window, type="Session", size_seconds=most, gap_seconds=gap, max_skew_seconds=1000
    )
    return a_graph(window=window, **changes)


def seconds(closed: Iterable[Closed]) -> list[tuple[int, int]]:
    return [(each.window.start_ns // SECOND, each.window.end_ns // SECOND) for each in closed]


def cut_out(readings: Sequence[Reading], *, most: int, gap: int) -> list[tuple[int, int]]:
    """Begin and end of each session, reckoned from all readings at once."""
    found: list[tuple[int, int]] = []
    for at, _ in sorted(readings):
        begin = int(at // gap) * gap
        if found and found[-1][1] >= begin:
            first, end = found[-1]
            if begin + gap - first <= most:
                found[-1] = (first, max(end, begin + gap))
                continue
            if begin < end:
                continue
        found.append((begin, begin + gap))
    return found


def test_a_session_lasts_as_long_as_something_is_heard_and_closes_after_a_silence() -> None:
    fold = a_fold(a_graph_of_sessions(most=60))
    closed = feed(fold, *(a_message(float(at), at=100.0 + at) for at in (0, 1.5, 3, 4.5)))
    assert closed == []
    # From 106 to 108 nothing is heard.
    closed = feed(fold, *(a_message(at=at) for at in (109.0, 111.9)))
    assert seconds(closed) == [(100, 106)]
    stat = closed[0].window.pane.stats["l1/m1"]["rms"]
    assert (stat.n, stat.min, stat.max) == (4, 0, 4.5)
    assert_balanced(fold)


def test_what_never_rests_is_told_at_the_longest() -> None:
    fold = a_fold(a_graph_of_sessions(most=6))
    closed = feed(fold, *(a_message(at=100.0 + at) for at in range(20)))
    assert seconds(closed) == [(100, 106), (106, 112), (112, 118)]
    assert sum(each.window.pane.stats["l1/m1"]["rms"].n for each in closed) == 18


@pytest.mark.parametrize(("silence", "sessions"), [(1.9, 1), (4.0, 2)])
@pytest.mark.parametrize("phase", [0.0, 0.5, 1.0, 1.5, 1.9])
def test_a_silence_shorter_than_the_gap_is_bridged_and_one_twice_as_long_never(
    silence: float, sessions: int, phase: float
) -> None:
    fold = a_fold(a_graph_of_sessions(most=60, gap=2))
    closed = feed(fold, a_message(at=100 + phase), a_message(at=100 + phase + silence))
    assert len([*closed, *fold.flush(0)]) == sessions


def test_when_nobody_speaks_any_more_the_clock_ends_it() -> None:
    fold = a_fold(a_graph_of_sessions())
    feed(fold, a_message(at=100.0), a_message(at=103.0))
    told = [closed for second in range(104, 160) for closed in fold.tick(second * SECOND)]
    assert seconds(told) == [(100, 104)]
    assert not fold.partitions["l1"].is_open
    assert_balanced(fold)


def test_a_late_reading_joins_no_two_sessions_and_is_counted() -> None:
    fold = a_fold(a_graph_of_sessions())
    closed = feed(fold, *(a_message(at=at) for at in (100.0, 104.0, 120.0, 102.5, 130.0)))
    assert seconds(closed) == [(100, 102), (104, 106), (120, 122)]
    assert counts(fold)["late"] == 1
    assert_balanced(fold)


def test_a_late_reading_of_a_slice_that_is_closed_is_late_though_its_session_goes_on() -> None:
    """The short way and the long one agree on it: what is closed is not open in either."""
    fold = a_fold(a_graph_of_sessions(most=60))
    closed = feed(fold, *(a_message(at=at) for at in (100.0, 102.0, 104.0, 106.0, 100.5, 120.0, 123.0)))
    assert seconds(closed) == [(100, 108)]
    assert closed[0].window.pane.stats["l1/m1"]["rms"].n == 4
    assert counts(fold)["late"] == 1


def test_changed_rules_end_it_where_they_begin() -> None:
    fold = a_fold(a_graph_of_sessions(most=60))
    feed(fold, *(a_message(at=100.0 + at) for at in range(5)))
    fold.cut_over(a_graph_of_sessions(most=60, question=Question(instructions="another")), 0)
    closed = feed(fold, *(a_message(at=105.0 + at) for at in range(7)), a_message(at=130.0), a_message(at=133.0))
    (old, new) = closed
    assert old.window.end_ns == new.window.start_ns == new.era.from_ns
    assert (old.era.number, new.era.number) == (1, 2)
    assert [each.number for each in fold.eras] == [2]
    assert_balanced(fold)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 20)), min_size=1, max_size=60),
    st.sampled_from([(2, 6), (1, 4), (3, 3), (5, 60)]),
    st.randoms(),
)
def test_any_order_within_the_lateness_gives_the_sessions_that_one_gets_by_cutting_them_out(
    readings: list[tuple[int, int]], shape: tuple[int, int], chance: random.Random
) -> None:
    gap, most = shape
    told = [(100 + tenth / 10, float(rms)) for tenth, rms in readings]
    fold = a_fold(a_graph_of_sessions(most=most, gap=gap))
    messages = sorted(told, key=lambda each: each[0] + chance.uniform(-0.49, 0.49))
    closed = feed(
        fold, *(a_message(rms, at=at, arrived=100.0) for at, rms in messages), a_message(at=500.0, arrived=100.0)
    )
    assert seconds(closed) == cut_out(told, most=most, gap=gap)
    for each in closed:
        pane = Pane()
        for at, rms in told:
            if each.window.start_ns <= round(at * SECOND) < each.window.end_ns:
                pane.add(an_observation(rms, at=at, machine="l1/m1"))
        assert (each.window.pane.stats, each.window.pane.edges) == (pane.stats, pane.edges)
    assert_balanced(fold)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crashes(entries=30, most=8))
def test_crashes_anywhere_give_the_same_sessions(tmp_path_factory: pytest.TempPathFactory, faults: list[Crash]) -> None:
    bundle, stream = a_bundle(a_graph_of_sessions(question=Question())), a_stream(30)
    assert len(assert_crashes_change_nothing(tmp_path_factory, bundle, stream, faults)) > 3


def test_a_reading_teaches_what_is_usual_though_it_is_old_when_its_session_ends(tmp_path: Any) -> None:
    machine = Machine(tmp_path, a_bundle(a_graph_of_sessions(most=60, question=Question())))
    machine.hear(a_message(at=100.0, machine="m2"), *(a_message(at=100.0 + at) for at in range(20)))
    machine.hear(a_message(at=130.0), a_message(at=140.0))
    machine.fold_all()
    (partition,) = machine.pipeline.fold.graphs[machine.bundle.graphs[0].uid].partitions.values()
    assert {entity: known["rms"].windows for entity, known in partition.baselines.items()}["l1/m2"] == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "Session"}, "gapSeconds"),
        ({"gap_seconds": 1}, "gapSeconds"),
        ({"type": "Session", "gap_seconds": 3}, "gapSeconds"),
        ({"type": "Session", "gap_seconds": 1, "size_seconds": 61}, "gapSeconds"),
        ({"type": "Session", "gap_seconds": 0}, "gapSeconds"),
        ({"type": "Session", "gap_seconds": 5, "slide_seconds": 5}, "slideSeconds"),
        ({"type": "Session", "gap_seconds": 5, "late": "Backfill", "late_within_seconds": 10}, "late"),
    ],
)
def test_the_bundle_is_held_to_the_same_rules(changes: dict[str, Any], field: str) -> None:
    window = msgspec.structs.replace(Window(size_seconds=10), **changes)
    found = [each.field for each in problems_of(a_bundle(a_graph(window=window)))]
    assert found == [f"graphs[0].window.{field}"]
