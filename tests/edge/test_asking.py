"""Two hundred requests for an engine that can bear twenty-four at once, and that fails now and then.

`make bench-asking` is the same with thousands, and with the times of a real engine.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.in_turn import TURNS_A_ROUND
from edgeglm_agent.reason.known import Load
from edgeglm_agent.reason.request import Request
from edgeglm_api.answer import Answer
from edgeglm_api.sensor_graph import Priority
from tests.edge.asking_grade import Grade, grade
from tests.edge.asking_path import AskingPath, Patience, a_question, an_engine
from tests.edge.slot_engine import Asked, Shape, SlotEngineProcess
from tests.unit.agent.observations import SECOND

EACH: Final = 100
LATE: Final = 10
CEILING: Final = 64
SHAPE: Final = Shape(slots=8, queue=16, median_seconds=0.1, sigma=0.5, faults=0.12)
NOW: Final = 110 * SECOND
PATIENCE: Final = Patience(attempt_seconds=2, fresh_for_seconds=90)
ENOUGH_SECONDS: Final = 240.0


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SlotEngineProcess]:
    engine = SlotEngineProcess(SHAPE, tmp_path / "engine.log")
    yield engine
    engine.end()


def some(priority: Priority, number: int, *, end_ns: int = NOW) -> list[Request]:
    return [
        a_question(f"{priority}-{end_ns // SECOND}-{each:03}", end_ns=end_ns, priority=priority, patience=PATIENCE)
        for each in range(number)
    ]


async def ask_all(path: AskingPath, requests: list[Request]) -> tuple[list[Answer], Load]:
    """Ask until nothing waits."""
    path.start()
    try:
        await path.bring(requests)
        async with asyncio.timeout(ENOUGH_SECONDS):
            await path.finish()
        assert path.reasoner.faults == 0
        return await path.answers(), path.load()
    finally:
        await path.stop()


async def test_all_are_answered_the_high_ones_first_and_a_full_engine_is_not_stormed(
    tmp_path: Path, engine: SlotEngineProcess
) -> None:
    """Time stands still meanwhile, so that only those expire for which it was too late before."""
    too_late = some("Normal", LATE, end_ns=10 * SECOND)
    requests = [*some("Low", EACH, end_ns=NOW - SECOND), *some("High", EACH), *too_late]
    path = AskingPath(tmp_path, an_engine(await engine.url()), lambda: NOW, ceiling=CEILING, client=Client())
    answers, load = await ask_all(path, requests)
    asked = engine.end()
    told = [(answer.partition, answer.status) for answer in answers]
    result = grade({each.id: each.reasoning.priority for each in requests}, asked, told)

    assert Counter(status for _, status in told) == {"Ok": 2 * EACH, "Expired": LATE}
    assert (result.lost, result.told_twice, result.untrue) == (0, 0, 0)
    assert (result.answered, result.expired) == (2 * EACH, LATE)
    assert not {each.id for each in asked} & {each.id for each in too_late}, "nobody was asked for nothing"
    assert_full_and_faults_were_met(result, load)
    assert_high_first_and_low_all_the_same(asked)


def assert_full_and_faults_were_met(result: Grade, load: Load) -> None:
    met = result.attempts
    assert {"reset", "stall", "error", "garbage", "full"} <= met.keys(), met
    assert met["full"] == load.busy
    assert met["full"] <= 2 * EACH, f"it came down to what the engine bears: {met}"
    assert load.cuts > 0
    assert load.in_flight == 0
    assert SHAPE.slots + SHAPE.queue < CEILING


def assert_high_first_and_low_all_the_same(asked: list[Asked]) -> None:
    """Of those who are asked at first, all at once. Later it is the engine that says who comes, by whom it refuses."""
    arrived = sorted(asked, key=lambda each: each.arrived)
    first = list(dict.fromkeys(each.id for each in arrived))[: CEILING - TURNS_A_ROUND]
    low = sum(name.startswith("Low") for name in first)
    assert 0 < low <= len(first) // 4, "one turn in eight is of the oldest"
    assert {each.priority for each in asked} == {-10, 10}


def test_a_grade_tells_what_an_asker_did_wrong() -> None:
    """One is answered twice, one is told as expired though it was answered, one is told twice, one not at all."""

    def seen(name: str, outcome: str = "answered", *, tokens: int = 10) -> Asked:
        return Asked(name, 100.0, 0, arrived=101, began=102, ended=103, outcome=outcome, tokens=tokens)  # type: ignore[arg-type]

    brought: dict[str, Priority] = {"a": "High", "b": "Low", "c": "Low", "d": "Low", "e": "Low"}
    asked = [seen("a", "reset"), seen("a"), seen("a"), seen("b"), seen("c"), seen("d", "full", tokens=0)]
    told = [("a", "Ok"), ("b", "Expired"), ("c", "Ok"), ("c", "Ok"), ("e", "Ok")]
    result = grade(brought, asked, told)
    assert (result.requests, result.answered, result.success) == (5, 3, 0.6)
    assert (result.asked_again, result.told_twice, result.lost, result.untrue, result.expired) == (1, 1, 1, 2, 0)
    assert result.attempts == {"answered": 4, "reset": 1, "full": 1}
    assert (result.wasted, result.wasted_by_faults) == (0.4, 0.2)
    assert (result.waits["High"].answered, result.waits["High"].p99) == (1, 3.0)
    assert result.waits["Low"].answered == 2
