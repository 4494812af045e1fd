"""Asking: what engines do wrong, and what comes of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import msgspec
import pytest
from aiohttp import web

from edgeglm_agent.graph.encode import Detail
from edgeglm_agent.reason.asker import ask
from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.gate import Gate
from edgeglm_agent.reason.known import Load
from edgeglm_agent.reason.prompt import question
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.router import NobodyAnswers, Router
from edgeglm_agent.reason.sends import FreeSends
from edgeglm_agent.reason.urgency import Urgency
from edgeglm_api.answer import Answer
from edgeglm_api.bundle import Endpoint, Reasoning
from edgeglm_api.sensor_graph import Output, Question
from tests.cluster.ports import free_ports
from tests.edge.stub_engine import Scripted, StubEngine, obedient

from .observations import SECOND, a_machine_graph

GOOD = {"node": "m1", "evidence": ["e1"], "confidence": "Low", "comment": ""}
ANOMALY = {"assessment": "anomaly", "findings": [GOOD]}


def a_request(*anomalous: str, machines: int = 3, endpoints: tuple[str, ...] = ("engine",)) -> Request:
    return Request(
        id="r1",
        site="edge-1",
        graph="line-1",
        graph_uid="g",
        partition="l1",
        start_ns=100 * SECOND,
        end_ns=110 * SECOND,
        expires_ns=200 * SECOND,
        signature="",
        subject=a_machine_graph(*anomalous, machines=machines),
        question=Question(instructions="Bearings show vibration first."),
        reasoning=Reasoning(
            route="EdgeOnly", endpoints=endpoints, attempt_timeout_seconds=1, fresh_for_seconds=30, max_tokens=64
        ),
        output=Output(topic="t"),
        broker="mqtt://b",
    )


def patient(request: Request) -> Request:
    """One whose attempts may take as long as a busy machine needs."""
    reasoning = msgspec.structs.replace(request.reasoning, attempt_timeout_seconds=60)
    return msgspec.structs.replace(request, reasoning=reasoning)


def says(assessment: str, *findings: dict[str, Any]) -> Scripted:
    return Scripted(json.dumps({"assessment": assessment, "findings": findings}))


def a_router(client: Client, *engines: StubEngine) -> Router:
    router = Router(client, Gate(b"key"), FreeSends())
    names = ("engine", "spare")
    endpoints = [
        Endpoint(name=name, url=engine.url, model="tiny", place="Edge")
        for name, engine in zip(names, engines, strict=False)
    ]
    router.set_endpoints(endpoints, ceiling=2)
    return router


async def answered(engine: StubEngine, client: Client, *scripts: Scripted) -> Answer:
    left = iter(scripts)
    engine.script = lambda _body: next(left)
    return await ask(a_request("m1"), [(100 * SECOND, 110 * SECOND)], a_router(client, engine))


async def test_an_adapter_is_asked_for_by_its_name_and_the_answer_says_so(engine: StubEngine, client: Client) -> None:
    engine.script = lambda _body: says("anomaly", GOOD)
    request, router = a_request("m1"), a_router(client, engine)
    adapted = msgspec.structs.replace(
        request, reasoning=msgspec.structs.replace(request.reasoning, adapter="line-1", attempt_timeout_seconds=60)
    )
    answers = [await ask(each, [(100 * SECOND, 110 * SECOND)], router) for each in (adapted, patient(request))]
    assert [body["model"] for body in engine.asked] == ["line-1", "tiny"]
    assert [answer.model.model if answer.model else "" for answer in answers] == ["line-1", "tiny"]
    assert list(router.states()) == ["engine"], "one endpoint, with one width and one health"


@pytest.mark.parametrize(
    ("scripts", "status", "repaired"),
    [
        ([says("anomaly", GOOD)], "Ok", False),
        ([says("unsure")], "Abstained", False),
        ([says("normal"), says("anomaly", GOOD)], "Ok", True),
        ([says("normal"), says("normal")], "Invalid", False),
        ([says("anomaly", GOOD | {"node": "m9"}), says("anomaly", GOOD)], "Ok", True),
        ([says("anomaly", GOOD | {"evidence": ["e9"]}), says("unsure")], "Abstained", True),
        ([Scripted("Well, "), Scripted('{"assess', finish="length")], "Invalid", False),
        ([Scripted(""), Scripted("")], "Invalid", False),
        ([Scripted("<think>m1 is ill</think>\n" + json.dumps(ANOMALY))], "Ok", False),
        ([Scripted("m1 is ill</think>```json\n" + json.dumps(ANOMALY) + "\n```")], "Ok", False),
        ([Scripted("<think>is it", finish="length"), Scripted(json.dumps(ANOMALY))], "Ok", True),
        ([Scripted(None, reasoning=json.dumps(ANOMALY))], "Ok", False),
        ([Scripted("", reasoning_content=json.dumps(ANOMALY))], "Ok", False),
        ([Scripted(None), Scripted(None)], "Invalid", False),
        ([Scripted(json.dumps(ANOMALY | {"because": "x"})), says("anomaly", GOOD)], "Ok", True),
    ],
)
async def test_what_is_said_becomes_a_status(
    engine: StubEngine, client: Client, scripts: list[Scripted], status: str, *, repaired: bool
) -> None:
    answer = await answered(engine, client, *scripts)
    assert answer.status == status
    assert answer.validation is not None
    assert answer.validation.repaired is repaired
    assert answer.model is not None
    assert answer.model.attempts == len(scripts)


async def test_the_repair_tells_what_was_wrong(engine: StubEngine, client: Client) -> None:
    await answered(engine, client, says("anomaly", GOOD | {"node": "m2"}), says("anomaly", GOOD))
    first, second = engine.asked
    assert "none of e1 is about m2" in second["messages"][-1]["content"]
    assert second["messages"][: len(first["messages"])] == first["messages"], "the prefix stays"


async def test_no_seed_is_ever_sent_and_the_answer_is_bounded(engine: StubEngine, client: Client) -> None:
    await answered(engine, client, says("anomaly", GOOD))
    (body,) = engine.asked
    assert "seed" not in body
    assert body["max_tokens"] == 64
    assert body["temperature"] == 0
    assert body["response_format"]["json_schema"]["schema"]["additionalProperties"] is False


async def test_a_prompt_that_is_too_long_is_asked_again_with_less(engine: StubEngine, client: Client) -> None:
    def short_only(body: dict[str, Any]) -> Scripted:
        if "m3" in body["messages"][1]["content"]:
            return Scripted("This model's maximum context length is 100 tokens", status=400)
        return obedient(body)

    engine.script = short_only
    answer = await ask(a_request("m1"), [(100 * SECOND, 110 * SECOND)], a_router(client, engine))
    assert answer.status == "Ok"
    assert answer.truncated


async def test_an_answer_that_was_cut_off_is_asked_to_be_shorter(engine: StubEngine, client: Client) -> None:
    whole = json.dumps(ANOMALY)
    await answered(engine, client, Scripted(whole[:40], finish="length"), Scripted(whole))
    assert "was cut off at max_tokens; be shorter" in engine.asked[1]["messages"][-1]["content"]


def knows_only(*words: str) -> Callable[[dict[str, Any]], Scripted]:
    """An engine that declines what it has no word for, as OpenAI's own and older ones do."""

    def script(body: dict[str, Any]) -> Scripted:
        said = json.dumps({name: value for name, value in body.items() if name != "messages"})
        strange = [word for word in ("maxLength", "json_schema", "json_object", "chat_template_kwargs") if word in said]
        unknown = [word for word in strange if word not in words]
        if unknown:
            return Scripted(f"Unsupported field or schema word: {unknown[0]}", status=400)
        return says("anomaly", GOOD)

    return script


@pytest.mark.parametrize("words", [("json_schema",), ("json_object",), ()])
async def test_an_engine_that_does_not_know_a_word_is_asked_in_plainer_ones_and_that_is_remembered(
    engine: StubEngine, client: Client, words: tuple[str, ...]
) -> None:
    engine.script = knows_only(*words)
    router = a_router(client, engine)
    first = await ask(a_request("m1"), [(0, 1)], router)
    declined = len(engine.asked) - 1
    second = await ask(a_request("m1"), [(0, 1)], router)
    assert (first.status, second.status) == ("Ok", "Ok")
    assert declined >= 1
    assert len(engine.asked) == declined + 2, "the second question is put in the right form at once"
    assert first.validation is not None
    assert not first.validation.repaired


async def test_a_refusal_that_is_not_about_the_form_is_not_tried_again(engine: StubEngine, client: Client) -> None:
    engine.script = lambda _body: Scripted("you may not", status=403)
    answer = await ask(a_request("m1"), [(0, 1)], a_router(client, engine))
    assert answer.status == "Invalid"
    assert len(engine.asked) == 1


async def test_one_that_never_fits_is_invalid_with_the_reason(engine: StubEngine, client: Client) -> None:
    engine.script = lambda _body: Scripted("maximum context length is 1", status=400)
    answer = await ask(a_request("m1"), [(100 * SECOND, 110 * SECOND)], a_router(client, engine))
    assert answer.status == "Invalid"
    assert answer.validation is not None
    assert "maximum context length" in answer.validation.refused[0]
    assert len(engine.asked) == len(Detail)


@pytest.mark.parametrize(
    "script",
    [Scripted("busy", status=503), Scripted("dead", status=500), Scripted("slow", delay=3), Scripted("", status=429)],
)
async def test_an_engine_that_fails_is_passed_over(engine: StubEngine, client: Client, script: Scripted) -> None:
    spare = StubEngine()
    spare.start()
    engine.script = lambda _body: script
    try:
        router = a_router(client, engine, spare)
        answer = await ask(a_request("m1", endpoints=("engine", "spare")), [(0, 1)], router)
    finally:
        spare.stop()
    assert answer.model is not None
    assert answer.model.endpoint == "spare"


async def test_with_nobody_there_the_request_waits_and_the_endpoint_is_left_alone(client: Client) -> None:
    gone = StubEngine(port=free_ports(1)[0])
    router = a_router(client, gone)
    for _ in range(3):
        with pytest.raises(NobodyAnswers):
            await ask(a_request("m1"), [(0, 1)], router)
    assert router.states() == {"engine": "Open"}


@pytest.fixture
async def pointer(engine: StubEngine) -> AsyncIterator[str]:
    """The address of a server that points on to the engine."""

    async def point_on(_: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(f"{engine.url}/chat/completions")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", point_on)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    await runner.cleanup()


async def test_where_an_endpoint_points_on_to_nothing_is_sent(engine: StubEngine, client: Client, pointer: str) -> None:
    """The data may go to the endpoint's host, and nobody has allowed another."""
    router = Router(client, Gate(b"key"), FreeSends())
    router.set_endpoints([Endpoint(name="engine", url=pointer, model="tiny", place="Edge")], ceiling=2)
    with pytest.raises(NobodyAnswers):
        await ask(a_request("m1"), [(0, 1)], router)
    assert engine.asked == []
    assert "307" in router.last_errors["engine"]


def test_the_prompt_of_six_machines_is_short_and_its_beginning_stable() -> None:
    one, other = (question(a_request(who, machines=6), Detail.FULL) for who in ("m1", "m2"))
    assert one[0] == other[0]
    text = one[0]["content"] + one[1]["content"]
    assert len(text) < 1800, "at some three characters a token, well below 900"
    entities, window = one[1]["content"].split("\nWindow of ")
    assert other[1]["content"].startswith(entities)
    assert "m1, m2, m3, m4, m5, m6 (Machine): partOf line\n" in entities
    assert "Units: rms in mm/s" in entities
    assert "m1: rms 2 !! min 1 max 3 last 2 slope +0/s" in window
    assert "m2: rms 2\n" in window
    assert "e1: m1 rms 12.5 mm/s is above its highHigh alarm limit 11" in one[1]["content"]


@pytest.mark.parametrize(("scheduling", "told"), [("Priority", [-10, -10]), ("FCFS", [None, None])])
async def test_an_engine_is_told_how_urgent_it_is_only_if_it_goes_by_that(
    engine: StubEngine, client: Client, scheduling: Literal["FCFS", "Priority"], told: list[int | None]
) -> None:
    """In the repair, too. On other engines a priority can be an error."""
    router = Router(client, Gate(b"key"), FreeSends())
    endpoint = Endpoint(name="engine", url=engine.url, model="tiny", place="Edge", scheduling=scheduling)
    router.set_endpoints([endpoint], ceiling=2)
    left = iter([says("normal"), says("anomaly", GOOD)])
    engine.script = lambda _body: next(left)
    await ask(a_request("m1"), [(0, 1)], router, urgency=Urgency.HIGH)
    assert [body.get("priority") for body in engine.asked] == told


@pytest.mark.parametrize("status", [429, 503])
async def test_a_full_engine_is_left_alone_as_long_as_it_asked_for(
    engine: StubEngine, client: Client, status: int
) -> None:
    """It is well, so the breaker stays closed; it is given less when the pause is over."""
    router = a_router(client, engine)
    engine.script = lambda _body: Scripted("engine is currently busy", status=status, retry_after="100")
    for _ in range(3):
        with pytest.raises(NobodyAnswers):
            await ask(a_request("m1"), [(0, 1)], router)
    assert len(engine.asked) == 1
    assert router.states() == {"engine": "Closed"}
    assert router.free() == {"engine": 0}
    assert router.loads() == {"engine": Load(width=1, in_flight=0, busy=1, cuts=1)}


@pytest.mark.parametrize("retry_after", ["Wed, 21 Oct 2026 07:28:00 GMT", "-5", "1e9", "soon", "9" * 4000, "\u0663"])
async def test_a_wish_that_is_no_number_of_seconds_is_passed_over(
    engine: StubEngine, client: Client, retry_after: str
) -> None:
    router = a_router(client, engine)
    engine.script = lambda _body: Scripted("busy", status=503, retry_after=retry_after)
    with pytest.raises(NobodyAnswers):
        await ask(a_request("m1"), [(0, 1)], router)
    assert router.loads()["engine"].busy == 1


async def test_as_many_are_open_at_once_as_a_site_may_have(engine: StubEngine, client: Client) -> None:
    """The engine answers none before the last has come: who waits for a connection here would wait for ever."""
    engine.together = 256  # the most that EdgeSite.spec.limits.maxConcurrency can be
    endpoint = Endpoint(name="engine", url=engine.url, model="tiny", place="Edge")
    body: dict[str, Any] = {"response_format": {"json_schema": {"schema": {"properties": {"findings": {}}}}}}
    replies = await asyncio.gather(*(client.complete(endpoint, body, 120) for _ in range(engine.together)))
    assert len(replies) == engine.together
