"""Topics of a graph: captures that ids ask for exist, and answers are never read as readings."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_api.echo import overlap
from edgeglm_operator.reconcile.topics import check_topics
from tests.unit.operator.builders import a_sensor_graph


def a_source(topic: str = "plant/{line}/{machine}/vibration", entity: str = "{machine}", **rest: Any) -> dict[str, Any]:
    return {
        "name": "vibration",
        "topic": topic,
        "entity": {"type": "Machine", "id": entity},
        "measurements": [{"property": "rms", "path": "$.rms"}],
    } | rest


@pytest.mark.parametrize(
    ("source", "output", "meets"),
    [
        ("plant/{line}/{machine}/vibration", "insights/{graph}/{partition}", False),
        ("{a}/{b}/{c}", "insights/{graph}/{partition}", True),
        ("insights/line-1/{x}", "insights/{graph}/{partition}", True),
        ("insights/other/{x}", "insights/{graph}/{partition}", False),
        ("insights/{a}/{b}/{c}", "insights/{graph}/{partition}", True),
        ("insights/{a}/end", "insights/{partition}/end", True),
        ("insights/{a}/{b}/end", "insights/{partition}/end", True),
        ("insights/{a}/start", "insights/{partition}/end", False),
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/{x}", "a", False),
    ],
)
def test_a_graph_never_reads_its_own_answers(source: str, output: str, *, meets: bool) -> None:
    graph = a_sensor_graph(sources=[a_source(source, "fixed")], output={"topic": output})
    refused = check_topics(graph)
    assert (refused is not None) is meets
    if refused:
        assert refused.reason == "TopicOverlap"
        assert refused.message.startswith(f"spec.output.topic {output} can meet spec.sources[vibration].topic {source}")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (a_source(entity="{mashine}"), "spec.sources[vibration].entity.id asks for {mashine}, but the topic captures"),
        (a_source("plant/vibration"), "captures nothing"),
        (a_source("{x}/{x}", "{x}"), "spec.sources[vibration].topic captures {x} twice"),
        (
            a_source(relations=[{"type": "partOf", "to": {"type": "Line", "id": "{hall}"}}]),
            "spec.sources[vibration].relations[0].to.id asks for {hall}",
        ),
    ],
)
def test_an_id_asks_only_for_what_the_topic_captures(source: dict[str, Any], says: str) -> None:
    refused = check_topics(a_sensor_graph(sources=[source]))
    assert refused is not None
    assert refused.reason == "InvalidTopic"
    assert says in refused.message


levels = st.sampled_from(["a", "b", "+", "#"])
topics = st.lists(levels, min_size=1, max_size=4).map(tuple)


def _reads(pattern: tuple[str, ...], topic: tuple[str, ...]) -> bool:
    form = "/".join({"+": "[^/]+", "#": ".+"}.get(level, level) for level in pattern)
    return re.fullmatch(form, "/".join(topic)) is not None


@given(topics, topics, st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4).map(tuple))
def test_overlap_finds_every_topic_that_both_read(
    one: tuple[str, ...], other: tuple[str, ...], topic: tuple[str, ...]
) -> None:
    if _reads(one, topic) and _reads(other, topic):
        assert overlap(one, other)
    assert overlap(one, other) == overlap(other, one)
    assert overlap(("#",), topic)


def test_many_levels_of_any_length_do_not_take_for_ever() -> None:
    assert not overlap(("#",) * 40 + ("a",), ("+",) * 100 + ("b",))
    assert overlap(("#",) * 40 + ("a",), ("+",) * 100)
