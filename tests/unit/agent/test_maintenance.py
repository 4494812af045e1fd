"""Maintenance: findings are noted and not told while people are at work, and told after it if they still are."""

from pathlib import Path

import pytest

from edgeglm_agent.findings.maintenance import MAX_SPANS, Maintenance, TooMany, begun, ended
from edgeglm_agent.findings.say import Beginning, Ending, Saying, begin, end, heed
from edgeglm_agent.spool.findings import all_findings
from edgeglm_agent.spool.maintenance import maintenance_spans
from tests.edge.bundles import GRAPH_UID

from .machine import Machine
from .observations import SECOND
from .test_findings import a_site, answer_all, findings_counted, hear, story


def a_span(number: int = 1, *, begins: float = 100, ends: float = 200, graph: str = "g") -> Maintenance:
    return Maintenance(f"s{number}", graph, round(begins * SECOND), round(ends * SECOND), "anna")


def at_work(machine: Machine, *, begins: float, ends: float, partition: str = "") -> Maintenance:
    beginning = Beginning("anna", partition=partition, seconds=round(ends - begins), from_ns=round(begins * SECOND))
    with machine.ledger.transaction() as db:
        return begin(db, beginning, GRAPH_UID, round(begins * SECOND))


def lived(folder: Path, *bad: int, begins: float = 110, ends: float = 130, partition: str = "") -> Machine:
    """Sixty windows of a second, some of them bad, with people at work for a while."""
    machine = a_site(folder)
    at_work(machine, begins=begins, ends=ends, partition=partition)
    for second in range(60):
        hear(machine, [second], bad=bad)
        answer_all(machine)
    return machine


def states(machine: Machine) -> list[str]:
    return [state for state, _ in story(machine)]


def test_what_comes_and_goes_meanwhile_is_counted_and_not_told(tmp_path: Path) -> None:
    machine = lived(tmp_path, 12, 13, 14)
    assert states(machine) == []
    counted = {"findings.maintenance": 1, "findings.opened": 1, "findings.cleared": 1, "findings.held": 3}
    assert findings_counted(machine) == counted
    assert all_findings(machine.ledger.db) == []


def test_what_outlasts_it_is_told_as_open_once_it_is_over(tmp_path: Path) -> None:
    machine = lived(tmp_path, *range(12, 35))
    assert states(machine) == ["Open", "Cleared"]


def test_what_was_told_before_and_ended_meanwhile_is_told_as_over_after_it(tmp_path: Path) -> None:
    machine = lived(tmp_path, 8, 9)
    assert states(machine) == ["Open", "Cleared"]
    *_, over = machine.answers()
    assert over["windows"] == [{"start": "1970-01-01T00:02:10Z", "end": "1970-01-01T00:02:11Z"}]


def test_what_ended_and_came_again_meanwhile_went_on_to_those_who_heard_nothing(tmp_path: Path) -> None:
    machine = lived(tmp_path, 8, 9, *range(20, 40))
    assert states(machine) == ["Open", "Cleared"]


def test_it_is_of_one_partition_if_that_is_said(tmp_path: Path) -> None:
    assert states(lived(tmp_path / "other", 12, partition="l2")) == ["Open", "Cleared"]
    assert states(lived(tmp_path / "mine", 12, partition="l1")) == []


def test_what_counts_is_the_time_of_the_window_however_late_the_answer_comes(tmp_path: Path) -> None:
    machine = a_site(tmp_path)
    at_work(machine, begins=110, ends=130)
    hear(machine, range(60), bad=[12, 13])
    machine.crash()
    answer_all(machine)
    assert states(machine) == []


def test_it_ends_when_somebody_says_so(tmp_path: Path) -> None:
    machine = a_site(tmp_path)
    span = at_work(machine, begins=110, ends=130)
    with machine.ledger.transaction() as db:
        assert end(db, Ending(span.id), 100 * SECOND, graph="another") is None
        assert end(db, Ending("unknown"), 100 * SECOND) is None
        assert end(db, Ending(span.id), 115 * SECOND) is not None
        assert end(db, Ending(span.id), 116 * SECOND) is None, "it is over already"
        (known,) = maintenance_spans(db)
    assert known.until_ns == 115 * SECOND
    machine.crash()
    assert maintenance_spans(machine.ledger.db) == [known]


def test_one_that_has_not_begun_is_taken_back() -> None:
    assert ended([a_span()], "s1", 50 * SECOND) == []


def test_there_are_only_so_many_and_those_that_are_over_go_first() -> None:
    spans = [a_span(number, ends=200 + number) for number in range(MAX_SPANS)]
    with pytest.raises(TooMany):
        begun(spans, a_span(MAX_SPANS), 150 * SECOND)
    after = begun(spans, a_span(MAX_SPANS), 300 * SECOND)
    assert [each.id for each in after] == [f"s{number}" for number in range(1, MAX_SPANS + 1)]


def test_a_word_may_be_bound_to_a_graph(tmp_path: Path) -> None:
    machine = a_site(tmp_path)
    hear(machine, range(8), bad=[3, 4, 5])
    answer_all(machine)
    (found,) = all_findings(machine.ledger.db)
    with machine.ledger.transaction() as db:
        assert heed(db, Saying(found.id, "Acknowledged", "anna"), 1, graph="another") is None
        assert heed(db, Saying(found.id, "Acknowledged", "anna"), 1, graph=GRAPH_UID) is not None
