"""However often it crashes, and wherever: the same requests, the same books."""

import sqlite3
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from edgeglm_agent.pipeline.dup_tail import TAIL_ENTRIES
from edgeglm_agent.spool.entry import Connected, Entry
from edgeglm_api.sensor_graph import Question, When
from tests.edge.bundles import a_bundle, a_graph

from .machine import BROKER, Crash, Machine, assert_crashes_change_nothing, crashes
from .observations import a_message


def a_stream(seconds: int) -> list[Entry]:
    stream: list[Entry] = [Connected(100 * 10**9, BROKER, 1, resumed=False)]
    for second in range(seconds):
        rms = 12.0 if second % 4 == 1 else 2.0 + second % 3 / 10
        stream += [
            a_message(rms, at=100.0 + second, packet_id=2 * second + 1),
            a_message(2.0, at=100.0 + second, machine="m2", packet_id=2 * second + 2),
        ]
    return stream


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crashes(entries=30, most=12))
def test_crashes_anywhere_give_the_same_requests_and_books(
    tmp_path_factory: pytest.TempPathFactory, faults: list[Crash]
) -> None:
    assert assert_crashes_change_nothing(tmp_path_factory, a_bundle(), a_stream(40), faults)


def test_redelivered_packets_count_once_even_when_the_crash_was_before_the_checkpoint(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    stream = a_stream(5)
    machine.hear(*stream)
    machine.crash()
    again = [
        msgspec.structs.replace(entry, dup=True, connection=2) for entry in stream if not isinstance(entry, Connected)
    ]
    machine.hear(Connected(106 * 10**9, BROKER, 2, resumed=True), *again[-4:])
    machine.fold_all()
    counts = machine.books()
    assert counts[machine.bundle.graphs[0].uid, "vibration", "duplicate"] == 4
    assert counts[machine.bundle.graphs[0].uid, "vibration", "received"] == 14


def test_a_full_disk_at_the_commit_repeats_the_commit_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path)
    machine.hear(*a_stream(10))
    with monkeypatch.context() as patch:
        patch.setattr("edgeglm_agent.pipeline.pipeline.insert_requests", _full)
        with pytest.raises(sqlite3.OperationalError):
            machine.pipeline.step()
    machine.fold_all()
    steady = Machine(tmp_path / "steady")
    steady.hear(*a_stream(10))
    steady.fold_all()
    assert machine.requests() == steady.requests()
    assert machine.books() == steady.books()


def _full(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_damage_to_the_log_is_counted_as_lost(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    for entry in a_stream(4):
        machine.hear(entry)
    machine.ledger.close()
    machine.raw_log.close()
    (segment,) = (tmp_path / "raw").glob("*.log")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    machine._boot()
    machine.fold_all()
    assert machine.books()["", "", "lost"] == 1


def test_quiet_windows_are_counted_and_told_once_a_heartbeat(tmp_path: Path) -> None:
    rules = a_graph(question=Question(when=When(detectors=("Limit",), heartbeat_seconds=10)))
    machine = Machine(tmp_path, a_bundle(rules))
    machine.hear(*(a_message(2.0, at=100.0 + second) for second in range(25)))
    machine.fold_all()
    assert machine.requests() == {}
    answers = machine.answers()
    assert [answer["status"] for answer in answers] == ["Normal", "Normal"]
    assert answers[0]["windows"] == [{"start": "1970-01-01T00:01:40Z", "end": "1970-01-01T00:01:50Z"}]
    counts = machine.books()
    assert counts[rules.uid, "", "windows.quiet"] + counts[rules.uid, "", "windows.tell"] == 23


def test_without_when_every_window_asks(tmp_path: Path) -> None:
    machine = Machine(tmp_path, a_bundle(a_graph(question=Question())))
    machine.hear(*(a_message(2.0, at=100.0 + second) for second in range(6)))
    machine.fold_all()
    assert len(machine.requests()) == 4


def test_the_log_is_released_behind_the_checkpoint(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    for begin in range(0, TAIL_ENTRIES + 5000, 500):
        machine.hear(*(a_message(2.0, at=100.0 + (begin + at) / 1000) for at in range(500)))
    machine.fold_all()
    machine.pipeline.checkpoint()
    kept = machine.raw_log.segments()
    assert kept[0].first > 1
    assert kept[0].first <= 5001, "what a broker may send again is recognised after a restart"


@pytest.mark.parametrize("killed", [False, True])
def test_a_broker_that_sends_tens_of_thousands_again_is_counted_once(tmp_path: Path, killed: bool) -> None:  # noqa: FBT001
    """Seen with Mosquitto 2.0.11: a client is killed, and the acknowledgements that were not read yet are forgotten."""
    machine, again = Machine(tmp_path), 45_000
    sent = [
        msgspec.structs.replace(a_message(2.0, at=100.0 + at / 5000), packet_id=1 + at, connection=1)
        for at in range(again)
    ]
    for begin in range(0, again, 500):
        machine.hear(*sent[begin : begin + 500])
    machine.fold_all()
    if killed:
        machine.pipeline.checkpoint()
        machine.crash()
    machine.hear(Connected(0, BROKER, 2, resumed=True))
    for begin in range(0, again, 500):
        machine.hear(*(msgspec.structs.replace(each, connection=2, dup=True) for each in sent[begin : begin + 500]))
    new = msgspec.structs.replace(a_message(2.0, at=110.0), packet_id=again + 1, connection=2, dup=True)
    machine.hear(new)
    machine.fold_all()
    books = machine.books()
    assert [n for (*_, entry), n in books.items() if entry == "duplicate"] == [again]
    assert [n for (*_, entry), n in books.items() if entry == "received"] == [2 * again + 1]


def test_an_unusual_mean_is_evidence_once_the_baseline_is_warm_and_does_not_become_usual(tmp_path: Path) -> None:
    rules = a_graph(question=Question(when=When(detectors=("ZScore",))))
    machine = Machine(tmp_path, a_bundle(rules))
    machine.hear(*(a_message(2.0 + second % 3 / 10, at=100.0 + second) for second in range(20)))
    machine.hear(*(a_message(4.0, at=120.0 + second) for second in range(30)))
    machine.fold_all()
    assert len(machine.requests()) == 28, "all windows after the change but those still open"


def test_what_a_power_cut_took_from_the_log_is_not_lost_when_it_was_folded(tmp_path: Path) -> None:
    """Under `sync: Normal` the checkpoint may be ahead of the log."""
    machine = Machine(tmp_path)
    for entry in a_stream(10):
        machine.hear(entry)
    machine.fold_all()
    machine.pipeline.checkpoint()
    machine.ledger.close()
    machine.raw_log.close()
    last = max((tmp_path / "raw").glob("*.log"))
    last.write_bytes(last.read_bytes()[:200])
    machine._boot()
    machine.hear(a_message(at=120.0))
    machine.fold_all()
    assert ("", "", "lost") not in machine.books()
    assert machine.books()[machine.bundle.graphs[0].uid, "vibration", "received"] == 21


def test_many_windows_at_once_are_committed_a_few_at_a_time_and_a_crash_in_between_changes_nothing(
    tmp_path: Path,
) -> None:
    steady = Machine(tmp_path / "steady", a_bundle(a_graph(question=Question())))
    shaken = Machine(tmp_path / "shaken", a_bundle(a_graph(question=Question())))
    for machine in (steady, shaken):
        machine.hear(*(a_message(2.0, at=100.0 + second, packet_id=second + 1) for second in range(500)))
    assert shaken.pipeline.step().requests == 128
    shaken.crash()
    for machine in (steady, shaken):
        machine.fold_all()
    assert shaken.requests() == steady.requests()
    assert len(steady.requests()) == 498
    assert shaken.books() == steady.books()


def test_a_step_ends_after_a_while_however_much_there_is_to_fold(tmp_path: Path) -> None:
    """On a busy machine two thousand entries take seconds, and whoever asks for the status waits so long."""
    machine = Machine(tmp_path)
    for entry in a_stream(6):
        machine.hear(entry)
    machine.pipeline._clock = count(0, 10**9).__next__
    steps = [machine.pipeline.step().folded for _ in range(13)]
    assert steps == [1] * 13
    machine.books()


@pytest.mark.parametrize("tail", range(1, 40, 3))
def test_a_restart_that_recalls_from_the_middle_of_a_group_on_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tail: int
) -> None:
    """The tail begins anywhere, and the log may have rolled on since: what lay between was once passed over."""
    monkeypatch.setattr("edgeglm_agent.pipeline.pipeline.TAIL_ENTRIES", tail)
    machine, stream = Machine(tmp_path), a_stream(40)
    for number, begin in enumerate(range(0, len(stream), 9)):
        if number == 3:
            machine.fold_all()
            machine.pipeline.checkpoint()
        group = stream[begin : begin + 9]
        for part in (group[:7], group[7:8], group[8:]):  # a large group, and two small ones
            machine.hear(*part)
    assert len(machine.raw_log.segments()) > 1

    machine.crash()
    machine.fold_all()

    steady = Machine(tmp_path / "steady")
    steady.hear(*stream)
    steady.fold_all()
    assert machine.requests() == steady.requests()
    assert machine.books() == steady.books()
