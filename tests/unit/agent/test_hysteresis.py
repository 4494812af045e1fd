"""A breach ends only when the value is back by the hysteresis: over windows, restarts, and in any order of arrival."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeglm_agent.graph.detect import detect
from edgeglm_agent.graph.hysteresis import MAX_ENTITIES, Holding, Holdings, breaches_of, go_on
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.sentence import sentence
from edgeglm_agent.graph.stat import Stat, merge_stats, stat_of
from edgeglm_agent.identity import rule_digest
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.reason.request import decode_request
from edgeglm_agent.spool.entry import Entry
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Limits, Measurement, Question, When
from tests.edge.bundles import a_bundle, a_graph, a_source

from .machine import Crash, Machine, assert_crashes_change_nothing, crashes
from .observations import SECOND, a_message
from .test_graph_fold import a_fold, feed

LIMITS = Limits(high=7.0, high_high=11.0, low=1.0, hysteresis=1.0)


def a_patient_graph(**changes: Any) -> Graph:
    measurement = Measurement(property="rms", path="$.rms", unit="mm/s", limits=LIMITS)
    return a_graph(sources=(a_source(measurements=(measurement,)),), **changes)


def closed_by(*values: float, **changes: Any) -> list[Closed]:
    """One value a second, and a window each."""
    fold = a_fold(a_patient_graph(**changes))
    messages = [a_message(rms, at=100.0 + second) for second, rms in enumerate(values)]
    return feed(fold, *messages, a_message(4.0, at=200.0))[: len(values)]


def evidence(closed: Closed) -> list[tuple[str, float, float, float]]:
    found = detect(closed.window, {}, closed.era.surroundings.units)
    return [(item.limit, item.value, item.margin, item.onset_ns / SECOND) for item in found if item.kind == "Limit"]


def test_within_the_hysteresis_a_breach_goes_on_and_back_by_it_ends_it() -> None:
    told = [evidence(each) for each in closed_by(4.0, 7.5, 6.5, 6.5, 6.0, 6.5, 7.5)]
    assert told == [
        [],
        [("high", 7.5, 0, 101)],
        [("high", 6.5, 1, 101)],
        [("high", 6.5, 1, 101)],
        [],
        [],
        [("high", 7.5, 0, 106)],
    ]


def test_an_alarm_stays_one_until_it_is_back_and_both_sides_are_kept_apart() -> None:
    told = [evidence(each) for each in closed_by(12.0, 10.5, 9.0, 6.9, 0.5, 1.5, 2.0)]
    assert told == [
        [("highHigh", 12.0, 0, 100)],
        [("highHigh", 10.5, 1, 100)],
        [("high", 9.0, 0, 100)],
        [("high", 6.9, 1, 100)],
        [("low", 0.5, 0, 104)],
        [("low", 1.5, 1, 104)],
        [],
    ]


def test_it_is_said_in_words() -> None:
    (item,) = detect(closed_by(12.0, 10.5)[1].window, {}, {"rms": "mm/s"})
    assert sentence(item) == (
        "l1/m1 rms 10.5 mm/s is not yet 1 below its highHigh alarm limit 11, which it passed at 1970-01-01T00:01:40Z"
    )
    (low,) = detect(closed_by(0.5, 1.5)[1].window, {}, {"rms": "mm/s"})
    assert "1.5 mm/s is not yet 1 above its low limit 1," in sentence(low)


def test_a_window_in_which_it_is_not_heard_changes_nothing() -> None:
    fold = a_fold(a_patient_graph())
    others = [a_message(4.0, at=101.0 + second, machine="m2") for second in range(3)]
    closed = feed(fold, a_message(7.5, at=100.0), *others, a_message(6.5, at=104.0), a_message(4.0, at=110.0))
    assert [evidence(each) for each in closed] == [
        [("high", 7.5, 0, 100)],
        [],
        [],
        [],
        [("high", 6.5, 1, 100)],
    ]


def test_sliding_windows_tell_the_same() -> None:
    window = msgspec.structs.replace(
        a_graph().window, type="Sliding", size_seconds=2, slide_seconds=1, max_skew_seconds=1000
    )
    told = [evidence(each) for each in closed_by(7.5, 6.5, 6.5, 6.0, 6.5, 6.5, window=window)]
    assert told == [
        [("high", 7.5, 0, 100)],
        [("high", 7.5, 0, 100)],
        [("high", 6.5, 1, 100)],
        [],
        [],
        [],
    ]


def test_other_rules_begin_anew() -> None:
    fold = a_fold(a_patient_graph())
    feed(fold, a_message(7.5, at=100.0), a_message(4.0, at=100.5, machine="m2"), a_message(6.5, at=102.0))
    fold.cut_over(a_patient_graph(window=msgspec.structs.replace(a_graph().window, size_seconds=2)), 102 * SECOND)
    closed = feed(fold, a_message(6.5, at=105.0), a_message(6.5, at=120.0))
    assert [evidence(each) for each in closed if each.era.number == 2] == [[]]


def test_rules_without_it_keep_their_digest_and_evidence() -> None:
    plain = msgspec.structs.replace(LIMITS, hysteresis=None)
    assert b"hysteresis" not in msgspec.json.encode(plain)
    assert rule_digest(a_graph()) != rule_digest(a_patient_graph())
    stat = merge_stats(stat_of(7.5, 1, plain), stat_of(6.5, 2, plain))
    assert breaches_of(stat, (Holding("highHigh", 11.0, 0),)) == stat.breaches
    assert stat.backs == ()


STREAM = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([4.0, 6.5, 7.5, 10.5, 12.0, 1.5, 0.5])), max_size=12)


@given(STREAM, st.randoms())
def test_what_goes_on_after_a_window_does_not_hang_on_the_order_in_it(
    readings: list[tuple[int, float]], chance: random.Random
) -> None:
    """And is what going through the readings one by one gives: it is passed, or was, and was not back since."""
    ordered = sorted(set(readings))
    panes = [_pane(ordered), _pane(chance.sample(ordered, len(ordered)))]
    before: Holdings = {"m": {"rms": (Holding("high", 7.0, 5),)}}
    assert go_on(panes[0], before) == go_on(panes[1], before)

    high = True
    for at in sorted({at for at, _ in ordered}):
        values = [rms for each, rms in ordered if each == at]
        high = any(rms > 7.0 for rms in values) or (high and not any(rms <= 6.0 for rms in values))
    assert ("high" in {each.limit for each in go_on(panes[0], before).get("m", {}).get("rms", ())}) == high


def _pane(readings: list[tuple[int, float]]) -> Pane:
    pane = Pane()
    stats: list[Stat] = [stat_of(rms, 100 + at, LIMITS) for at, rms in readings]
    for stat in stats:
        known = pane.stats.setdefault("m", {}).get("rms")
        pane.stats["m"]["rms"] = stat if known is None else merge_stats(known, stat)
    return pane


def test_too_many_that_go_on_are_forgotten_but_those_that_are_heard() -> None:
    held: Holdings = {f"m{number}": {"rms": (Holding("high", 7.0, 5),)} for number in range(MAX_ENTITIES + 1)}
    pane = Pane(stats={"m7": {"rms": stat_of(6.5, 100, LIMITS)}})
    assert go_on(pane, held) == {"m7": held["m7"]}


def a_stream() -> list[Entry]:
    """Up, and then long within the hysteresis."""
    return [
        a_message(7.5 if second % 10 == 1 else 6.5 if second % 10 < 7 else 4.0, at=100.0 + second)
        for second in range(30)
    ]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crashes(entries=30, most=6))
def test_crashes_anywhere_give_the_same_requests(tmp_path_factory: pytest.TempPathFactory, faults: list[Crash]) -> None:
    rules = a_patient_graph(question=Question(when=When(detectors=("Limit",))))
    bodies = assert_crashes_change_nothing(tmp_path_factory, a_bundle(rules), a_stream(), faults)
    assert len(bodies) == 18, "six of ten windows ask"
    held = [decode_request(body) for body in bodies.values() if body]
    assert {each.subject.evidence[0].onset_ns // SECOND for each in held} == {101, 111, 121}


def test_late_readings_know_what_went_on_when_their_window_began(tmp_path: Path) -> None:
    window = msgspec.structs.replace(a_graph().window, late="Revise", late_within_seconds=60)
    rules = a_patient_graph(window=window, question=Question(when=When(detectors=("Limit",))))
    machine = Machine(tmp_path, a_bundle(rules))
    machine.hear(*(a_message(rms, at=100.0 + second) for second, rms in enumerate([7.5, 6.5, 4.0, 4.0, 4.0])))
    machine.hear(a_message(6.6, at=101.5, arrived=104.0), a_message(4.0, at=107.0))
    machine.fold_all()
    requests = [decode_request(body) for body in machine.requests().values()]
    assert [(each.start_ns // SECOND, each.revision, each.subject.evidence[0].margin) for each in requests] == [
        (100, 0, 0),
        (101, 0, 1),
        (101, 1, 1),
    ]
