"""Sparkplug B by what another library writes, by the specification, and by whatever hypothesis thinks of."""

import json
import random
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edgeglm_agent.config.rules import problems_of
from edgeglm_agent.config.source_rules import problems_of_source
from edgeglm_agent.decode.path import MAX_ITEMS
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.decode.sparkplug import MAX_NAME_CHARS, meant, parser
from edgeglm_agent.decode.sparkplug_topic import compile_sparkplug_topic
from edgeglm_agent.decode.sparkplug_wire import parse
from edgeglm_agent.decode.topic import BadTopic
from edgeglm_agent.graph.build import build
from edgeglm_agent.graph.detect import detect
from edgeglm_agent.graph.encode import encode_window
from edgeglm_agent.graph.sentence import sentence
from edgeglm_agent.mqtt.filters import non_overlapping
from edgeglm_agent.pipeline import births
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.graph_fold import GraphFold
from edgeglm_agent.reason.gate import disclosure_of
from edgeglm_agent.spool.entry import Entry, Message, Redriven
from edgeglm_api.bundle import Graph
from edgeglm_api.echo import echoes
from edgeglm_api.sensor_graph import DataPolicy, EntityRef, Measurement, Question, Source, SourceLimits, When
from tests.edge.bundles import a_bundle, a_graph
from tests.edge.sparkplug import FLOAT, Gateway, a_metric, a_payload

from .machine import BROKER, Crash, Machine, assert_crashes_change_nothing, crashes
from .observations import SECOND
from .test_graph_fold import a_fold, assert_balanced, counts

RECORDED = json.loads(Path(__file__).with_name("sparkplug.json").read_text())
BEGIN = 1_700_000_000
TOPIC = "spBv1.0/{group}/{message}/{node}/{device}"
PRESS = "gw-7/press-1"


def a_sparkplug_source(**changes: Any) -> Source:
    source = Source(
        name="presses",
        topic=TOPIC,
        format="SparkplugB",
        entity=EntityRef(type="Press", id="{node}/{device}"),
        measurements=(Measurement(property="temp", name="temp", min=-50.0, max=500.0),),
    )
    return msgspec.structs.replace(source, **changes)


def a_mode_source() -> Source:
    mode = Measurement(property="mode", name="mode", type="Enum")
    return a_sparkplug_source(name="modes", kind="State", measurements=(mode,))


def a_sparkplug_graph(*sources: Source, **changes: Any) -> Graph:
    return a_graph(sources=sources or (a_sparkplug_source(),), **changes)


def heard(said: tuple[str, bytes], at: float, **changes: Any) -> Message:
    topic, payload = said
    at_ns = round(at * SECOND)
    message = Message(at_ns, BROKER, 1, 0, dup=False, topic=topic, payload=payload, size=len(payload))
    return msgspec.structs.replace(message, **changes)


def feed(fold: GraphFold, *messages: Message) -> list[Closed]:
    sources = fold.eras[-1].readers
    return [closed for message in messages for source in sources for closed in fold.take(source, message)]


def the_recorded_session() -> list[Message]:
    return [
        heard((topic, bytes.fromhex(payload)), BEGIN + second)
        for second, (topic, payload) in enumerate(RECORDED["session"])
    ]


def meant_or_reason(value: Any, datatype: int) -> Any:
    try:
        return meant(value, datatype)
    except Refused as refused:
        return refused.reason


def words(closed: Closed, entity: str = PRESS) -> list[str]:
    """What was said of the connection by the end of a window, and within it."""
    held = closed.window.states[entity]["connection"]
    return [held.before, *(each.word for each in held.changes)]


# What another library writes.


def test_every_datatype_is_read_as_another_library_writes_it() -> None:
    payload = parse(bytes.fromhex(RECORDED["types"]))
    read = {each.name: None if each.value is None else meant(each.value, each.datatype) for each in payload.metrics}
    assert read == RECORDED["expected"]


def test_a_recorded_session_is_read_by_names_of_its_birth() -> None:
    measurements = tuple(Measurement(property=name, name=name) for name in ("temp", "rpm", "parts"))
    rules = a_sparkplug_graph(a_sparkplug_source(measurements=measurements), a_mode_source())
    fold = a_fold(rules)
    assert fold.tick((BEGIN - 1) * SECOND) == []
    closed = feed(fold, *the_recorded_session()) + fold.flush((BEGIN + 60) * SECOND)
    stats = {
        (name, each.window.start_ns // SECOND - BEGIN): (stat.n, stat.mean)
        for each in closed
        for name, stat in each.window.pane.stats.get(PRESS, {}).items()
    }
    assert stats == {
        ("temp", 0): (1, 60.5),
        ("rpm", 0): (1, -3.0),
        ("parts", 0): (1, 7.0),
        ("temp", 1): (1, 61.5),
        ("rpm", 2): (1, -2000.0),
    }
    modes = [each.window.states[PRESS]["mode"].word for each in closed if "mode" in each.window.states.get(PRESS, {})]
    assert (modes[0], modes[-1]) == ("RUN", "STOP")
    assert counts(fold)["missing"] == 1
    assert counts(fold)["refused_reading.missing"] == 1, "a null is no reading"
    assert counts(fold)["refused_reading.late"] == 1, "history is late"
    assert_balanced(fold)


# Births and deaths.


def test_a_death_of_the_node_is_stated_of_every_device_and_holds_until_it_is_born_again() -> None:
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    said = [gateway.born(), gateway.device_born("press-1", 60.0), gateway.device_born("press-2", 50.0), gateway.died()]
    closed = feed(fold, *(heard(each, 100.0 + second) for second, each in enumerate(said)))
    back = [gateway.born(), gateway.device_born("press-1", 61.0)]
    closed += feed(fold, *(heard(each, 108.0 + second) for second, each in enumerate(back)))
    closed += fold.flush(200 * SECOND)
    told = {each.window.start_ns // SECOND: words(each) for each in closed}
    assert told[103] == ["ONLINE", "OFFLINE"]
    assert told[109] == ["OFFLINE", "ONLINE"]
    assert {words(each, "gw-7/press-2")[-1] for each in closed if each.window.start_ns >= 103 * SECOND} == {"OFFLINE"}
    gone = next(each for each in closed if each.window.start_ns == 103 * SECOND)
    evidence = detect(gone.window, gone.partition.baselines, gone.era.surroundings.units)
    assert [(item.kind, item.node, item.property) for item in evidence] == [
        ("StateChange", PRESS, "connection"),
        ("StateChange", "gw-7/press-2", "connection"),
    ]
    assert sentence(evidence[0]).startswith("gw-7/press-1 connection changed from ONLINE to OFFLINE at ")
    graph = build(gone.window, gone.era.surroundings, {}, {}, evidence)
    assert f"{PRESS}: connection !! ONLINE, OFFLINE from +0 s" in encode_window(graph, gone.window.start_ns)
    assert_balanced(fold)


def test_a_device_that_dies_alone_takes_no_other_with_it() -> None:
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    said = [gateway.born(), gateway.device_born("press-1", 60.0), gateway.device_born("press-2", 50.0)]
    said += [gateway.device_died("press-1"), gateway.says("press-2", 51.0), gateway.says("press-1", 61.0)]
    closed = feed(fold, *(heard(each, 100.0 + second) for second, each in enumerate(said))) + fold.flush(200 * SECOND)
    last = closed[-1]
    assert (words(last)[-1], words(last, "gw-7/press-2")[-1]) == ("OFFLINE", "ONLINE")
    assert counts(fold)["dead.unborn"] == 1, "who is dead says nothing"


def test_the_will_of_an_earlier_session_kills_nobody() -> None:
    """The broker noticed late that the old connection is gone; the node is back already."""
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    said = [gateway.born(), gateway.born(), gateway.device_born("press-1", 60.0), gateway.died(session=1)]
    said += [gateway.says("press-1", 61.0)]
    closed = feed(fold, *(heard(each, 100.0 + second) for second, each in enumerate(said))) + fold.flush(200 * SECOND)
    assert {words(each)[-1] for each in closed if PRESS in each.window.states} == {"ONLINE"}
    assert "dead.unborn" not in counts(fold)


def test_births_and_deaths_at_one_moment_keep_their_order() -> None:
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    said = [gateway.born(), gateway.device_born("press-1", 60.0), gateway.died()]
    (closed,) = feed(fold, *(heard(each, 100.0) for each in said)) + fold.flush(200 * SECOND)
    assert words(closed) == ["ONLINE", "OFFLINE"]


def test_a_clock_that_is_set_back_between_birth_and_death_hides_no_death() -> None:
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    said = [gateway.born(), gateway.device_born("press-1", 60.0), gateway.died()]
    closed = feed(fold, *(heard(each, at) for each, at in zip(said, (4000.0, 4001.0, 400.0), strict=True)))
    assert words((closed + fold.flush(4010 * SECOND))[-1])[-1] == "OFFLINE"


def test_a_death_does_not_count_as_being_heard() -> None:
    """Who is to be heard every second is silent from its last word on, whatever its will says of it."""
    fold, gateway = a_fold(a_sparkplug_graph(a_sparkplug_source(expect_every_seconds=1))), Gateway()
    said = [gateway.born(), gateway.device_born("press-1", 60.0), gateway.died()]
    closed = feed(fold, *(heard(each, at) for each, at in zip(said, (100.0, 100.5, 105.0), strict=True)))
    closed += fold.flush(200 * SECOND)
    assert [each.last_ns / SECOND for each in closed[-1].window.silent] == [100.5]


def test_a_node_whose_clock_is_slow_loses_no_reading_by_being_born() -> None:
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    said = [gateway.born(), gateway.device_born("press-1", 60.0, timestamp=80_000)]
    said += [gateway.says("press-1", 61.0, timestamp=80_000 + at * 1000) for at in range(1, 5)]
    closed = feed(fold, *(heard(each, 100.0 + second) for second, each in enumerate(said))) + fold.flush(200 * SECOND)
    assert sum(each.window.pane.stats[PRESS]["temp"].n for each in closed if PRESS in each.window.pane.stats) == 5
    assert "late" not in counts(fold)


def test_metrics_of_a_node_itself_are_told_of_the_node() -> None:
    source = a_sparkplug_source(topic="spBv1.0/plant-a/{message}/{node}", entity=EntityRef(type="Gateway", id="{node}"))
    fold, gateway = a_fold(a_sparkplug_graph(source)), Gateway()
    load = a_metric(30.0, name="temp", alias=9, datatype=FLOAT)
    closed = feed(
        fold,
        heard(("spBv1.0/plant-a/NBIRTH/gw-7", a_payload(load, seq=0)), 100.0),
        heard(gateway.device_born("press-1", 60.0), 101.0),
        heard(gateway.died(), 102.0),
    )
    closed += fold.flush(200 * SECOND)
    assert {entity for each in closed for entity in each.window.pane.entities} == {"gw-7"}
    assert words(closed[-1], "gw-7") == ["ONLINE", "OFFLINE"]


# Aliases, sequence numbers, and what cannot be used.


def test_what_no_birth_defined_is_dead_with_its_reason_until_the_node_is_born_again() -> None:
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    feed(fold, heard(gateway.says("press-1", 60.0), 100.0))
    assert counts(fold)["dead.unborn"] == 1
    feed(fold, heard(gateway.born(), 101.0), heard(gateway.device_born("press-1", 60.0), 102.0))
    feed(fold, heard(gateway.says("press-1", 61.0), 103.0), heard(gateway.says("press-1", 1.0, alias=7), 104.0))
    assert counts(fold)["dead.unborn"] == 2
    assert_balanced(fold)


def test_a_letter_that_is_driven_again_after_a_birth_is_read_and_counts_no_gap(tmp_path: Path) -> None:
    bundle, gateway = a_bundle(a_sparkplug_graph()), Gateway()
    machine = Machine(tmp_path, bundle)
    early = heard(gateway.says("press-1", 60.0), 100.0)
    born = [heard(gateway.born(), 100.1), heard(gateway.device_born("press-1", 60.0), 100.2)]
    uid = bundle.graphs[0].uid
    machine.hear(early, *born, Redriven(101 * SECOND, 1, uid, "presses", early))
    machine.hear(heard(gateway.says("press-1", 61.0), 101.0))
    machine.fold_all()
    books = machine.books()
    assert (books[uid, "presses", "dead.unborn"], books[uid, "presses", "redriven"]) == (1, 1)
    assert (uid, "presses", "missing") not in books


def test_what_is_not_asked_for_is_passed_over_and_is_no_dead_letter() -> None:
    fold, gateway = a_fold(a_sparkplug_graph(a_sparkplug_source(topic=TOPIC.replace("{device}", "press-9")))), Gateway()
    said = [gateway.born(), gateway.device_born("press-1", 60.0), gateway.says("press-1", 1.0), gateway.says("x", 1.0)]
    assert feed(fold, *(heard(each, 100.0) for each in said)) == []
    assert counts(fold) == {"received": 4, "passed_over": 4}


def test_messages_that_never_came_are_counted_over_the_turn_of_the_numbers() -> None:
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    feed(fold, heard(gateway.born(), 100.0), heard(gateway.device_born("press-1", 60.0), 100.0))
    for number in range(300):
        if number in {7, 280}:
            gateway.loses_a_message()
        feed(fold, heard(gateway.says("press-1", 60.0), 100.0))
    assert counts(fold)["missing"] == 2


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ({"is_null": True}, "missing"),
        ({"float_value": float("nan")}, "not_finite"),
        ({"float_value": 1e6}, "out_of_range"),
        ({"float_value": 20.0, "is_historical": True}, "timestamp"),
        ({"float_value": 20.0, "timestamp": 1 << 62}, "timestamp"),
        ({"float_value": 20.0, "timestamp": 900_000}, "skew"),
        ({"float_value": 20.0, "properties": {"keys": ["Quality"], "values": [{"int_value": 500}]}}, "bad_quality"),
        ({"string_value": "warm"}, "not_sparkplug"),
    ],
)
def test_a_metric_that_cannot_be_used_is_dead_with_its_reason(metric: dict[str, Any], reason: str) -> None:
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    feed(fold, heard(gateway.born(), 100.0), heard(gateway.device_born("press-1", 60.0), 100.0))
    topic = "spBv1.0/plant-a/DDATA/gw-7/press-1"
    feed(fold, heard((topic, a_payload({"alias": 1, **metric}, seq=2)), 100.0))
    assert counts(fold)[f"dead.{reason}"] == 1
    assert_balanced(fold)


def test_good_quality_and_history_with_its_time_are_read() -> None:
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    good = {"keys": ["other", "Quality"], "values": [{"int_value": 1}, {"int_value": 192}]}
    feed(fold, heard(gateway.born(), 100.0), heard(gateway.device_born("press-1", 60.0), 100.0))
    feed(fold, heard(gateway.says("press-1", 61.0, properties=good, is_historical=True, timestamp=100_000), 100.0))
    assert not any(entry.startswith("dead.") for entry in counts(fold))


@pytest.mark.parametrize(
    ("value", "datatype", "expected"),
    [
        (255, 1, -1),  # as some write an Int8,
        (2**32 - 1, 1, -1),  # and others
        (2**64 - 1, 3, -1),
        (2**31, 4, 2**31),
        (2**64 - 1, 4, -1),
        (300, 5, Reason.OUT_OF_RANGE),
        (2**31, 1, Reason.OUT_OF_RANGE),
        (1.5, 3, Reason.NOT_SPARKPLUG),
        (True, 3, Reason.NOT_SPARKPLUG),
        (1_700_000_000_000, 13, 1_700_000_000_000),
        ("bytes", 17, None),
    ],
)
def test_bits_mean_what_their_datatype_says(value: Any, datatype: int, expected: Any) -> None:
    assert meant_or_reason(value, datatype) == expected


# Bounds.


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff" * 40, Reason.NOT_SPARKPLUG),
        (b'{"ts": 1}', Reason.NOT_SPARKPLUG),
        (b"\x12\x00" * (MAX_ITEMS + 1), Reason.TOO_MANY),
        (a_payload({"name": "x" * (MAX_NAME_CHARS + 1)}), Reason.NOT_SPARKPLUG),
        (a_payload({"name": "x", "int_value": 1, "float_value": 1.0}), Reason.NOT_SPARKPLUG),
        (b"\x12\x04\x0a\x02\xff\xfe", Reason.NOT_SPARKPLUG),  # a name that is no UTF-8,
        (b"\x12\x04\x7a\x02\xff\xfe", Reason.NOT_SPARKPLUG),  # and a value
    ],
)
def test_hostile_payloads_are_refused(payload: bytes, reason: Reason) -> None:
    with pytest.raises(Refused) as refused:
        parse(payload)
    assert refused.value.reason == reason


@given(
    at=st.integers(0, 200),
    cut=st.integers(0, 200),
    noise=st.binary(max_size=12),
    number=st.integers(0, len(RECORDED["session"]) - 1),
)
@example(at=0, cut=0, noise=b"", number=0)
@settings(max_examples=300, deadline=None)
def test_no_damage_to_a_payload_stops_the_fold_or_unbalances_the_books(
    at: int, cut: int, noise: bytes, number: int
) -> None:
    fold = a_fold(a_sparkplug_graph(a_sparkplug_source(), a_mode_source()))
    messages = the_recorded_session()
    payload = messages[number].payload
    broken = payload[:at] + noise + payload[at + cut :]
    messages.insert(number, msgspec.structs.replace(messages[number], payload=broken, size=len(broken)))
    feed(fold, *messages)
    assert_balanced(fold)
    assert not any("internal" in entry for entry in counts(fold))


def test_nodes_are_bounded_and_the_dead_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(births, "MAX_NODES", 3)
    fold = a_fold(a_sparkplug_graph())
    gateways = [Gateway(f"gw-{number}") for number in range(5)]
    feed(fold, *(heard(gateway.born(), 100.0) for gateway in gateways[:4]))
    assert counts(fold)["dead.series_limit"] == 1
    feed(fold, heard(gateways[1].died(), 101.0), heard(gateways[4].born(), 102.0))
    assert counts(fold)["dead.series_limit"] == 1
    assert set(fold.births.nodes["presses"]) == {"plant-a/gw-0", "plant-a/gw-2", "plant-a/gw-4"}


def test_metrics_that_are_defined_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(births, "MAX_METRICS", 3)
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    said = [gateway.born(), gateway.device_born("a", 1.0), gateway.device_born("b", 1.0), gateway.device_born("c", 1.0)]
    feed(fold, *(heard(each, 100.0) for each in [*said, gateway.device_born("a", 2.0)]))
    assert counts(fold)["dead.series_limit"] == 1, "c is one too many, and a again is not"


def test_what_is_born_is_heard_even_from_a_source_that_may_bring_no_more() -> None:
    limits = SourceLimits(readings_per_second=1)
    fold, gateway = a_fold(a_sparkplug_graph(a_sparkplug_source(limits=limits))), Gateway()
    said = [gateway.born(), gateway.device_born("press-1", 1.0), gateway.device_born("press-2", 1.0)]
    feed(fold, *(heard(each, 100.0) for each in said))
    assert counts(fold)["dropped"] == 1
    feed(fold, heard(gateway.says("press-2", 2.0), 101.0))
    assert "dead.unborn" not in counts(fold)


# What lasts.


def a_stream() -> list[Entry]:
    gateway, moments = Gateway(), random.Random(5)  # noqa: S311 - the same again
    said: list[tuple[str, bytes]] = []
    for _ in range(4):
        said += [gateway.born(), gateway.device_born("press-1", 60.0), gateway.device_born("press-2", 50.0)]
        for _ in range(8):
            said.append(gateway.says(moments.choice(("press-1", "press-2")), moments.uniform(40, 70)))
            if moments.random() < 0.2:
                gateway.loses_a_message()
        said.append(gateway.device_died("press-2") if moments.random() < 0.5 else gateway.died())
    return [heard(each, 100.0 + number / 2) for number, each in enumerate(said)]


@given(faults=crashes(entries=12, most=4))
@example(faults=[Crash(20, folds=True, checkpoints=True)])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_crash_forgets_an_alias_a_death_or_a_sequence_number(
    tmp_path_factory: pytest.TempPathFactory, faults: list[Crash]
) -> None:
    question = Question(when=When(detectors=("StateChange",)))
    bundle = a_bundle(a_sparkplug_graph(question=question))
    requests = assert_crashes_change_nothing(tmp_path_factory, bundle, a_stream(), faults)
    assert requests


def test_births_outlive_a_change_of_the_rules_and_go_with_their_source() -> None:
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    feed(fold, heard(gateway.born(), 100.0), heard(gateway.device_born("press-1", 60.0), 100.0))
    warmer = a_sparkplug_source(measurements=(Measurement(property="heat", name="temp"),))
    fold.cut_over(a_sparkplug_graph(warmer), 101 * SECOND)
    feed(fold, heard(gateway.says("press-1", 61.0), 105.0))
    assert "dead.unborn" not in counts(fold)
    fold.cut_over(a_graph(), 110 * SECOND)
    assert fold.births.nodes == {}


def test_whether_somebody_is_there_may_leave_the_site_under_a_pseudonym() -> None:
    fold, gateway = a_fold(a_sparkplug_graph()), Gateway()
    said = [gateway.born(), gateway.device_born("press-1", 60.0), gateway.died()]
    (closed,) = feed(fold, *(heard(each, 100.0) for each in said)) + fold.flush(200 * SECOND)
    graph = build(closed.window, closed.era.surroundings, {}, {}, ())
    rules = fold.rules
    masked = msgspec.structs.replace(rules.reasoning, data_policy=DataPolicy(cloud="Pseudonymised"))
    disclosure = disclosure_of(msgspec.structs.replace(rules, reasoning=masked), graph)
    assert disclosure.words == ("OFFLINE", "ONLINE")


# Rules.


def test_a_source_hears_its_nodes_and_no_commands() -> None:
    topic = compile_sparkplug_topic("spBv1.0/plant-a/{message}/{node}/{device}")
    assert topic.filters == (
        "spBv1.0/plant-a/NBIRTH/+",
        "spBv1.0/plant-a/NDATA/+",
        "spBv1.0/plant-a/NDEATH/+",
        "spBv1.0/plant-a/DBIRTH/+/+",
        "spBv1.0/plant-a/DDATA/+/+",
        "spBv1.0/plant-a/DDEATH/+/+",
    )
    assert non_overlapping(topic.filters) == frozenset(topic.filters)
    assert topic.match("spBv1.0/plant-a/NDEATH/gw-7") == {"message": "NDEATH", "node": "gw-7"}
    for other in ("NCMD/gw-7", "DCMD/gw-7/x", "NDATA/gw-7/x", "DDATA/gw-7", "NDATA", "NDATA/gw-7/x/y"):
        assert topic.match(f"spBv1.0/plant-a/{other}") is None


@pytest.mark.parametrize(
    "topic",
    ["plant/{a}/{b}", "spBv1.0/{g}/NDATA/{n}", "spBv1.0/{g}/{m}/{n}/{d}/x", "spBv1.0/{g}/#", "spBv1.0/{g}/{m}/+"],
)
def test_other_topics_are_no_sparkplug(topic: str) -> None:
    with pytest.raises(BadTopic, match="must be written like"):
        compile_sparkplug_topic(topic)


def test_a_source_says_what_it_lacks() -> None:
    assert list(problems_of_source(a_sparkplug_source())) == []
    by_path = a_sparkplug_source(measurements=(Measurement(property="x", path="$.x"),))
    reserved = a_sparkplug_source(measurements=(Measurement(property="connection", name="x"),))
    of_node = a_sparkplug_source(topic="spBv1.0/{group}/{message}/{node}")
    assert [field for field, _ in problems_of_source(by_path)] == ["measurements[0]"]
    assert [field for field, _ in problems_of_source(reserved)] == ["measurements[0].property"]
    assert [field for field, _ in problems_of_source(of_node)] == ["entity.id"]


def test_answers_on_the_nodes_own_topics_are_an_echo() -> None:
    source = a_sparkplug_source()
    assert echoes("spBv1.0/plant-a/NDATA/answers", "g", source)
    assert not echoes("insights/{graph}/{partition}", "g", source)


@pytest.fixture
def without_protobuf(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(sys.modules, "google.protobuf.descriptor_pb2", None)
    monkeypatch.delitem(sys.modules, "edgeglm_agent.decode.sparkplug_wire")
    parser.cache_clear()
    yield
    parser.cache_clear()


@pytest.mark.usefixtures("without_protobuf")
def test_without_the_extra_a_bundle_is_refused_and_a_message_dead_and_nothing_falls() -> None:
    (problem,) = problems_of(a_bundle(a_sparkplug_graph()))
    assert problem.field == "graphs[0].sources[0].format"
    assert "edgeglm[agent,sparkplug]" in problem.message
    fold = a_fold(a_sparkplug_graph())
    feed(fold, heard(Gateway().born(), 100.0))
    assert counts(fold)["dead.not_installed"] == 1
