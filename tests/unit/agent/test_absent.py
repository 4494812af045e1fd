"""A stream that invents names: what the agent remembers stays within one bound, and who is known is served as ever."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeglm_agent.graph import absent
from edgeglm_agent.graph.baseline import MEMORY_WINDOWS
from edgeglm_agent.graph.partition import Partition
from edgeglm_agent.pipeline.fold import Fold
from edgeglm_agent.spool.checkpoints import Snapshot
from edgeglm_agent.spool.entry import Connected, Entry, Message
from edgeglm_api.sensor_graph import Measurement, SourceLimits, Topology, TopologyNode
from tests.edge.bundles import GRAPH_UID, a_bundle, a_graph, a_source
from tests.unit.agent.machine import BROKER, Crash, Machine, assert_crashes_change_nothing, crashes
from tests.unit.agent.observations import SECOND, a_message

LINES = 5
KNOWN = [f"m{number}" for number in range(3)]
MOST = 40


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absent, "MAX_ABSENT", MOST)


def a_flood(seconds: int, *, invented: int = 4) -> Iterator[Message]:
    """Each second the known machines of each line speak, and after the first some with names that are new."""
    names = iter(range(10**9))
    for second in range(seconds):
        for line in range(LINES):
            for machine in [*KNOWN, *(f"x{next(names)}" for _ in range(invented if second else 0))]:
                yield a_message(2.0 + second % 2, at=1000.0 + second, machine=machine, line=f"l{line}")


def remembered(partitions: Sequence[Partition]) -> int:
    """How many objects there are of what is known of entities."""
    return sum(
        len(known)
        for each in partitions
        for known in (each.known, each.baselines, each.in_states, each.tracks.series, each.holders, each.counters)
    )


def test_memory_is_flat_under_a_flood_of_names_and_who_is_known_goes_on_being_served(tmp_path: Path) -> None:
    machine = Machine(tmp_path, a_bundle())
    stream, looks = list(a_flood(240)), []
    for quarter in range(4):
        part = stream[quarter * len(stream) // 4 : (quarter + 1) * len(stream) // 4]
        machine.now = part[-1].arrived_ns
        machine.hear(*part)
        machine.fold_all()
        looks.append(remembered(list(machine.pipeline.fold.graphs[GRAPH_UID].partitions.values())))

    # Both bounds: of those that are heard in the idle timeout, and of those that are not; each has three entries.
    assert max(looks) <= 3 * (MOST + LINES * 200)
    assert max(looks[1:]) - min(looks[1:]) <= 3 * MOST
    for partition in machine.pipeline.fold.graphs[GRAPH_UID].partitions.values():
        name = next(iter(partition.known)).split("/")[0]
        assert [partition.baselines[f"{name}/{each}"]["rms"].windows for each in KNOWN] == [MEMORY_WINDOWS] * 3
    books = machine.books()
    assert books[GRAPH_UID, "", "forgotten.entities"] > 3000
    assert books[GRAPH_UID, "vibration", "received"] == len(stream)
    assert not [entry for _, _, entry in books if entry.startswith("dead")]


def test_what_is_beyond_the_limit_of_those_heard_is_refused_and_the_known_are_not(tmp_path: Path) -> None:
    limited = a_source(limits=SourceLimits(entities=LINES * len(KNOWN) + 1))
    machine = Machine(tmp_path, a_bundle(a_graph(sources=(limited,))))
    stream = list(a_flood(30))
    machine.now = stream[-1].arrived_ns
    machine.hear(*stream)
    machine.fold_all()
    books = machine.books()
    assert books[GRAPH_UID, "vibration", "dead.series_limit"] > 100
    for partition in machine.pipeline.fold.graphs[GRAPH_UID].partitions.values():
        assert len(set(partition.baselines) & {f"l{line}/{each}" for line in range(LINES) for each in KNOWN}) == 3


def test_who_is_named_by_the_topology_is_never_forgotten(tmp_path: Path) -> None:
    topology = Topology(nodes=(TopologyNode(id="l0/old", type="Machine"),))
    machine = Machine(tmp_path, a_bundle(a_graph(topology=topology)))
    machine.hear(a_message(at=990.0, machine="old", line="l0"), a_message(at=990.0, machine="other", line="l0"))
    stream = list(a_flood(60))
    machine.now = stream[-1].arrived_ns
    machine.hear(*stream)
    machine.fold_all()
    known = machine.pipeline.fold.graphs[GRAPH_UID].partitions["l0"].known
    assert "l0/old" in known
    assert "l0/other" not in known


def test_nothing_is_left_of_who_is_forgotten(tmp_path: Path) -> None:
    """Of all that is kept: so what is added to it must be forgotten as well."""
    counting = Measurement(property="turns", path="$.rms", type="Counter")
    source = a_source(expect_every_seconds=2)
    counted = msgspec.structs.replace(source, measurements=(*source.measurements, counting))
    machine = Machine(tmp_path, a_bundle(a_graph(sources=(counted,))))
    machine.hear(*(a_message(12.0, at=1000.0 + second, machine=name) for second in range(9) for name in ("m1", "gone")))
    machine.hear(*(a_message(12.0, at=1009.0 + second, machine="m1") for second in range(60)))
    machine.now = 1070 * SECOND
    machine.fold_all()
    partition = machine.pipeline.fold.graphs[GRAPH_UID].partitions["l1"]
    assert b"l1/gone" in msgspec.json.encode(partition)
    partition.forget({"l1/gone"})
    assert b"l1/gone" not in msgspec.json.encode(partition)
    assert b"l1/m1" in msgspec.json.encode(partition)


def test_a_state_of_a_release_that_did_not_note_whom_it_knows_is_bounded_as_well(tmp_path: Path) -> None:
    machine = Machine(tmp_path, a_bundle())
    stream = list(a_flood(20, invented=1))
    machine.now = stream[-1].arrived_ns
    machine.hear(*stream)
    machine.fold_all()
    partition = machine.pipeline.fold.graphs[GRAPH_UID].partitions["l0"]
    before = msgspec.json.encode(msgspec.structs.replace(partition, known={}))
    eras = msgspec.json.encode(tuple(era.state for era in machine.pipeline.fold.graphs[GRAPH_UID].eras))
    again = Fold(Snapshot(1, b"", {(GRAPH_UID, ""): eras, (GRAPH_UID, "l0"): before}, {}))
    known = again.graphs[GRAPH_UID].partitions["l0"].known
    assert known.keys() == partition.baselines.keys()


STREAMS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 9), st.integers(0, 60)).map(
        lambda drawn: (drawn[0] / 2, f"m{drawn[1]}", drawn[2] / 10)
    ),
    max_size=60,
)


@settings(max_examples=20, deadline=None)
@given(stream=STREAMS, faults=crashes(entries=20, most=3))
def test_who_is_forgotten_does_not_depend_on_crashes(
    tmp_path_factory: pytest.TempPathFactory, stream: list[tuple[float, str, float]], faults: list[Crash]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(absent, "MAX_ABSENT", 2)
        assert_crashes_change_nothing(tmp_path_factory, a_bundle(), as_entries(stream), faults)


def as_entries(stream: list[tuple[float, str, float]]) -> list[Entry]:
    arrived, entries = 1000.0, list[Entry]([Connected(1000 * SECOND, BROKER, 1, resumed=False)])
    for number, (at, machine, value) in enumerate(stream, start=1):
        arrived = max(arrived, 1000.0 + at)
        entries.append(a_message(value, at=1000.0 + at, arrived=arrived, machine=machine, packet_id=number))
    return entries
