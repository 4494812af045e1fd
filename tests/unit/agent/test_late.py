"""Late readings: what came out of order ends in the same statistics and the same usual as what came in order."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeglm_agent.config.rules import problems_of
from edgeglm_agent.graph import late
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.identity import RequestKey, request_id, rule_digest
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.graph_fold import GraphFold
from edgeglm_agent.pipeline.judge import Site, judge
from edgeglm_agent.reason.docket import Docket
from edgeglm_agent.reason.outcome import answer_to
from edgeglm_agent.reason.request import Request, decode_request
from edgeglm_agent.spool.entry import Message
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Question, When, Window
from tests.edge.bundles import a_bundle, a_graph, a_source

from .machine import Crash, Machine, assert_crashes_change_nothing, crashes
from .observations import SECOND, a_message
from .test_graph_fold import a_fold, assert_balanced, counts, feed

SITE = Site("edge-1", "uid", 0)
LIMIT = Question(when=When(detectors=("Limit",)))


def a_late_graph(mode: str = "Revise", *, within: int = 100, size: int = 1, slide: int = 1, **changes: Any) -> Graph:
    window = msgspec.structs.replace(
        a_graph().window,
        type="Tumbling" if size == slide else "Sliding",
        size_seconds=size,
        slide_seconds=None if size == slide else slide,
        max_skew_seconds=5000,
        late=mode,
        late_within_seconds=within,
    )
    return a_graph(window=window, **changes)


def judged(fold: GraphFold, *messages: Message) -> list[Closed]:
    """Feed and judge, so that partitions learn."""
    closed = feed(fold, *messages)
    for each in closed:
        judge(each, SITE)
    return closed


def last_made(closed: list[Closed]) -> dict[tuple[int, int], Pane]:
    return {(each.window.start_ns, each.window.end_ns): each.window.pane for each in closed}


def revisions(closed: list[Closed]) -> list[tuple[float, int, int]]:
    """Start, revision and number of readings."""
    return [
        (
            each.window.start_ns / SECOND,
            each.made.revision if each.made else 0,
            sum(stat.n for stats in each.window.pane.stats.values() for stat in stats.values()),
        )
        for each in closed
    ]


def test_rules_without_it_keep_their_digest_and_requests_their_ids() -> None:
    assert rule_digest(a_graph()) == "b87f01a912b7cfa22aa7dec1b05b57153576f6ce024b8db78c105ab1e057f350"
    key = RequestKey(site_uid="uid", graph_uid="g", rule_digest="d", partition="p", start_ns=1, end_ns=2, revision=0)
    assert request_id(key) == "0de119ad71ead801a697f9e61b3bbb52ab52fbb420a737b2a37409da2c7715aa"
    assert request_id(msgspec.structs.replace(key, remade=1)) != request_id(key)


def test_what_comes_late_is_gathered_into_one_revision_of_its_window() -> None:
    fold = a_fold(a_late_graph())
    assert revisions(feed(fold, a_message(at=100.0), a_message(at=102.5, arrived=102.5))) == [(100, 0, 1)]
    late = [a_message(at=100.1 + tenth / 10, arrived=102.5 + tenth / 10) for tenth in range(8)]
    assert feed(fold, *late) == [], "more may come"
    assert_balanced(fold)
    assert revisions(fold.tick(104 * SECOND)) == [(100, 1, 9)]
    assert fold.tick(105 * SECOND) == []
    assert (counts(fold)["windowed"], counts(fold).get("late", 0)) == (9, 0)
    assert_balanced(fold)


def test_a_window_that_nobody_was_heard_in_is_made_out_of_its_turn() -> None:
    fold = a_fold(a_late_graph())
    feed(fold, a_message(at=100.0), a_message(at=110.0), a_message(at=105.0, arrived=110.0))
    (made,) = fold.tick(112 * SECOND)
    assert revisions([made]) == [(105, 0, 1)]
    assert made.belated_ns == 112 * SECOND


def test_beyond_its_time_a_reading_is_late_and_what_waits_is_made_before_that() -> None:
    fold = a_fold(a_late_graph(within=5))
    feed(fold, a_message(at=100.0), a_message(at=103.0), a_message(at=100.5, arrived=103.0))
    assert revisions(feed(fold, a_message(at=120.0, arrived=103.1))) == [(103, 0, 1), (100, 1, 2)]
    feed(fold, a_message(at=101.0, arrived=103.2))
    assert counts(fold)["late"] == 1
    assert_balanced(fold)
    assert set(fold.partitions["l1"].past[1]) <= {103}


def test_a_reading_in_several_windows_makes_each_of_them_anew_and_is_counted_once() -> None:
    fold = a_fold(a_late_graph(size=4))
    feed(fold, *(a_message(at=100.0 + second) for second in range(8)))
    feed(fold, a_message(at=102.5, arrived=107.0))
    assert revisions(fold.tick(109 * SECOND)) == [(99, 1, 4), (100, 1, 5), (101, 1, 5), (102, 1, 5)]
    assert_balanced(fold)
    assert counts(fold)["windowed"] == 7


def test_backfill_changes_no_window_and_what_is_usual_and_the_windows_to_come() -> None:
    fold = a_fold(a_late_graph("Backfill", size=4))
    feed(fold, *(a_message(at=100.0 + second) for second in range(8)))
    assert feed(fold, a_message(at=105.5, rms=7.0, arrived=107.0)) == []
    assert (counts(fold)["late"], counts(fold)["backfilled"]) == (1, 1)
    (closed,) = feed(fold, a_message(at=108.0))
    assert closed.window.pane.stats["l1/m1"]["rms"].max == 7.0
    assert fold.tick(200 * SECOND)[0].made is not None
    assert_balanced(fold)


def test_without_it_what_is_late_is_left_out() -> None:
    fold = a_fold(a_graph())
    feed(fold, a_message(at=100.0), a_message(at=102.5), a_message(at=100.5))
    assert counts(fold)["late"] == 1
    assert fold.partitions["l1"].past == {}


READINGS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 9), st.sampled_from(["m1", "m2"])), min_size=1, max_size=50
)


@settings(max_examples=60)
@given(READINGS, st.sampled_from([(1, 1), (4, 2), (6, 1)]), st.sampled_from([0.0, 0.4, 3.0]), st.randoms())
def test_any_order_within_the_time_ends_in_the_statistics_of_the_order_of_time(
    readings: list[tuple[int, int, str]], shape: tuple[int, int], pause: float, chance: random.Random
) -> None:
    size, slide = shape
    rules = a_late_graph(within=100, size=size, slide=slide)
    told = [(100 + tenth / 10, float(rms), who) for tenth, rms, who in sorted(readings)]
    shuffled = chance.sample(told, len(told))
    ends = [a_message(at=1000.0, arrived=500.0, machine=who) for who in ("m1", "m2")]

    def run(order: list[tuple[float, float, str]]) -> tuple[dict[tuple[int, int], Pane], GraphFold]:
        fold = a_fold(rules)
        messages = [
            a_message(rms, at=at, arrived=150.0 + pause * number, machine=who)
            for number, (at, rms, who) in enumerate(order)
        ]
        closed = judged(fold, *messages)
        assert_balanced(fold)
        closed += judged(fold, *ends)
        closed += fold.tick(2000 * SECOND)
        assert_balanced(fold)
        assert counts(fold).get("late", 0) == 0
        ids = [judge(each, SITE).request.id for each in closed]
        assert len(set(ids)) == len(ids), "each revision has an id of its own"
        return last_made(closed), fold

    (in_order, steady), (any_order, shaken) = run(told), run(shuffled)
    assert {span: (pane.stats, pane.edges, pane.entities) for span, pane in any_order.items()} == {
        span: (pane.stats, pane.edges, pane.entities) for span, pane in in_order.items()
    }
    assert _usual(shaken) == _usual(steady)
    assert counts(shaken)["windowed"] == len(readings) + 2


@settings(max_examples=40)
@given(READINGS, st.randoms())
def test_what_is_usual_does_not_hang_on_the_order_in_which_it_was_backfilled(
    readings: list[tuple[int, int, str]], chance: random.Random
) -> None:
    told = [(100 + tenth / 10, float(rms), who) for tenth, rms, who in sorted(readings)]
    folds = [a_fold(a_late_graph("Backfill")), a_fold(a_late_graph("Backfill"))]
    for fold, order in zip(folds, (told, chance.sample(told, len(told))), strict=True):
        judged(fold, *(a_message(rms, at=at, arrived=150.0, machine=who) for at, rms, who in order))
        judged(fold, *(a_message(at=1000.0, arrived=150.0, machine=who) for who in ("m1", "m2")))
        assert_balanced(fold)
    assert _usual(folds[0]) == _usual(folds[1])


def _usual(fold: GraphFold) -> bytes:
    baselines = {name: partition.baselines for name, partition in fold.partitions.items()}
    return msgspec.json.encode(baselines, order="deterministic")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(crashes(entries=30, most=8))
@pytest.mark.parametrize("mode", ["Revise", "Backfill"])
def test_crashes_anywhere_give_the_same_revisions(
    tmp_path_factory: pytest.TempPathFactory, mode: str, faults: list[Crash]
) -> None:
    stream = [
        a_message(2.0 + second % 5, at=100.0 + second - late, arrived=100.0 + second, packet_id=second + 1)
        for second in range(60)
        for late in [5.5 if second % 7 == 3 else 0.0]
    ]
    bundle = a_bundle(a_late_graph(mode, question=Question()))
    bodies = assert_crashes_change_nothing(tmp_path_factory, bundle, stream, faults)
    revised = [decode_request(body) for body in bodies.values() if decode_request(body).revision]
    assert len(revised) == (7 if mode == "Revise" else 0)
    assert all(each.supersedes in bodies for each in revised)


def test_too_many_panes_or_entities_are_given_up_oldest_first_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MAX_KEPT_PANES", 3), ("MAX_KEPT_ENTITIES", 6)):
        with monkeypatch.context() as patch:
            patch.setattr(late, name, most)
            fold = a_fold(a_late_graph())
            judged(fold, *(a_message(at=100.0 + second) for second in range(12)))
            kept = sorted(fold.partitions["l1"].past[1])
            assert kept == [107, 108, 109], "each pane has two entities"
            assert counts(fold)["windows.given_up"] == 7
            judged(fold, a_message(at=106.0, arrived=112.0), a_message(at=107.0, arrived=112.0))
            assert counts(fold)["late"] == 1, "though its time is not over"
            assert fold.partitions["l1"].baselines["l1/m1"]["rms"].windows == 7
            assert_balanced(fold)


def test_the_time_ends_with_the_rules() -> None:
    fold = a_fold(a_late_graph())
    feed(fold, a_message(at=100.0), a_message(at=102.0), a_message(at=100.5, arrived=102.0))
    fold.cut_over(a_late_graph(size=2, slide=2), 102 * SECOND)
    closed = feed(fold, a_message(at=110.0, arrived=102.0))
    assert (100, 1, 2) in revisions(closed)
    feed(fold, a_message(at=101.0, arrived=102.0))
    assert counts(fold)["late"] == 1
    assert not fold.partitions["l1"].past
    assert_balanced(fold)


def test_a_graph_that_goes_makes_anew_what_waits() -> None:
    fold = a_fold(a_late_graph())
    feed(fold, a_message(at=100.0), a_message(at=102.0), a_message(at=100.5, arrived=102.0))
    assert revisions(fold.flush(103 * SECOND)) == [(102, 0, 1), (100, 1, 2)]
    assert_balanced(fold)
    assert counts(fold)["windowed"] == 3


def test_who_was_missed_and_is_heard_of_late_was_not_silent() -> None:
    source = a_source(expect_every_seconds=2)
    fold = a_fold(a_late_graph(sources=(source,)))
    feed(fold, a_message(at=100.0), a_message(at=100.0, machine="m2"))
    closed = feed(fold, *(a_message(at=101.0 + second) for second in range(6)))
    assert [bool(each.window.silent) for each in closed] == [False, False, True, True, True]
    feed(fold, a_message(at=102.5, machine="m2", arrived=107.0))
    (anew, *_) = fold.tick(109 * SECOND)
    assert (anew.window.start_ns // SECOND, anew.window.silent) == (102, ())
    assert fold.partitions["l1"].expected["vibration"]["l1/m2"].last_ns == round(102.5 * SECOND)


def a_machine(folder: Path, **changes: Any) -> Machine:
    return Machine(folder, a_bundle(a_late_graph(question=LIMIT, **changes)))


def heard(machine: Machine, *messages: Message) -> list[Request]:
    machine.hear(*messages)
    machine.fold_all()
    return [decode_request(body) for body in machine.requests().values() if body]


def test_of_a_window_that_waits_only_the_newest_revision_is_asked_about(tmp_path: Path) -> None:
    machine = a_machine(tmp_path)
    heard(machine, a_message(9.0, at=100.0), a_message(2.0, at=103.0))
    first, second = heard(machine, a_message(12.0, at=100.5, arrived=103.0), a_message(2.0, at=106.0))
    assert (second.supersedes, second.revision, second.belated) == (first.id, 1, True)
    assert second.expires_ns == (106 + 600) * SECOND, "it is fresh, though its window is not"
    docket = Docket(machine.ledger, lambda: 107 * SECOND)
    claims, expired = docket.claim(5)
    assert ([claim.request.id for claim in claims], expired) == ([second.id], 0)
    assert claims[0].spans == [(100 * SECOND, 101 * SECOND)], "it is one window"
    docket.answer(claims[0], answer_to(second, "Ok", claims[0].spans))
    (answer,) = machine.answers()
    assert (answer["requestId"], answer["supersedes"], answer["revision"]) == (second.id, first.id, 1)
    assert machine.books()[second.graph_uid, "", "windows.revised"] == 1


def test_an_answer_that_need_not_have_been_asked_for_is_superseded_by_code(tmp_path: Path) -> None:
    """The mean was unusual as long as half of the readings were missing."""
    rules = a_late_graph(within=60, question=Question(when=When(detectors=("ZScore",))))
    machine = Machine(tmp_path, a_bundle(rules))
    usual = [a_message(2.0 + second % 3 / 10, at=100.0 + second) for second in range(90)]
    asked = heard(machine, *usual, a_message(6.0, at=190.0), *(a_message(2.1, at=191.0 + more) for more in range(3)))
    (first,) = asked
    missing = [a_message(2.0, at=190.01 + part / 100, arrived=193.0) for part in range(40)]
    heard(machine, *missing, a_message(2.1, at=197.0))
    (answer,) = machine.answers()
    assert (answer["status"], answer["supersedes"]) == ("Normal", first.id)


def test_a_replay_of_late_data_gives_the_same_ids(tmp_path: Path) -> None:
    stream = [
        a_message(9.0, at=100.0 + second - (3 if second % 2 else 0), arrived=100.0 + second) for second in range(20)
    ]
    machines = [a_machine(tmp_path / name) for name in ("one", "two")]
    for machine in machines:
        heard(machine, *stream)
    assert list(machines[0].requests()) == list(machines[1].requests())


def test_the_bundle_is_held_to_the_same_rules() -> None:
    for changes in (
        {"late": "Revise"},
        {"late_within_seconds": 10},
        {"late": "Backfill", "late_within_seconds": 0},
        {"late": "Backfill", "late_within_seconds": 1281},
    ):
        window = msgspec.structs.replace(Window(size_seconds=10), **changes)
        found = [each.field for each in problems_of(a_bundle(a_graph(window=window)))]
        assert found == ["graphs[0].window.lateWithinSeconds"]
    assert problems_of(a_bundle(a_late_graph())) == []
