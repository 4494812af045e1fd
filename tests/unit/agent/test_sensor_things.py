"""Observations of OGC SensorThings: which Datastream, what result, and when."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.decode.observation import Observation
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.decode.source_reader import SourceReader
from edgeglm_api.sensor_graph import EntityRef, Measurement, Source
from tests.edge.bundles import a_source

NOW = 1_700_000_000 * 10**9
TOPIC = "v1.1/Datastreams(42)/Observations"
SOURCE = a_source(
    topic="v1.1/{stream}/Observations",
    format="SensorThings",
    entity=EntityRef(type="Pump", id="{datastream}", aliases={"42": "pump-1", "43": "pump-1"}),
    measurements=(
        Measurement(property="temperature", name="42"),
        Measurement(property="flow", name="43", path="$.result.flow"),
    ),
    timestamp=None,
    relations=(),
)


def read(observation: Any, topic: str = TOPIC, source: Source = SOURCE) -> Observation:
    (found,) = SourceReader(source).read(topic, json.dumps(observation).encode(), NOW).observations
    return found


def refusal_of(observation: Any, topic: str = TOPIC) -> Reason:
    with pytest.raises(Refused) as refused:
        read(observation, topic)
    return refused.value.reason


def test_the_example_of_the_standard() -> None:
    """OGC 18-088, 8.2.6: an Observation, as a server sends it."""
    observation = read(
        {
            "@iot.id": 1,
            "@iot.selfLink": "http://example.org/v1.1/Observations(1)",
            "FeatureOfInterest@iot.navigationLink": "Observations(1)/FeatureOfInterest",
            "Datastream@iot.navigationLink": "Observations(1)/Datastream",
            "phenomenonTime": "2014-12-31T11:59:59.00+08:00",
            "resultTime": "2014-12-31T11:59:59.00+08:00",
            "result": 70.4,
        }
    )
    assert (observation.entity.id, observation.event_ns) == ("pump-1", 1_419_998_399 * 10**9)
    assert [(reading.property, reading.value) for reading in observation.readings] == [("temperature", 70.4)]


@pytest.mark.parametrize(
    ("datastream", "topic"),
    [
        ({"@iot.id": 43}, TOPIC),
        ({"@iot.id": "43"}, TOPIC),
        (None, "v1.1/Datastreams(43)/Observations"),
        ({}, "v1.1/Datastreams('43')/Observations"),
    ],
)
def test_the_datastream_stands_in_the_payload_or_in_the_topic(datastream: Any, topic: str) -> None:
    observation = read({"result": {"flow": 3}, "Datastream": datastream}, topic)
    assert [(reading.property, reading.value) for reading in observation.readings] == [("flow", 3)]


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ({"phenomenonTime": "2023-11-14T22:00:00Z/2023-11-14T22:13:20Z"}, 1_700_000_000),
        ({"resultTime": "2023-11-14T22:13:20Z"}, 1_700_000_000),
        ({"phenomenonTime": "2023-11-14T22:13:20Z", "resultTime": "2023-11-14T23:00:00Z"}, 1_700_000_000),
        ({"phenomenonTime": None, "resultTime": None}, NOW // 10**9),
        ({}, NOW // 10**9),
    ],
)
def test_the_phenomenon_says_when_and_of_an_interval_its_end(times: dict[str, Any], seconds: int) -> None:
    assert read({"result": 1, **times}).event_ns == seconds * 10**9


@pytest.mark.parametrize(
    ("observation", "topic", "reason"),
    [
        ([], TOPIC, Reason.NOT_AN_OBSERVATION),
        ({}, TOPIC, Reason.MISSING),
        ({"result": "on"}, TOPIC, Reason.NOT_A_NUMBER),
        ({"result": 1}, "v1.1/Datastreams(7)/Observations", Reason.MISSING),
        ({"result": 1}, "v1.1/Things/Observations", Reason.MISSING),
        ({"result": 1, "phenomenonTime": "2023-11-14T22:13:20"}, TOPIC, Reason.TIMESTAMP),
        ({"result": 1, "phenomenonTime": 5}, TOPIC, Reason.TIMESTAMP),
    ],
)
def test_what_says_nothing_usable_is_refused(observation: Any, topic: str, reason: Reason) -> None:
    assert refusal_of(observation, topic) is reason


def test_without_a_name_every_datastream_is_read() -> None:
    source = a_source(
        topic="v1.1/{stream}/Observations",
        format="SensorThings",
        entity=EntityRef(type="Stream", id="{datastream}"),
        measurements=(Measurement(property="x"),),
        relations=(),
    )
    assert read({"result": 1}, "v1.1/Datastreams(7)/Observations", source).entity.id == "7"


@given(
    st.dictionaries(
        st.sampled_from(["result", "phenomenonTime", "resultTime", "Datastream", "resultQuality"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("@iot.id"), inner),
        ),
    )
)
def test_no_observation_raises_anything_but_a_refusal(observation: dict[str, Any]) -> None:
    try:
        read(observation)
    except Refused:
        return
