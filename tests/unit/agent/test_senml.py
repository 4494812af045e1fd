"""SenML by the examples of RFC 8428, by its rules, and by whatever hypothesis thinks of."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.decode.senml import Record, resolve
from edgeglm_agent.decode.source_reader import SourceReader
from edgeglm_agent.decode.unit import converted
from edgeglm_api.sensor_graph import EntityRef, Measurement, Source, SourceRelation
from tests.edge.bundles import a_source

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
DEVICE = "urn:dev:ow:10e2073a01080063"


def resolved(*pack: dict[str, Any]) -> list[Record]:
    records, refused = resolve(list(pack), NOW)
    assert refused == []
    return records


def refusal_of(pack: Any) -> Reason:
    with pytest.raises(Refused) as refused:
        resolve(pack, NOW)
    return refused.value.reason


# Section 5.1 of the RFC.


def test_rfc_a_single_datapoint() -> None:
    assert resolved({"n": DEVICE, "u": "Cel", "v": 23.1}) == [Record(DEVICE, "Cel", NOW, 23.1)]


def test_rfc_multiple_datapoints_share_a_base_name() -> None:
    records = resolved({"bn": f"{DEVICE}:", "n": "voltage", "u": "V", "v": 120.1}, {"n": "current", "u": "A", "v": 1.2})
    assert records == [
        Record(f"{DEVICE}:voltage", "V", NOW, 120.1),
        Record(f"{DEVICE}:current", "A", NOW, 1.2),
    ]


def test_rfc_base_time_unit_and_version_hold_for_all_that_follows() -> None:
    base = {"bn": "urn:dev:ow:10e2073a0108006:", "bt": 1.276020076001e09, "bu": "A", "bver": 5}
    records = resolved(
        {**base, "n": "voltage", "u": "V", "v": 120.1},
        {"n": "current", "t": -5, "v": 1.2},
        {"n": "current", "t": -4, "v": 1.3},
        {"n": "current", "v": 1.7},
    )
    assert [(each.unit, each.time_ns, each.value) for each in records] == [
        ("V", 1_276_020_076_001_000_000, 120.1),
        ("A", 1_276_020_071_001_000_000, 1.2),
        ("A", 1_276_020_072_001_000_000, 1.3),
        ("A", 1_276_020_076_001_000_000, 1.7),
    ]


def test_rfc_samples_of_a_device_that_knows_no_time_are_relative_to_now() -> None:
    records = resolved({"n": DEVICE, "t": -60, "v": 1}, {"n": DEVICE, "t": 0, "v": 2}, {"n": DEVICE, "t": 3.5, "v": 3})
    assert [each.time_ns for each in records] == [NOW - 60 * SECOND, NOW, NOW + 3_500_000_000]


def test_rfc_a_base_unit_is_overridden_and_a_base_name_may_be_the_whole_name() -> None:
    records = resolved(
        {"bn": DEVICE, "bt": 1.320067464e09, "bu": "%RH", "v": 20},
        {"u": "lon", "v": 24.30621},
        {"u": "lat", "v": 60.07965},
        {"t": 60, "v": 20.3},
    )
    assert [(each.name, each.unit) for each in records] == [(DEVICE, unit) for unit in ("%RH", "lon", "lat", "%RH")]
    assert records[-1].time_ns == 1_320_067_524 * SECOND


def test_rfc_values_of_other_types() -> None:
    records = resolved(
        {"bn": f"{DEVICE}:", "n": "temp", "u": "Cel", "v": 23.1},
        {"n": "label", "vs": "Machine Room"},
        {"n": "open", "vb": False},
        {"n": "nfc-reader", "vd": "aGkgCg"},
    )
    assert [each.value for each in records] == [23.1, "Machine Room", False, "aGkgCg"]


# What the sections say besides.


def test_base_value_and_base_sum_are_added_and_what_is_missing_is_zero() -> None:
    records = resolved(
        {"bn": "a", "bv": 10, "bs": 100, "v": 1, "s": 5}, {"v": 2}, {"s": 7}, {"n": "b", "vb": True}, {"bs": 0, "s": 1}
    )
    assert [(each.value, each.sum) for each in records] == [(11, 105), (12, 100), (10, 107), (True, 100), (10, 1)]


def test_a_record_may_be_a_sum_alone_and_base_fields_may_stand_alone() -> None:
    assert resolved({"bn": "meter", "bt": 1_600_000_000}, {"s": 5}) == [
        Record("meter", "", 1_600_000_000 * SECOND, None, 5)
    ]


def test_a_time_is_absolute_from_2_to_the_28_on() -> None:
    border = 268_435_456
    records = resolved({"n": "a", "t": border - 1, "v": 1}, {"n": "a", "t": border, "v": 1})
    assert [each.time_ns for each in records] == [NOW + (border - 1) * SECOND, border * SECOND]


@pytest.mark.parametrize(
    ("pack", "reason"),
    [
        ({}, Reason.NOT_SENML),
        ([1], Reason.NOT_SENML),
        ([{"n": 5, "v": 1}], Reason.NOT_SENML),
        ([{"n": "a", "v": "1"}], Reason.NOT_SENML),
        ([{"n": "a", "v": True}], Reason.NOT_SENML),
        ([{"n": "a", "vb": 1}], Reason.NOT_SENML),
        ([{"n": "a", "v": 1}, {"bt": "now"}], Reason.NOT_SENML),
        ([{"n": "a", "v": 1, "foo_": 1}], Reason.MUST_UNDERSTAND),
        ([{"bver": 11, "n": "a", "v": 1}], Reason.SENML_VERSION),
        ([{"n": "a", "v": 1}] * 10_001, Reason.TOO_MANY),
    ],
)
def test_what_makes_a_pack_unusable(pack: Any, reason: Reason) -> None:
    assert refusal_of(pack) is reason


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"v": 1}, Reason.ENTITY),
        ({"n": "-a", "v": 1}, Reason.ENTITY),
        ({"n": "a b", "v": 1}, Reason.ENTITY),
        ({"n": "a"}, Reason.MISSING),
        ({"n": "a", "v": 1, "vs": "x"}, Reason.NOT_SENML),
        ({"n": "a", "v": 1, "t": 1e300}, Reason.TIMESTAMP),
        ({"n": "a", "v": 1, "t": -4e9}, Reason.TIMESTAMP),
    ],
)
def test_what_makes_a_record_unusable_does_not_cost_the_others(record: dict[str, Any], reason: Reason) -> None:
    records, refused = resolve([record, {"n": "b", "v": 2}], NOW)
    assert refused == [reason]
    assert [each.name for each in records] == ["b"]


def test_fields_that_nobody_knows_are_passed_over() -> None:
    assert resolved({"n": "a", "v": 1, "ct": "60", "ut": 5}) == [Record("a", "", NOW, 1)]


# From packs to observations.

A_GATEWAY = a_source(
    topic="site/{line}/senml",
    format="SenML",
    entity=EntityRef(type="Machine", id="{line}/{mac}"),
    measurements=(
        Measurement(property="temperature", name="urn:dev:mac:{mac}:temp", unit="Cel", max=100.0),
        Measurement(property="power", name="urn:dev:mac:{mac}:power", unit="kW"),
        Measurement(property="running", name="urn:dev:mac:{mac}:run", type="Boolean"),
        Measurement(property="energy", name="urn:dev:mac:{mac}:energy", type="Counter", unit="Wh"),
    ),
    timestamp=None,
    relations=(SourceRelation(type="partOf", to=EntityRef(type="Line", id="{line}")),),
)


def read(*pack: dict[str, Any], source: Source = A_GATEWAY) -> Any:
    return SourceReader(source).read("site/l1/senml", json.dumps(pack).encode(), NOW)


def test_records_become_observations_of_an_entity_at_a_moment() -> None:
    decoded = read(
        {"bn": "urn:dev:mac:0a:", "bt": 1_699_999_990, "n": "temp", "v": 21},
        {"n": "power", "u": "W", "v": 1500},
        {"n": "run", "vb": True},
        {"n": "energy", "u": "kWh", "s": 3},
        {"n": "temp", "t": 1, "v": 22},
        {"bn": "urn:dev:mac:0b:", "n": "temp", "v": 23},
        {"n": "unheard-of", "v": 1},
    )
    said = [
        (each.entity.id, each.event_ns // SECOND, {reading.property: reading.value for reading in each.readings})
        for each in decoded.observations
    ]
    assert said == [
        ("l1/0a", 1_699_999_990, {"temperature": 21, "power": 1.5, "running": 1, "energy": 3000}),
        ("l1/0a", 1_699_999_991, {"temperature": 22}),
        ("l1/0b", 1_699_999_990, {"temperature": 23}),
    ]
    assert {each.relations[0].to.id for each in decoded.observations} == {"l1"}
    assert decoded.refused == ()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"n": "temp", "u": "V", "v": 1}, Reason.UNIT),
        ({"n": "temp", "v": 101}, Reason.OUT_OF_RANGE),
        ({"n": "temp", "vs": "warm"}, Reason.NOT_A_NUMBER),
        ({"n": "temp", "vd": "aGk"}, Reason.NOT_A_NUMBER),
        ({"n": "temp", "s": 5}, Reason.MISSING),
        ({"n": "run", "v": 1}, Reason.NOT_A_BOOLEAN),
        ({"n": "other", "v": 1}, Reason.MISSING),
    ],
)
def test_records_that_say_nothing_usable_are_refused(record: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(Refused) as refused:
        read({"bn": "urn:dev:mac:0a:"}, record)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("value", "said", "wanted", "result"),
    [
        (5, "kWh", "J", 18e6),
        (5, "Wh", "kWh", 0.005),
        (36, "km/h", "m/s", 10),
        (0, "dBm", "dBW", -30),
        (0, "dBW", "dBm", 30),
        (50, "/100", "/", 0.5),
        (7, "Cel", "Cel", 7),
    ],
)
def test_units_are_converted_as_rfc_8798_says(value: float, said: str, wanted: str, result: float) -> None:
    assert converted(value, said=said, wanted=wanted) == pytest.approx(result)


LABELS = st.sampled_from(
    ["bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut", "x", "x_"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("urn:dev:mac:a:temp")


@given(st.lists(st.dictionaries(LABELS, SCALARS, max_size=6), max_size=6))
def test_no_pack_raises_anything_but_a_refusal(pack: list[dict[str, Any]]) -> None:
    try:
        decoded = read(*pack)
    except Refused:
        return
    assert all(each.readings and 0 <= each.event_ns < 2**63 for each in decoded.observations)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"n": st.sampled_from(["temp", "power"]), "v": st.floats(-50, 50), "t": st.integers(-100, 0)}
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_pack_and_its_resolved_form_say_the_same(pack: list[dict[str, Any]]) -> None:
    bare = [{"n": f"urn:dev:mac:0a:{each['n']}", "v": each["v"], "t": 1.6e9 + each["t"]} for each in pack]
    assert read({"bn": "urn:dev:mac:0a:", "bt": 1.6e9}, *pack) == read(*bare)
