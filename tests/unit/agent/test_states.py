"""States: a word holds until another is said, over windows, restarts and whatever order it came in."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeglm_agent.config.source_rules import problems_of_source
from edgeglm_agent.graph.build import build
from edgeglm_agent.graph.detect import detect
from edgeglm_agent.graph.encode import encode_entities, encode_window
from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.sentence import sentence
from edgeglm_agent.graph.state import MAX_SAID, Held, Holders, Said, forget_before, hold, states_in
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.spool.entry import Connected, Entry, Message
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Measurement, Question, When
from tests.edge.bundles import a_bundle, a_graph, a_source

from .machine import BROKER, Crash, Machine, assert_crashes_change_nothing, crashes
from .observations import SECOND, a_message, a_word
from .test_graph_fold import a_fold, assert_balanced, counts


def a_state_source(**changes: Any) -> Any:
    measurement = Measurement(property="mode", path="$.mode", type="Enum", map={"1": "RUN", "0": "STOP", "E": "FAULT"})
    source = a_source(
        name="mode", kind="State", topic="plant/{line}/{machine}/mode", measurements=(measurement,), relations=()
    )
    return msgspec.structs.replace(source, relations=a_source().relations, **changes)


def a_graph_with_states(**changes: Any) -> Graph:
    return a_graph(sources=(a_source(), a_state_source()), **changes)


def a_mode(word: object, *, at: float, arrived: float | None = None, machine: str = "m1") -> Message:
    payload = msgspec.json.encode({"ts": at, "mode": word})
    return a_message(
        at=at, arrived=arrived, machine=machine, topic=f"plant/l1/{machine}/mode", payload=payload, size=len(payload)
    )


def feed(fold: Any, *messages: Message) -> list[Closed]:
    def source(message: Message) -> str:
        return message.topic.rpartition("/")[2]

    return [closed for message in messages for closed in fold.take(source(message), message)]


def evidence_of(closed: Closed) -> tuple[Evidence, ...]:
    return detect(closed.window, closed.partition.baselines, closed.era.surroundings.units)


def text_of(closed: Closed) -> str:
    graph = build(closed.window, closed.era.surroundings, {}, {}, evidence_of(closed))
    return f"{encode_entities(graph)}\n{encode_window(graph, closed.window.start_ns)}"


def test_a_state_holds_over_windows_until_it_changes() -> None:
    fold = a_fold(a_graph_with_states())
    feed(fold, a_mode(1, at=99.9))
    windows = feed(fold, *(a_message(at=100.0 + second) for second in range(4)))
    windows += feed(fold, a_mode(0, at=103.5), *(a_message(at=104.0 + second) for second in range(4)))
    modes = [(each.window.start_ns // SECOND, each.window.states["l1/m1"]["mode"]) for each in windows]
    assert [(start, held.word, len(held.changes)) for start, held in modes] == [
        (99, "RUN", 0),
        (100, "RUN", 0),
        (101, "RUN", 0),
        (102, "RUN", 0),
        (103, "STOP", 1),
        (104, "STOP", 0),
        (105, "STOP", 0),
    ]
    assert modes[4][1] == Held("STOP", round(103.5 * SECOND), "RUN", (Said(round(103.5 * SECOND), "STOP"),))
    assert_balanced(fold)


def test_a_change_is_evidence_in_words_and_in_the_graph() -> None:
    fold = a_fold(a_graph_with_states())
    closed = feed(
        fold, a_mode(1, at=99.0), a_message(at=100.0), a_mode("E", at=101.2), a_message(at=101.5), a_message(at=103.0)
    )
    calm, changed = text_of(closed[1]), text_of(closed[2])
    assert "l1/m1 (Machine): partOf l1\nUnits: rms in mm/s" in calm
    assert "l1/m1: rms 2; mode RUN since -1 s" in calm
    assert "mode !! RUN, FAULT from +0 s" in changed
    assert "e1: l1/m1 mode changed from RUN to FAULT at +0 s" in changed


def test_many_changes_are_told_once_and_the_last_ones_in_the_graph() -> None:
    fold = a_fold(a_graph_with_states())
    words = [a_mode(tenth % 2, at=100 + tenth / 20) for tenth in range(20)]
    (closed,) = feed(fold, *words, a_message(at=100.0), a_message(at=102.5))
    (item,) = evidence_of(closed)
    assert (item.kind, item.changes, item.before, item.after) == ("StateChange", 19, "STOP", "RUN")
    assert "changed 19 times since 1970-01-01T00:01:40Z, from STOP at first to RUN at last" in sentence(item)
    assert text_of(closed).count(" from +0 s") == 8


def test_the_first_word_is_no_change() -> None:
    fold = a_fold(a_graph_with_states())
    (closed,) = feed(fold, a_message(at=100.0), a_mode(1, at=100.5), a_message(at=102.5))
    assert closed.window.states["l1/m1"]["mode"].word == "RUN"
    assert evidence_of(closed) == ()


def test_a_state_that_is_silent_holds_no_window_open() -> None:
    fold = a_fold(a_graph_with_states())
    feed(fold, a_mode(1, at=100.0), a_message(at=100.0))
    assert len(feed(fold, *(a_message(at=101.0 + tenth / 10) for tenth in range(20)))) == 1


def test_where_nothing_but_states_is_heard_they_make_the_time() -> None:
    fold = a_fold(a_graph_with_states())
    closed = feed(fold, a_mode(1, at=100.0), a_mode(0, at=103.0))
    assert [each.window.start_ns // SECOND for each in closed] == [100]


def test_a_late_word_is_late_and_yet_tells_what_holds_now() -> None:
    """As a retained message from before we came: nothing newer is known."""
    fold = a_fold(a_graph_with_states())
    feed(fold, *(a_message(at=100.0 + second) for second in range(5)))
    feed(fold, a_mode("E", at=90.0, arrived=104.0), a_mode(1, at=80.0, arrived=104.0))
    (closed,) = feed(fold, a_message(at=105.0))
    assert counts(fold)["late"] == 2
    assert closed.window.states["l1/m1"]["mode"] == Held("FAULT", 90 * SECOND, "FAULT")
    assert_balanced(fold)


def test_a_strange_word_is_refused() -> None:
    fold = a_fold(a_graph_with_states())
    feed(fold, a_mode("X", at=100.0), a_mode({"a": 1}, at=100.0))
    assert {entry: n for entry, n in counts(fold).items() if "dead" in entry} == {
        "dead.unmapped": 1,
        "dead.not_a_word": 1,
    }


WORDS = st.lists(st.tuples(st.integers(0, 50), st.sampled_from("10E"), st.sampled_from(["m1", "m2"])), max_size=40)


@settings(max_examples=50, deadline=None)
@given(WORDS, st.randoms())
def test_reordering_within_the_lateness_gives_the_same_windows(
    words: list[tuple[int, str, str]], chance: random.Random
) -> None:
    beat = [a_message(at=100 + half / 2, arrived=100.0, machine=who) for half in range(11) for who in ("m1", "m2")]
    said = [a_mode(word, at=100 + tenth / 10, arrived=100.0, machine=who) for tenth, word, who in words]
    messages = sorted(beat + said, key=_event_s)
    last = [a_message(at=200.0, arrived=100.0, machine=who) for who in ("m1", "m2")]
    shifted = sorted(messages, key=lambda each: _event_s(each) + chance.uniform(-0.49, 0.49))

    skew = msgspec.structs.replace(a_graph().window, max_skew_seconds=1000)
    in_order, reordered = a_fold(a_graph_with_states(window=skew)), a_fold(a_graph_with_states(window=skew))

    assert _content(feed(reordered, *shifted, *last)) == _content(feed(in_order, *messages, *last))
    assert reordered._books.all() == in_order._books.all()
    assert_balanced(reordered)


def _event_s(message: Message) -> float:
    return float(msgspec.json.decode(message.payload)["ts"])


def _content(closed: list[Closed]) -> list[bytes]:
    return [msgspec.json.encode(each.window, order="deterministic") for each in closed]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crashes(entries=20, most=10))
def test_crashes_anywhere_give_the_same_changes(tmp_path_factory: pytest.TempPathFactory, faults: list[Crash]) -> None:
    stream: list[Entry] = [Connected(100 * SECOND, BROKER, 1, resumed=False)]
    for second in range(40):
        stream.append(a_message(at=100.0 + second, packet_id=2 * second + 1))
        if second % 7 == 3:
            mode = a_mode("10E"[second % 3], at=100.5 + second)
            stream.append(msgspec.structs.replace(mode, packet_id=2 * second + 2))
    bundle = a_bundle(a_graph_with_states(question=Question(when=When(detectors=("StateChange",)))))
    assert len(assert_crashes_change_nothing(tmp_path_factory, bundle, stream, faults)) == 4


def test_a_start_over_from_every_window_on_forgets_nothing_that_is_looked_up(tmp_path: Path) -> None:
    machine = Machine(tmp_path, a_bundle(a_graph_with_states(question=Question())))
    machine.hear(a_mode(1, at=100.0), a_message(at=100.0))
    for second in range(1, 30):
        machine.hear(a_message(at=100.0 + second))
        machine.fold_all()
        machine.crash()
    assert all(b'"word":"RUN","since_ns":100000000000' in body for body in machine.requests().values())
    assert len(machine.requests()) == 28


# The lookup itself.


def said_of(holders: Holders) -> list[Said]:
    return holders["m1"].said["mode"]


@given(st.lists(st.tuples(st.integers(100, 130), st.sampled_from("ABC")), min_size=1, max_size=MAX_SAID), st.randoms())
def test_the_order_of_arrival_does_not_matter(words: list[tuple[int, str]], chance: random.Random) -> None:
    one: Holders = {}
    other: Holders = {}
    shuffled = list(words)
    chance.shuffle(shuffled)
    for holders, order in ((one, words), (other, shuffled)):
        for at, word in order:
            hold(holders, a_word("mode", word, at=at), late=False)
    assert one == other


@given(st.lists(st.tuples(st.integers(100, 130), st.sampled_from("ABC")), min_size=1, max_size=40))
def test_what_is_settled_is_told_as_before(words: list[tuple[int, str]]) -> None:
    holders: Holders = {}
    for at, word in words:
        hold(holders, a_word("mode", word, at=at), late=False)
    before = [states_in(holders, at * SECOND, (at + 5) * SECOND) for at in range(115, 131)]
    forget_before(holders, 115 * SECOND)
    assert [states_in(holders, at * SECOND, (at + 5) * SECOND) for at in range(115, 131)] == before


def test_repetitions_do_not_crowd_out_changes() -> None:
    holders: Holders = {}
    for tenth in range(1000):
        hold(holders, a_word("mode", "B" if tenth == 500 else "A", at=100 + tenth / 10), late=False)
    assert len(said_of(holders)) <= MAX_SAID
    assert len(states_in(holders, 100 * SECOND, 200 * SECOND)["m1"]["mode"].changes) == 2


def test_a_state_that_flutters_keeps_its_last_changes() -> None:
    holders: Holders = {}
    for tenth in range(1000):
        hold(holders, a_word("mode", "AB"[tenth % 2], at=100 + tenth / 10), late=False)
    assert len(said_of(holders)) == MAX_SAID
    assert said_of(holders)[-1] == Said(round(199.9 * SECOND), "B")


def test_the_bundle_is_held_to_the_same_rules() -> None:
    word = Measurement(property="mode", path="$.mode", type="Enum")
    for source in (
        a_source(kind="State"),
        a_source(measurements=(word,)),
        a_state_source(measurements=(msgspec.structs.replace(word, unit="V"),)),
    ):
        assert len(list(problems_of_source(source))) == 1
    assert list(problems_of_source(a_state_source())) == []


def test_what_the_broker_retained_tells_states_and_nothing_else() -> None:
    fold = a_fold(a_graph_with_states())
    feed(
        fold,
        msgspec.structs.replace(a_message(12.0, at=100.0), retained=True),
        msgspec.structs.replace(a_mode(1, at=99.0, arrived=100.0), retained=True),
        a_message(at=100.5),
    )
    closed = feed(fold, a_message(at=103.0))
    assert closed[-1].window.states["l1/m1"]["mode"].word == "RUN"
    assert evidence_of(closed[-1]) == ()
    assert counts(fold)["dropped"] == 1
    assert_balanced(fold)
