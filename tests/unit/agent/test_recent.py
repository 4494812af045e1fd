"""What is remembered for people who look on: the last window of each partition, and how its means moved; bounded."""

from math import isnan
from pathlib import Path

import msgspec
import pytest

from edgeglm_agent.pipeline import recent
from edgeglm_agent.pipeline.recent import Seen
from tests.edge.bundles import GRAPH_UID, a_bundle, a_graph

from .machine import Machine
from .observations import a_message


def heard(machine: Machine, *told: tuple[float, float], name: str = "m1", line: str = "l1") -> None:
    """Seconds and rms, and a reading later by which their windows are closed."""
    machine.hear(*(a_message(rms, at=at, machine=name, line=line) for at, rms in told))
    machine.hear(a_message(2.0, at=told[-1][0] + 4, machine="closes", line=line))
    machine.hear(a_message(2.0, at=told[-1][0] + 4, machine=name, line=line))
    machine.fold_all()


def seen(machine: Machine, line: str = "l1") -> Seen:
    return machine.pipeline.recent.seen[GRAPH_UID, line]


def test_nothing_is_seen_before_a_window_closes(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.hear(a_message(2.0, at=100.0))
    machine.fold_all()
    assert machine.pipeline.recent.seen == {}


def test_the_last_window_is_seen_whether_it_asks_or_not(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    heard(machine, (100.0, 2.0), (101.0, 3.0))
    assert (seen(machine).request.end_ns, seen(machine).judged.verdict) == (102 * 10**9, "quiet")
    assert list(seen(machine).means["l1/m1", "rms"]) == [2.0, 3.0]
    heard(machine, (110.0, 12.0))
    assert seen(machine).judged.verdict == "ask"
    assert seen(machine).troubled_ns == seen(machine).request.end_ns == 111 * 10**9


def test_a_window_in_which_a_series_was_not_heard_is_a_gap(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    heard(machine, (100.0, 2.0))
    heard(machine, (110.0, 5.0), name="m2")
    before, means = seen(machine).means["l1/m1", "rms"], seen(machine).means["l1/m2", "rms"]
    assert len(before) == len(means) == len(seen(machine).ends_ns)
    assert isnan(means[0])
    assert means[-1] == 5.0
    assert isnan(before[-1])


def test_windows_and_series_are_bounded_and_what_was_not_heard_for_long_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "MAX_WINDOWS", 3)
    monkeypatch.setattr(recent, "MAX_SERIES", 2)
    machine = Machine(tmp_path)
    heard(machine, (100.0, 2.0), name="gone")
    for second in (110.0, 120.0, 130.0):
        heard(machine, (second, 2.0))
    assert len(seen(machine).ends_ns) == 3
    assert set(seen(machine).means) == {("l1/closes", "rms"), ("l1/m1", "rms")}


def test_where_there_are_too_many_partitions_those_with_evidence_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "MAX_PARTITIONS", 2)
    machine = Machine(tmp_path)

    def lines() -> set[str]:
        return {name for _, name in machine.pipeline.recent.seen}

    heard(machine, (100.0, 2.0), line="quiet-1")
    heard(machine, (100.0, 2.0), line="quiet-2")
    heard(machine, (100.0, 2.0), line="quiet-3")
    assert lines() == {"quiet-1", "quiet-2"}
    heard(machine, (100.0, 12.0), line="ill-1")
    heard(machine, (102.0, 12.0), line="ill-2")
    assert lines() == {"ill-1", "ill-2"}
    heard(machine, (100.0, 12.0), line="ill-3")
    assert lines() == {"ill-1", "ill-2"}, "theirs is the later trouble"


def test_a_graph_that_goes_is_forgotten(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    heard(machine, (100.0, 2.0))
    machine.pipeline.apply(a_bundle(a_graph(name="other", uid="another"), generation=2))
    assert machine.pipeline.recent.seen == {}


def test_a_window_out_of_its_turn_says_nothing_about_now(tmp_path: Path) -> None:
    window = msgspec.structs.replace(a_graph().window, late="Revise", late_within_seconds=60)
    machine = Machine(tmp_path, a_bundle(a_graph(window=window)))
    heard(machine, (100.0, 2.0), (101.0, 2.0))
    last = seen(machine).request
    machine.hear(a_message(12.0, at=100.5, arrived=106.0))
    heard(machine, (101.1, 2.0))
    machine.fold_all()
    assert seen(machine).request.start_ns >= last.start_ns
    assert all(not remade.revision for remade in [seen(machine).request])
    assert 12.0 not in {mean for means in seen(machine).means.values() for mean in means}


def test_a_copy_stays_as_it_was(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    heard(machine, (100.0, 2.0))
    copy, before = seen(machine).as_it_is(), len(seen(machine).ends_ns)
    heard(machine, (110.0, 2.0), name="m2")
    assert {len(copy.ends_ns), *map(len, copy.means.values())} == {before}
