"""Payloads and topics from strangers: what fits is read, what does not is refused with its reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.decode.event_time import event_time_ns, times_reader
from edgeglm_agent.decode.json_payload import MAX_DEPTH, parse_json
from edgeglm_agent.decode.observation import Observation
from edgeglm_agent.decode.path import MAX_ITEMS, BadPath, Place, compile_for_each, compile_path
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.decode.source_reader import SourceReader
from edgeglm_agent.decode.topic import MAX_KNOWN_TOPICS, BadTopic, compile_topic
from edgeglm_api.sensor_graph import EntityRef, Measurement, Quality, Source, SourceRelation, Timestamp
from tests.edge.bundles import a_source

TOPIC = "plant/l1/m1/vibration"


def refusal_of(payload: bytes, source: Source | None = None, topic: str = TOPIC) -> Reason:
    with pytest.raises(Refused) as refused:
        SourceReader(source or a_source()).read(topic, payload, 0)
    return refused.value.reason


def the_observation(payload: bytes, source: Source, *, arrived_ns: int = 0) -> Observation:
    (observation,) = SourceReader(source).read(TOPIC, payload, arrived_ns).observations
    return observation


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.NOT_JSON),
        (b"\xff\xfe", Reason.NOT_JSON),
        (b"{", Reason.NOT_JSON),
        (b"[" * 40 + b"]" * 40, Reason.TOO_DEEP),
        (b"[" * 100_000, Reason.TOO_DEEP),
        (b'{"rms": 1, "rms": 2, "ts": 1}', Reason.DUPLICATE_KEY),
        (b'{"rms": NaN, "ts": 1}', Reason.NOT_FINITE),
        (b'{"rms": -Infinity, "ts": 1}', Reason.NOT_FINITE),
        (b'{"rms": 1e999, "ts": 1}', Reason.NOT_FINITE),
        (b'{"rms": ' + b"9" * 5000 + b', "ts": 1}', Reason.TOO_MANY_DIGITS),
        (b'{"rms": 0.' + b"1" * 50 + b', "ts": 1}', Reason.TOO_MANY_DIGITS),
        (b'{"rms": ' + b"9" * 40 + b', "ts": 1}', Reason.OUT_OF_RANGE),
        (b'{"rms": [' + b"1," * 60_000 + b'1], "ts": 1}', Reason.TOO_MANY),
        (b'{"rms": true, "ts": 1}', Reason.NOT_A_NUMBER),
        (b'{"rms": "2", "ts": 1}', Reason.NOT_A_NUMBER),
        (b'{"rms": null, "ts": 1}', Reason.NOT_A_NUMBER),
        (b'{"rms": -0.1, "ts": 1}', Reason.OUT_OF_RANGE),
        (b'{"rms": 50.1, "ts": 1}', Reason.OUT_OF_RANGE),
        (b'{"ts": 1}', Reason.MISSING),
        (b"[1, 2]", Reason.MISSING),
        (b'{"rms": 2}', Reason.TIMESTAMP),
        (b'{"rms": 2, "ts": "now"}', Reason.TIMESTAMP),
        (b'{"rms": 2, "ts": -1}', Reason.TIMESTAMP),
        (b'{"rms": 2, "ts": 1e300}', Reason.TIMESTAMP),
        (b'{"rms": 2, "ts": true}', Reason.TIMESTAMP),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(payload: bytes, reason: Reason) -> None:
    assert refusal_of(payload) is reason


@given(st.binary(max_size=200))
def test_no_payload_raises_anything_but_a_refusal(payload: bytes) -> None:
    try:
        SourceReader(a_source()).read(TOPIC, payload, 0)
    except Refused:
        return


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_document_raises_anything_but_a_refusal(document: Any) -> None:
    try:
        SourceReader(a_source()).read(TOPIC, json.dumps({"ts": 1, "rms": document}).encode(), 0)
    except Refused:
        return


def test_brackets_in_strings_are_no_depth() -> None:
    assert parse_json(json.dumps({"a": "[" * 100 + '\\"{' * 50}).encode())
    with pytest.raises(Refused):
        parse_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


@pytest.mark.parametrize(
    "topic", ["plant/l1//vibration", "plant/l1/" + "m" * 200 + "/vibration", "plant/l\x071/m1/vibration"]
)
def test_bad_ids_are_refused(topic: str) -> None:
    assert refusal_of(b'{"rms": 2, "ts": 1}', topic=topic) is Reason.ENTITY


def test_one_bad_measurement_does_not_cost_the_others() -> None:
    both = (Measurement(property="rms", path="$.rms"), Measurement(property="peak", path="$.peak"))
    decoded = SourceReader(a_source(measurements=both)).read(TOPIC, b'{"rms": 2, "peak": "x", "ts": 1}', 0)
    assert [reading.property for reading in decoded.observations[0].readings] == ["rms"]
    assert decoded.refused == (Reason.NOT_A_NUMBER,)


def test_without_a_timestamp_the_time_of_arrival_counts() -> None:
    observation = the_observation(b'{"rms": 2}', a_source(timestamp=None), arrived_ns=42)
    assert observation.event_ns == 42
    assert observation.entity.id == "l1/m1"
    assert observation.relations[0].to.id == "l1"


@pytest.mark.parametrize(
    ("value", "time_format", "nanos"),
    [
        (1_700_000_000, "Seconds", 1_700_000_000 * 10**9),
        (1_700_000_000.25, "Seconds", 1_700_000_000_250_000_000),
        (1_700_000_000_123, "Milliseconds", 1_700_000_000_123_000_000),
        (1_700_000_000_123.456, "Milliseconds", 1_700_000_000_123_456_000),
        (1_700_000_000_123_456_789, "Nanoseconds", 1_700_000_000_123_456_789),
        ("1700000000123456789", "Nanoseconds", 1_700_000_000_123_456_789),
        ("2023-11-14T22:13:20Z", "ISO8601", 1_700_000_000 * 10**9),
        ("2023-11-14T23:13:20.5+01:00", "ISO8601", 1_700_000_000_500_000_000),
    ],
)
def test_timestamps_are_read(value: Any, time_format: str, nanos: int) -> None:
    assert event_time_ns(value, time_format) == nanos


@pytest.mark.parametrize("time_format", ["Seconds", "Milliseconds", "Nanoseconds"])
@pytest.mark.parametrize("value", [True, None, [], "", "-1", "1e9", "9" * 20, 10**39, -5, 1e300, float("nan")])
def test_a_strange_number_is_no_time(value: Any, time_format: str) -> None:
    with pytest.raises(Refused):
        event_time_ns(value, time_format)


LATEST = 4_102_444_800.0
moments = st.one_of(
    *[st.floats(0, 1.01 * LATEST), st.floats(LATEST - 2, LATEST), st.floats(0, 1.01e3 * LATEST)] * 4,
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-0.0, LATEST, LATEST * 1e3, 1_700_000_000, True, None, "1", "2023-11-14T22:13:20Z"]),
)
formats = st.sampled_from(["Seconds", "Milliseconds", "Nanoseconds", "ISO8601"])


@given(st.lists(moments, min_size=1, max_size=4), formats)
def test_many_timestamps_are_read_as_each_of_them_is(values: list[Any], time_format: str) -> None:
    try:
        each = [event_time_ns(value, time_format) for value in values]
    except Refused:
        with pytest.raises(Refused):
            times_reader(time_format)(values)
    else:
        assert times_reader(time_format)(values) == each


@pytest.mark.parametrize("time_format", ["Seconds", "Milliseconds"])
def test_digits_in_a_string_are_nanoseconds_or_nothing(time_format: str) -> None:
    """Seconds and milliseconds fit into any JSON number; who sends them as text is as wrong as with a measurement."""
    with pytest.raises(Refused):
        event_time_ns("1700000000", time_format)


@pytest.mark.parametrize("value", ["2023-11-14T22:13:20", "yesterday", 5, None, "9" * 100])
def test_a_local_or_strange_iso_time_is_refused(value: Any) -> None:
    with pytest.raises(Refused):
        event_time_ns(value, "ISO8601")


def test_paths_reach_into_lists_and_odd_names() -> None:
    payload = {"a": {"b": [0, {"c d": 7}]}}
    assert compile_path("$.a.b[1]['c d']")(Place(payload, 5)) == 7
    assert compile_path("@")(Place(payload, 5)) == 5


@pytest.mark.parametrize("path", ["a.b", "$a", "$.a[", "$.a[-1]", "$..a", "$.", "$.a[*]"])
def test_bad_paths_are_told(path: str) -> None:
    with pytest.raises(BadPath):
        compile_path(path)


def test_topics_capture_whole_levels() -> None:
    pattern = compile_topic("plant/{line}/+/{machine}/vibration")
    assert pattern.filter == "plant/+/+/+/vibration"
    assert pattern.match("plant/l1/x/m1/vibration") == {"line": "l1", "machine": "m1"}
    assert pattern.match("plant/l1/x/m1/vibration/more") is None
    assert pattern.match("plant/l1/x/m1") is None
    assert compile_topic("a/#").match("a/b/c") == {}


@pytest.mark.parametrize("topic", ["a/m-{x}/b", "a/#/b", "a/b+", "{x}/{x}", "a/{}/b"])
def test_bad_topics_are_told(topic: str) -> None:
    with pytest.raises(BadTopic):
        compile_topic(topic)


def test_the_entity_may_be_any_of_the_captures() -> None:
    source = a_source(
        entity=EntityRef(type="Line", id="{line}"), relations=(), timestamp=Timestamp(path="$.t", format="Milliseconds")
    )
    observation = the_observation(b'{"t": 1700000000123, "rms": 1}', source)
    assert (observation.entity.type, observation.entity.id) == ("Line", "l1")


A_BATCH = a_source(
    for_each="$.items[*]",
    entity=EntityRef(type="Machine", id="{line}/{@.id}", aliases={"l1/TAG-7": "l1/press"}),
    measurements=(Measurement(property="rms", path="@.v"),),
    timestamp=Timestamp(path="$.ts"),
    relations=(SourceRelation(type="partOf", to=EntityRef(type="Hall", id="{$.hall}")),),
)


def test_a_batch_says_something_of_each_item() -> None:
    """What stands beside the items holds for all of them; one bad item does not cost the others."""
    payload = b'{"ts": 5, "hall": 3, "items": [{"id": "TAG-7", "v": 1}, {"id": 8, "v": "x"}, {"id": 9, "v": 2}]}'
    decoded = SourceReader(A_BATCH).read(TOPIC, payload, 0)
    assert [(each.entity.id, each.readings[0].value) for each in decoded.observations] == [("l1/press", 1), ("l1/9", 2)]
    assert {each.event_ns for each in decoded.observations} == {5 * 10**9}
    assert {each.relations[0].to.id for each in decoded.observations} == {"3"}
    assert decoded.refused == (Reason.NOT_A_NUMBER,)


def test_items_may_be_the_values_of_an_object_and_nested() -> None:
    payload = {"a": {"items": [1, 2]}, "b": {"items": [3]}}
    assert compile_for_each("$[*].items[*]")(payload) == [1, 2, 3]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"ts": 5, "items": []}', Reason.MISSING),
        (b'{"ts": 5, "items": 5}', Reason.MISSING),
        (b'{"ts": 5, "hall": "h", "items": [{"v": 1}]}', Reason.MISSING),
        (b'{"ts": 5, "hall": "h", "items": [{"id": [], "v": 1}]}', Reason.ENTITY),
        (b'{"ts": 5, "hall": "", "items": [{"id": "a", "v": 1}]}', Reason.ENTITY),
        (b'{"ts": 5, "hall": "h", "items": [' + b"1," * MAX_ITEMS + b"1]}", Reason.TOO_MANY),
    ],
)
def test_a_batch_of_which_nothing_can_be_used_is_refused(payload: bytes, reason: Reason) -> None:
    assert refusal_of(payload, A_BATCH) is reason


@pytest.mark.parametrize("path", ["$.items", "@.items[*]", "$.items[*", "items[*]"])
def test_bad_paths_of_a_batch_are_told(path: str) -> None:
    with pytest.raises(BadPath):
        compile_for_each(path)


def a_measured(**changes: Any) -> Source:
    return a_source(measurements=(Measurement(property="x", path="$.x", **changes),), timestamp=None)


@pytest.mark.parametrize(
    ("payload", "rules", "value"),
    [
        (b'{"x": true}', {"type": "Boolean"}, 1.0),
        (b'{"x": "ON"}', {"type": "Boolean", "map": {"ON": "true", "OFF": "false"}}, 1.0),
        (b'{"x": 0}', {"type": "Boolean", "map": {"0": "false"}}, 0.0),
        (b'{"x": "warm"}', {"map": {"warm": "2.5"}}, 2.5),
        (b'{"x": 3.0}', {"map": {"3": "30"}}, 30.0),
        (b'{"x": 17}', {"type": "Counter"}, 17.0),
        (b'{"x": 1, "q": "GOOD"}', {"quality": Quality(path="$.q", good=("GOOD",))}, 1.0),
        (b'{"x": 1, "q": 192}', {"quality": Quality(path="$.q", good=("192",))}, 1.0),
    ],
)
def test_values_are_read_by_type_map_and_quality(payload: bytes, rules: dict[str, Any], value: float) -> None:
    assert the_observation(payload, a_measured(**rules)).readings[0].value == value


@pytest.mark.parametrize(
    ("payload", "rules", "reason"),
    [
        (b'{"x": 1}', {"type": "Boolean"}, Reason.NOT_A_BOOLEAN),
        (b'{"x": "?"}', {"map": {"ON": "1"}}, Reason.UNMAPPED),
        (b'{"x": []}', {"map": {"ON": "1"}}, Reason.NOT_A_WORD),
        (b'{"x": -1}', {"type": "Counter"}, Reason.OUT_OF_RANGE),
        (b'{"x": 1}', {"quality": Quality(path="$.q", good=("GOOD",))}, Reason.BAD_QUALITY),
        (b'{"x": 1, "q": []}', {"quality": Quality(path="$.q", good=("GOOD",))}, Reason.BAD_QUALITY),
        (b'{"x": 1, "q": 0}', {"quality": Quality(path="$.q", good=("192",))}, Reason.BAD_QUALITY),
    ],
)
def test_values_that_are_not_of_the_type_or_not_good_are_refused(
    payload: bytes, rules: dict[str, Any], reason: Reason
) -> None:
    assert refusal_of(payload, a_measured(**rules)) is reason


def test_topics_of_strangers_are_remembered_neither_long_nor_without_end() -> None:
    """A topic may have 64 KiB; what is remembered of it must not fill the memory."""
    reader = SourceReader(a_source())
    topics = [f"plant/l1/{'m' * length}/vibration" for length in (1, 100, 300, 60_000)]
    said = [_entity_or_reason(reader, topic) for topic in topics]
    assert said == ["l1/m", "l1/" + "m" * 100, Reason.ENTITY, Reason.ENTITY]
    assert reader._known.cache_info().currsize == 2
    assert reader._known.cache_info().maxsize == MAX_KNOWN_TOPICS


def _entity_or_reason(reader: SourceReader, topic: str) -> str:
    try:
        return reader.read(topic, b'{"rms": 2, "ts": 1}', 0).observations[0].entity.id
    except Refused as refusal:
        return refusal.reason
