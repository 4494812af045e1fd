"""What the agent relays of the engines on its node."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from edgeglm_agent.report import engines as engines_module
from edgeglm_agent.report.engine_figures import figures, models
from edgeglm_agent.report.engines import look_at
from edgeglm_api.bundle import Endpoint
from edgeglm_api.report import MAX_ENGINES, Engine

# Cut from what vLLM 0.32 answers.
EXPOSITION = b"""\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="glm"} 3.0
vllm:num_requests_running{engine="1",model_name="glm"} 4.0
vllm:num_requests_waiting{engine="0",model_name="glm"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="glm",reason="capacity"} 99.0
vllm:kv_cache_usage_perc{engine="0",model_name="glm"} 0.375
vllm:prompt_tokens_total{engine="0",model_name="a } b"} 1.2345e+06
vllm:prompt_tokens_created{engine="0",model_name="glm"} 1.7e+09
vllm:generation_tokens_total{engine="0",model_name="glm"} 678.0
vllm:num_preemptions_total{engine="0",model_name="glm"} 0.0
"""
MODELS = b'{"object":"list","data":[{"id":"glm","object":"model"},{"id":"open-autoglm"}]}'


def test_the_figures_of_vllm_are_found_and_added_up() -> None:
    assert figures(EXPOSITION) == {
        "requests_running": 7,
        "requests_waiting": 2,
        "kv_cache_usage_percent": 38,
        "prompt_tokens": 1_234_500,
        "generation_tokens": 678,
        "preemptions": 0,
    }


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"", {}),
        (b"\xff\xfe" * 100, {}),
        (b"vllm:num_requests_running NaN", {}),
        (b"vllm:num_requests_running +Inf", {}),
        (b"vllm:num_requests_running -1", {}),
        (b"vllm:num_requests_running many", {}),
        (b"vllm:num_requests_running{", {}),
        (b"vllm:prompt_tokens_total 1e300", {"prompt_tokens": 2**53 - 1}),
        (b"vllm:kv_cache_usage_perc 7", {"kv_cache_usage_percent": 100}),
    ],
)
def test_what_is_no_figure_is_left_out_and_what_is_too_large_cut(line: bytes, found: dict[str, int]) -> None:
    assert figures(line) == found
    Engine(name="e", **found)  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data":7}', b'{"data":[{"id":7}]}', b"[" * 100_000])
def test_an_answer_that_lists_no_models_lists_none(body: bytes) -> None:
    assert models(body) == frozenset()


class StubEngine:
    """Says what it is told to say."""

    def __init__(self) -> None:
        self.models_body = MODELS
        self.models_status = 200
        self.models_headers: dict[str, str] = {}
        self.metrics_status = 200
        self.keys: list[str | None] = []
        self.url = ""

    async def list_models(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("Authorization"))
        return web.Response(body=self.models_body, status=self.models_status, headers=self.models_headers)

    async def tell(self, request: web.Request) -> web.Response:
        assert "Authorization" not in request.headers
        return web.Response(body=EXPOSITION, status=self.metrics_status)


@pytest.fixture
async def stub() -> AsyncIterator[StubEngine]:
    stub = StubEngine()
    app = web.Application()
    app.router.add_get("/v1/models", stub.list_models)
    app.router.add_get("/metrics", stub.tell)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield stub
    await runner.cleanup()


def an_endpoint(url: str, model: str = "glm", **more: str) -> Endpoint:
    return Endpoint(**({"name": "llm", "url": url, "model": model, "place": "Edge"} | more))  # type: ignore[arg-type]


async def test_an_engine_is_relayed_as_it_answers(stub: StubEngine) -> None:
    (found,) = await look_at([an_endpoint(stub.url)])
    assert (found.name, found.model, found.serving, found.model_present) == ("llm", "glm", True, True)
    assert (found.requests_running, found.kv_cache_usage_percent, found.generation_tokens) == (7, 38, 678)


async def test_an_alias_is_a_served_name_and_another_model_is_missing(stub: StubEngine) -> None:
    alias, other = await look_at([an_endpoint(stub.url, "open-autoglm"), an_endpoint(stub.url, "llama", name="o")])
    assert (alias.model_present, other.model_present, other.serving) == (True, False, True)


async def test_the_key_of_an_endpoint_goes_to_its_api_alone(stub: StubEngine, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    await look_at([an_endpoint(stub.url, key_file=str(tmp_path / "key"))])
    assert stub.keys == ["Bearer secret"]


async def test_an_engine_without_vllm_s_metrics_serves_all_the_same(stub: StubEngine) -> None:
    stub.metrics_status = 404
    (found,) = await look_at([an_endpoint(stub.url)])
    assert (found.serving, found.model_present, found.prompt_tokens) == (True, True, 0)


@pytest.mark.parametrize("status", [401, 302, 500])
async def test_an_engine_that_does_not_list_its_models_does_not_serve(stub: StubEngine, status: int) -> None:
    stub.models_status, stub.models_headers = status, {"Location": stub.url + "/models"}
    (found,) = await look_at([an_endpoint(stub.url)])
    assert not found.serving
    assert len(stub.keys) == 1, "nothing is followed"


async def test_an_engine_that_is_away_is_told_so(tmp_path: Path) -> None:
    away = an_endpoint("http://127.0.0.1:1/v1")
    no_key = an_endpoint("http://127.0.0.1:1/v1", name="keyless", key_file=str(tmp_path / "none"))
    assert [engine.serving for engine in await look_at([away, no_key])] == [False, False]


async def test_an_engine_that_talks_without_end_is_read_to_a_bound(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines_module, "_MOST_BYTES", 1000)
    stub.models_body = b" " * 1_000_000 + MODELS
    (found,) = await look_at([an_endpoint(stub.url)])
    assert (found.serving, found.model_present) == (True, False)


async def test_engines_elsewhere_are_not_asked(stub: StubEngine) -> None:
    assert await look_at([an_endpoint(stub.url, place="Cloud")]) == ()
    assert stub.keys == []
    many = [an_endpoint(stub.url, name=f"e{n}") for n in range(20)]
    assert len(await look_at(many)) == MAX_ENGINES
