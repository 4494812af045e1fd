"""A clock that does not jump, and who decides whether a jump is followed."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeglm_agent.clock import JUMP_SECONDS, SteadyClock
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.pipeline import graph_fold
from edgeglm_agent.pipeline.fold import Fold
from edgeglm_agent.pipeline.judge import Site
from edgeglm_agent.pipeline.pipeline import Pipeline
from edgeglm_agent.spool.checkpoints import Snapshot
from edgeglm_agent.spool.entry import ClockSet, Entry
from edgeglm_agent.spool.spool import Spool
from edgeglm_agent.timekeeper import PATIENCE_SECONDS, Timekeeper, Verdict, verdict
from edgeglm_api.sensor_graph import SourceLimits
from tests.edge.bundles import GRAPH_UID, SITE_UID, a_bundle, a_graph, a_source
from tests.unit.agent.observations import a_message

HOUR = 3600 * NANOS_PER_SECOND
START = 1_700_000_000 * NANOS_PER_SECOND


class Machine:
    """Its clocks."""

    def __init__(self) -> None:
        self.wall_ns = START
        self.passed_ns = 5 * NANOS_PER_SECOND
        self.clock = SteadyClock(lambda: self.wall_ns, lambda: self.passed_ns)

    def let_pass(self, nanos: int) -> None:
        self.wall_ns += nanos
        self.passed_ns += nanos


def test_a_little_is_followed_and_a_jump_is_not() -> None:
    machine = Machine()
    machine.let_pass(NANOS_PER_SECOND)
    machine.wall_ns += JUMP_SECONDS * NANOS_PER_SECOND - 1
    assert (machine.clock(), machine.clock.jump_ns) == (machine.wall_ns, 0)

    right_ns = machine.wall_ns
    machine.wall_ns -= HOUR
    machine.let_pass(NANOS_PER_SECOND)
    assert (machine.clock(), machine.clock.jump_ns) == (right_ns + NANOS_PER_SECOND, -HOUR)

    machine.wall_ns += HOUR
    assert (machine.clock(), machine.clock.jump_ns) == (machine.wall_ns, 0)


def test_a_jump_is_followed_when_somebody_says_so() -> None:
    machine = Machine()
    machine.wall_ns += HOUR
    machine.clock.follow()
    assert (machine.clock(), machine.clock.jump_ns) == (START + HOUR, 0)


@pytest.mark.parametrize("jump_ns", [HOUR, -HOUR])
@pytest.mark.parametrize(
    ("leads", "said"),
    [
        ([], Verdict.SILENT),
        ([-1, -50, 2], Verdict.KEEP),
        (["jump", "jump", -1], Verdict.FOLLOW),
        (["jump", -1], Verdict.SILENT),
        (["jump", -1, -2], Verdict.KEEP),
    ],
    ids=["nobody", "as before", "as the machine says", "undecided", "one clock is fast, or one gateway sends old news"],
)
def test_most_series_decide(leads: list[Any], said: Verdict, jump_ns: int) -> None:
    assert verdict([jump_ns if lead == "jump" else lead * NANOS_PER_SECOND for lead in leads], jump_ns) is said


class Keeping:
    """A timekeeper whose witnesses say what the test lets them say."""

    def __init__(self, folder: Path) -> None:
        self.machine = Machine()
        self.leads: list[int] = []
        self.spool = Spool(folder)
        site = Site(name="edge-1", uid=SITE_UID, revision=0)
        self._pipeline = Pipeline(self.spool.ledger, self.spool.raw_log, site, self.machine.clock)
        self._pipeline.apply(a_bundle())
        self._pipeline.leads_ns = lambda since_ns: self.leads  # type: ignore[method-assign]  # noqa: ARG005
        self.keeper = Timekeeper(self.machine.clock, self.spool, self._pipeline, lambda: True)

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.machine.let_pass(NANOS_PER_SECOND)
            await self.keeper.look()

    def written(self) -> list[Entry]:
        handed = self.spool.handoff.take(most=10, linger_seconds=0, wait_seconds=0)
        return [entry for each in handed for entry in each.entries]


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    made = Keeping(tmp_path)
    yield made
    made.spool.ledger.close()


@pytest.mark.parametrize("jump_ns", [HOUR, -HOUR])
async def test_a_jump_that_readings_bear_out_is_followed_and_written_down(keeping: Keeping, jump_ns: int) -> None:
    await keeping.look()
    keeping.machine.wall_ns += jump_ns
    keeping.leads = [jump_ns]
    await keeping.look()

    assert keeping.machine.clock() == keeping.machine.wall_ns
    assert keeping.written() == [ClockSet(keeping.machine.wall_ns)]


async def test_a_jump_that_they_do_not_bear_out_never_is_though_they_fall_silent(keeping: Keeping) -> None:
    keeping.machine.wall_ns += HOUR
    keeping.leads = [-NANOS_PER_SECOND]
    await keeping.look()
    keeping.leads = []
    await keeping.look(2 * PATIENCE_SECONDS)

    assert keeping.machine.clock.jump_ns == HOUR
    assert keeping.written() == []


async def test_where_nobody_knows_the_machine_is_believed_after_a_while(keeping: Keeping) -> None:
    keeping.machine.wall_ns += HOUR
    await keeping.look(PATIENCE_SECONDS)
    assert keeping.machine.clock.jump_ns == HOUR
    await keeping.look(2)
    assert keeping.machine.clock.jump_ns == 0


@pytest.mark.parametrize("jump_ns", [HOUR, -HOUR])
async def test_a_full_hand_off_is_told_later(keeping: Keeping, jump_ns: int) -> None:
    keeping.machine.wall_ns += jump_ns
    keeping.leads = [jump_ns]
    put, keeping.spool.handoff.put = keeping.spool.handoff.put, lambda *_, **__: False  # type: ignore[method-assign]
    await keeping.look(2)
    assert keeping.written() == []
    keeping.spool.handoff.put = put  # type: ignore[method-assign]
    await keeping.look()
    assert keeping.written() == [ClockSet(keeping.machine.wall_ns)]
    assert keeping.machine.clock() == keeping.machine.wall_ns


async def test_it_is_told_once_what_the_matter_is(keeping: Keeping, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    keeping.machine.wall_ns -= HOUR
    keeping.leads = [-NANOS_PER_SECOND]
    await keeping.look(5)
    keeping.machine.wall_ns += HOUR
    await keeping.look(5)
    assert [record.message for record in caplog.records] == [
        "the machine's clock has jumped by -3600 s; the readings will say",
        "the readings do not bear it out: time goes on as before",
        "the machine's clock is back",
    ]


def test_who_is_not_believed_bears_witness_as_well_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that started in another year believes nobody: without them nobody could tell that its clock is right."""
    monkeypatch.setattr(graph_fold, "MAX_WITNESSES", 2)
    fold = Fold(Snapshot(1, b"", {}, {}))
    fold.apply(a_bundle())
    for number in range(3):
        fold.take(number + 1, a_message(at=5000.0 + number, arrived=1000.0 + number, machine=f"m{number}"))

    assert fold.leads_ns(0) == [4000 * NANOS_PER_SECOND] * 2
    assert fold.leads_ns(1002 * NANOS_PER_SECOND) == [4000 * NANOS_PER_SECOND]
    assert not fold.graphs[GRAPH_UID].partitions


@pytest.mark.parametrize("ahead", [30.0, 4000.0], ids=["heard", "refused"])
def test_a_publisher_that_invents_names_has_no_more_voices_than_its_source_may_have_entities(ahead: float) -> None:
    fold = Fold(Snapshot(1, b"", {}, {}))
    honest = a_source(name="honest", topic="honest/{line}/{machine}")
    fold.apply(a_bundle(a_graph(sources=(a_source(limits=SourceLimits(entities=3)), honest))))
    body = {"ts": 999.0, "rms": 2.0}
    for number in range(4):
        sound = a_message(at=999.0, arrived=1000.0, topic=f"honest/l1/m{number}", payload=msgspec.json.encode(body))
        fold.take(number + 1, sound)
    for number in range(50):
        fold.take(number + 10, a_message(at=1000.0 + ahead, arrived=1000.0, machine=f"invented-{number}"))
    for number in range(50):
        fold.take(number + 70, a_message(at=9000.0, arrived=1000.0, machine=f"also-{number}"))

    leads = fold.leads_ns(0)
    assert leads.count(-NANOS_PER_SECOND) == 4
    assert len(leads) == 7
    assert verdict(leads, 4000 * NANOS_PER_SECOND) is Verdict.KEEP


def test_whoever_is_heard_and_was_refused_has_one_voice() -> None:
    fold = Fold(Snapshot(1, b"", {}, {}))
    fold.apply(a_bundle())
    fold.take(1, a_message(at=5000.0, arrived=1000.0))
    fold.take(2, a_message(at=1000.5, arrived=1001.0))
    assert fold.leads_ns(0) == [-NANOS_PER_SECOND // 2]


def test_whoever_was_not_believed_by_the_clock_before_says_nothing_of_the_next() -> None:
    """Refused by a clock that was a year ahead, they would have borne witness for a year."""
    fold = Fold(Snapshot(1, b"", {}, {}))
    fold.apply(a_bundle())
    year = 365 * 86_400.0
    fold.take(1, a_message(at=5000.0, arrived=5000.0 + year))
    now_ns = 5001 * NANOS_PER_SECOND
    fold.take(2, ClockSet(now_ns))
    assert fold.leads_ns(now_ns - 60 * NANOS_PER_SECOND) == []
