"""Engines on the node are asked many things at once after each of their starts, and what comes back is counted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from edgeglm_agent.report.verify import MAX_AT_ONCE, Verifier
from edgeglm_api.bundle import Endpoint
from edgeglm_api.report import MAX_NOTE, Engine, Verification
from tests.edge.stub_engine import Scripted, StubEngine

PATIENCE_SECONDS = 60
MANY = 6


class Watched:
    """A verifier, an engine, and whether there was news."""

    def __init__(self, stub: StubEngine, **pauses: float) -> None:
        self.news = asyncio.Event()
        self.verifier = Verifier(self.news.set, **pauses)
        self.endpoint = Endpoint(name="llm", url=stub.url, model="glm", place="Edge", verify_at_once=MANY)

    def look(self, **engine: Any) -> Verification | None:
        fields: dict[str, Any] = {"serving": True, "model_present": True} | engine
        (found,) = self.verifier.look([self.endpoint], [Engine(name="llm", **fields)])
        return found.verification

    async def found(self, **engine: Any) -> Verification:
        """What is known after the next news."""
        self.look(**engine)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.news.wait()
        self.news.clear()
        found = self.look(**engine)
        assert found is not None
        return found


async def until(happens: Callable[[], bool]) -> None:
    """Look again and again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not happens():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.01)


@pytest.fixture
async def watched(engine: StubEngine) -> AsyncIterator[Watched]:
    watched = Watched(engine, timeout_seconds=PATIENCE_SECONDS, again_seconds=0)
    yield watched
    await watched.verifier.close()


async def test_all_requests_are_under_way_at_the_same_moment(watched: Watched, engine: StubEngine) -> None:
    engine.script, engine.together = (lambda _: Scripted("seven")), MANY
    assert watched.look() is None
    found = await watched.found()
    assert (found.concurrency, found.answered, found.empty, found.failed, found.late) == (MANY, MANY, 0, 0, 0)
    assert len({body["messages"][0]["content"] for body in engine.asked}) == MANY
    assert {body["model"] for body in engine.asked} == {"glm"}
    assert not any("seed" in body for body in engine.asked)


async def test_an_engine_that_answers_only_the_first_is_found_out(watched: Watched, engine: StubEngine) -> None:
    engine.script = lambda _: Scripted("one" if len(engine.asked) == 1 else "")
    found = await watched.found()
    assert (found.answered, found.empty) == (1, MANY - 1)


async def test_thoughts_are_an_answer(watched: Watched, engine: StubEngine) -> None:
    engine.script = lambda _: Scripted(None, reasoning="hm")
    assert (await watched.found()).answered == MANY


async def test_errors_are_counted_and_the_first_is_told(watched: Watched, engine: StubEngine) -> None:
    engine.script = lambda _: Scripted("x" * 1000, status=500)
    found = await watched.found()
    assert (found.answered, found.failed) == (0, MANY)
    assert "500" in found.said
    assert len(found.said) <= MAX_NOTE


async def test_who_does_not_answer_in_time_is_late(engine: StubEngine) -> None:
    watched = Watched(engine, timeout_seconds=0.2)
    engine.script = lambda _: Scripted("late", delay=PATIENCE_SECONDS)
    assert (await watched.found()).late == MANY
    await watched.verifier.close()


async def test_an_engine_without_time_proves_nothing_and_is_asked_again(watched: Watched, engine: StubEngine) -> None:
    busy = True
    engine.script = lambda _: Scripted("", status=503) if busy else Scripted("yes")
    watched.look()
    await until(lambda: watched.look() is None and len(engine.asked) >= 2 * MANY)
    busy = False
    await until(lambda: watched.look() is not None)


async def test_one_that_has_no_time_is_left_alone_for_a_while(engine: StubEngine) -> None:
    watched = Watched(engine)
    engine.script = lambda _: Scripted("", status=503)
    watched.look()
    await until(lambda: len(engine.asked) == MANY)
    for _ in range(20):
        assert watched.look() is None
        await asyncio.sleep(0.01)
    assert len(engine.asked) == MANY
    await watched.verifier.close()


@pytest.mark.parametrize("begins", ["away", "fewer tokens", "another address"])
async def test_it_is_asked_once_after_each_start(watched: Watched, engine: StubEngine, begins: str) -> None:
    engine.script = lambda _: Scripted("yes")
    await watched.found(generation_tokens=100)
    for written in (100, 200, 300):
        assert watched.look(generation_tokens=written) is not None
    assert len(engine.asked) == MANY

    if begins == "away":
        assert watched.look(serving=False) is None
    if begins == "another address":
        watched.endpoint = msgspec.structs.replace(watched.endpoint, url=engine.url + "/")
    engine.script = lambda _: Scripted("")
    found = await watched.found(generation_tokens=5 if begins == "fewer tokens" else 400)
    assert (found.answered, found.empty) == (0, MANY)
    assert len(engine.asked) == 2 * MANY


async def test_nobody_is_asked_without_need(watched: Watched, engine: StubEngine) -> None:
    watched.look(model_present=False)
    watched.endpoint = msgspec.structs.replace(watched.endpoint, verify_at_once=0)
    watched.look()
    await asyncio.sleep(0)
    assert not engine.asked


async def test_a_bundle_cannot_ask_for_any_number(watched: Watched, engine: StubEngine) -> None:
    engine.script = lambda _: Scripted("yes")
    watched.endpoint = msgspec.structs.replace(watched.endpoint, verify_at_once=MAX_AT_ONCE + 1)
    assert (await watched.found()).concurrency == MAX_AT_ONCE


async def test_a_key_that_cannot_be_read_proves_nothing(watched: Watched, engine: StubEngine, tmp_path: Any) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    for file in ("key", "none"):
        watched.endpoint = msgspec.structs.replace(watched.endpoint, key_file=str(tmp_path / file))
        for _ in range(20):
            assert watched.look() is None
            await asyncio.sleep(0.01)
    assert not engine.asked
