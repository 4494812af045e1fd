"""Events: what happened in a window, however often, and in whatever order it came."""

import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.graph.build import build
from edgeglm_agent.graph.encode import encode_window
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.spool.entry import Message
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Measurement, SourceLimits
from tests.edge.bundles import a_graph, a_source

from .observations import a_message, a_word
from .test_graph_fold import a_fold, assert_balanced, counts


def a_graph_with_events(**changes: Any) -> Graph:
    events = a_source(
        name="door",
        kind="Event",
        topic="plant/{line}/{machine}/door",
        measurements=(Measurement(property="door", path="$.what", type="Enum"),),
        limits=SourceLimits(events_per_node=2),
    )
    return a_graph(sources=(a_source(), events), **changes)


def an_event(what: str, *, at: float, **changes: Any) -> Message:
    payload = msgspec.json.encode({"ts": at, "what": what})
    return a_message(at=at, topic="plant/l1/m1/door", payload=payload, size=len(payload), **changes)


def feed(fold: Any, *messages: Message) -> list[Closed]:
    return [closed for message in messages for closed in fold.take(message.topic.rpartition("/")[2], message)]


def test_a_window_tells_the_last_of_its_own_events_and_counts_all() -> None:
    fold = a_fold(a_graph_with_events())
    happens = [an_event(what, at=100.1 + number / 10) for number, what in enumerate(("opened", "knocked", "shut"))]
    first, second = feed(fold, a_message(at=100.0), *happens, *(a_message(at=101.0 + half) for half in range(3)))
    text = encode_window(build(first.window, first.era.surroundings, {}, {}, ()), first.window.start_ns)
    assert "door: knocked at +0 s, shut at +0 s, the last of 3\n" in text
    assert second.window.pane.events == {}
    assert_balanced(fold)


def test_what_the_broker_retained_did_not_just_happen() -> None:
    fold = a_fold(a_graph_with_events())
    feed(fold, an_event("opened", at=100.0, retained=True))
    assert counts(fold)["dropped"] == 1
    assert_balanced(fold)


EVENTS = st.lists(st.tuples(st.integers(100, 130), st.sampled_from("ABC"), st.sampled_from(["m1", "m2"])), max_size=80)


@given(EVENTS, EVENTS, st.randoms())
def test_neither_order_nor_split_matters(
    one: list[tuple[int, str, str]], other: list[tuple[int, str, str]], chance: random.Random
) -> None:
    merged, shuffled = _pane(one), [*one, *other]
    merged.merge(_pane(other))
    chance.shuffle(shuffled)
    assert merged == _pane(shuffled)
    assert msgspec.json.decode(msgspec.json.encode(merged), type=Pane) == merged


def _pane(events: list[tuple[int, str, str]]) -> Pane:
    pane = Pane()
    for at, word, who in events:
        pane.happen(a_word("door", word, at=at, machine=who))
    return pane
