"""Operating states: what is usual while a machine runs is learned and judged apart from when it stands still."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from edgeglm_agent.config.source_rules import problems_of_source
from edgeglm_agent.graph.baseline import Baseline
from edgeglm_agent.graph.operating import MAX_OPERATING, InStates, operating_in, put_back, usual_in
from edgeglm_agent.graph.state import Held, Said
from edgeglm_agent.spool.entry import Connected, Entry, Message
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Measurement, Question, When, Window
from tests.edge.bundles import a_bundle, a_graph, a_source

from .machine import BROKER, Crash, Machine, assert_crashes_change_nothing, crashes
from .observations import SECOND, a_message
from .test_states import a_mode, a_state_source

MODE = frozenset({"mode"})


def a_state(**changes: Any) -> Any:
    measurement = Measurement(property="mode", path="$.mode", type="Enum", operating_state=True)
    return a_state_source(measurements=(measurement,), **changes)


def a_graph_with_modes(**changes: Any) -> Graph:
    question = Question(task="Anomaly", when=When(detectors=("ZScore",)))
    return a_graph(**{"sources": (a_source(), a_state()), "question": question} | changes)


def shifts(*levels: tuple[str, float], windows: int) -> list[Message]:
    """One reading a second; a word at the begin of each shift, which lasts so many windows."""
    said: list[Message] = []
    for shift, (word, level) in enumerate(levels):
        start = 100.0 + shift * windows
        said.append(a_mode(word, at=start))
        said += [a_message(level + second % 2 / 10, at=start + second) for second in range(windows)]
    return said


def asked_about(tmp_path: Any, graph: Graph, *messages: Message) -> list[int]:
    """The second at which each window begins that asked."""
    machine = Machine(tmp_path, a_bundle(graphs=(graph,)))
    machine.hear(Connected(1, BROKER, 1, resumed=False), *messages)
    machine.fold_all()
    rows = machine.ledger.db.execute("SELECT start_ns FROM request ORDER BY start_ns").fetchall()
    return [start_ns // SECOND for (start_ns,) in rows]


def test_a_machine_that_starts_and_stops_is_no_anomaly_and_one_that_idles_fast_is(tmp_path: Any) -> None:
    day = shifts(("STOP", 0.1), ("RUN", 5.0), ("STOP", 0.1), ("RUN", 5.0), ("STOP", 5.0), windows=15)
    assert asked_about(tmp_path, a_graph_with_modes(), *day, a_message(at=999.0)) == list(range(161, 175))


def test_without_operating_states_each_start_is_one(tmp_path: Any) -> None:
    measurement = Measurement(property="mode", path="$.mode", type="Enum")
    graph = a_graph_with_modes(sources=(a_source(), a_state_source(measurements=(measurement,))))
    day = shifts(("STOP", 0.1), ("RUN", 5.0), windows=15)
    assert asked_about(tmp_path, graph, *day, a_message(at=999.0)) == list(range(115, 130))


def test_a_window_in_which_the_state_changes_is_of_none() -> None:
    changing = Held("RUN", 5, "STOP", (Said(5, "RUN"),))
    states = {"m1": {"mode": Held("RUN", 1, "RUN")}, "m2": {"mode": changing}, "m3": {"door": Held("OPEN", 1, "OPEN")}}
    assert operating_in(states, MODE) == {"m1": "RUN", "m2": None}
    assert operating_in(states, frozenset()) == {}


def test_several_operating_states_count_as_one() -> None:
    states = {"m1": {"speed": Held("FAST", 1, "FAST"), "mode": Held("RUN", 1, "RUN")}}
    (words,) = operating_in(states, MODE | {"speed"}).values()
    assert words is not None
    assert words.split("\x1f") == ["RUN", "FAST"]


def test_words_without_end_push_the_oldest_out() -> None:
    in_states: InStates = {}
    usual = {"m1": {"rms": Baseline(3, 1.0, 0.1)}, "m2": {"rms": Baseline(9, 2.0, 0.1)}}
    for number in range(MAX_OPERATING + 1):
        assert put_back({"m1": f"w{number}"}, usual, in_states) == {"m2": usual["m2"]}
    assert list(in_states["m1"]) == [f"w{number}" for number in range(1, MAX_OPERATING + 1)]
    assert usual_in({"m1": "w0", "m3": None}, usual, in_states) == {"m1": {}, "m2": usual["m2"], "m3": {}}
    assert usual_in({"m1": "w5"}, usual, in_states)["m1"] == usual["m1"]


@given(faults=crashes(entries=40, most=4))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_usual_survives_kills(tmp_path_factory: pytest.TempPathFactory, faults: list[Crash]) -> None:
    day = shifts(("STOP", 0.1), ("RUN", 5.0), ("STOP", 0.1), ("RUN", 9.0), windows=12)
    stream: list[Entry] = [Connected(1, BROKER, 1, resumed=False), *day, a_message(at=999.0)]
    bundle = a_bundle(graphs=(a_graph_with_modes(),))
    assert assert_crashes_change_nothing(tmp_path_factory, bundle, stream, faults)


def test_windows_that_are_open_to_late_readings_teach_in_their_own_state(tmp_path: Any) -> None:
    window = Window(size_seconds=1, allowed_lateness_seconds=0, late="Backfill", late_within_seconds=3)
    day = shifts(("STOP", 0.1), ("RUN", 5.0), ("STOP", 0.1), ("RUN", 5.0), ("STOP", 5.0), windows=20)
    graph = a_graph_with_modes(window=window)
    assert asked_about(tmp_path, graph, *day, a_message(at=999.0)) == list(range(181, 200))


def test_only_a_state_can_be_one() -> None:
    event = a_state(kind="Event")
    assert dict(problems_of_source(event)) == {
        "measurements[0].operatingState": "is for a State, which holds; this is Event"
    }
    assert not list(problems_of_source(a_state()))
