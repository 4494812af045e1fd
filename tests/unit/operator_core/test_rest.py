"""The client against a small server that answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from edgeglm_operator.kube import rest
from edgeglm_operator.kube.connection import connect
from edgeglm_operator.kube.errors import Invalid, KubeError, NotFound, Throttled, Unavailable
from edgeglm_operator.kube.kinds import CONFIG_MAPS, POD_METRICS, SCALED_OBJECTS, Kind
from edgeglm_operator.kube.rest import RestClient

Answer = Callable[[web.Request], web.Response]
MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}}


class Server:
    """Answers in turn; the last answer goes on for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.seen: list[web.Request] = []
        self.bodies: list[Any] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        body = await request.read()
        self.bodies.append(json.loads(body) if body else None)
        return self.answers[min(len(self.seen), len(self.answers)) - 1](request)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def client(server: Server, tmp_path: Path) -> AsyncIterator[RestClient]:
    async with RestClient(await connect(kubeconfig(tmp_path, server.url))) as made:
        yield made


def kubeconfig(directory: Path, url: str) -> Path:
    path = directory / "kubeconfig"
    content = {
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {"token": "secret"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def says(status: int, body: Any = None, **headers: str) -> Answer:
    return lambda _request: web.json_response(body or {}, status=status, headers=headers)


async def test_an_apply_is_what_the_api_asks_for(server: Server, client: RestClient) -> None:
    server.answers = [says(200, MANIFEST)]
    await client.apply(MANIFEST)
    request = server.seen[0]

    assert (request.method, request.path) == ("PATCH", "/api/v1/namespaces/ns/configmaps/a")
    assert dict(request.query) == {"fieldManager": "edgeglm-operator", "force": "true", "fieldValidation": "Ignore"}
    assert request.headers["Content-Type"].partition(";")[0] == "application/apply-patch+yaml"
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["User-Agent"] == "edgeglm-operator"
    assert server.bodies == [MANIFEST]


async def test_a_delete_names_the_object_by_uid(server: Server, client: RestClient) -> None:
    server.answers = [says(200)]
    await client.delete(CONFIG_MAPS, "ns", "a", uid="u")

    assert server.bodies == [{"propagationPolicy": "Background", "preconditions": {"uid": "u"}}]


@pytest.mark.parametrize(
    ("kind", "answer", "served"),
    [
        (SCALED_OBJECTS, says(200, {"resources": [{"name": "scaledobjects"}]}), True),
        (SCALED_OBJECTS, says(200, {"resources": [{"name": "scaledjobs"}]}), False),
        (SCALED_OBJECTS, says(404), False),
        (POD_METRICS, says(200, {"versions": [{"version": "v1beta2"}, {"version": "v1beta1"}]}), True),
        (POD_METRICS, says(200, {"versions": [{"version": "v1beta2"}]}), False),
        (POD_METRICS, says(404), False),
    ],
)
async def test_what_is_served_is_asked_of_discovery(
    server: Server, client: RestClient, kind: Kind, answer: Answer, *, served: bool
) -> None:
    server.answers = [answer]
    assert await client.serves(kind) is served
    expected = {SCALED_OBJECTS: "/apis/keda.sh/v1alpha1", POD_METRICS: "/apis/custom.metrics.k8s.io"}[kind]
    assert server.seen[0].path == expected


async def test_a_list_goes_on_to_the_last_page(server: Server, client: RestClient) -> None:
    pages = [
        {"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a"}}]},
        {"metadata": {}, "items": [{"metadata": {"name": "b"}}]},
    ]
    server.answers = [says(200, page) for page in pages]

    found = [each async for each in client.list(CONFIG_MAPS, "ns", selector="a=1")]

    assert [each["metadata"]["name"] for each in found] == ["a", "b"]
    assert [request.query.get("continue") for request in server.seen] == [None, "more"]
    assert {request.query["labelSelector"] for request in server.seen} == {"a=1"}


async def test_a_throttled_request_waits_as_long_as_it_is_told(
    server: Server, client: RestClient, pauses: list[float]
) -> None:
    server.answers = [says(429, **{"Retry-After": "7"}), says(200, MANIFEST)]

    await client.apply(MANIFEST)

    assert len(server.seen) == 2
    assert max(pauses) == pytest.approx(7, abs=0.5)


async def test_patience_has_an_end_and_a_bound(server: Server, client: RestClient, pauses: list[float]) -> None:
    server.answers = [says(429, **{"Retry-After": "3600"})]

    with pytest.raises(Throttled) as error:
        await client.apply(MANIFEST)

    assert error.value.retry_after_seconds == 3600
    assert len(server.seen) == rest.THROTTLED_TRIES + 1
    assert max(pauses) <= rest.LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize(("status", "expected"), [(404, NotFound), (422, Invalid), (500, Unavailable)])
async def test_an_error_carries_the_server_s_words(
    server: Server, client: RestClient, status: int, expected: type[KubeError]
) -> None:
    server.answers = [says(status, {"kind": "Status", "message": "because"})]

    with pytest.raises(expected, match="because"):
        await client.get(CONFIG_MAPS, "ns", "a")


async def test_a_proxy_that_answers_in_words_is_quoted(server: Server, client: RestClient) -> None:
    server.answers = [lambda _request: web.Response(status=502, text="<html>Bad Gateway</html>")]

    with pytest.raises(Unavailable, match="Bad Gateway"):
        await client.get(CONFIG_MAPS, "ns", "a")


async def test_a_server_that_is_away_is_unavailable(tmp_path: Path, unused_tcp_port: int) -> None:
    async with RestClient(await connect(kubeconfig(tmp_path, f"http://127.0.0.1:{unused_tcp_port}"))) as client:
        with pytest.raises(Unavailable):
            await client.get(CONFIG_MAPS, "ns", "a")


async def test_a_server_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection, and says nothing."""
    monkeypatch.setattr(rest, "REQUEST_TIMEOUT_SECONDS", 0.05)
    came, left = asyncio.Event(), asyncio.Event()

    async def listen_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    silent = await asyncio.start_server(listen_only, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"

    async with RestClient(await connect(kubeconfig(tmp_path, url))) as client:
        with pytest.raises(Unavailable):
            await client.get(CONFIG_MAPS, "ns", "a")
    if came.is_set():  # on a busy machine the client may have given up before it was let in
        await left.wait()
    silent.close()


async def test_each_request_is_observed(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    connection = await connect(kubeconfig(tmp_path, server.url))
    server.answers = [says(404)]
    async with RestClient(connection, observe=lambda verb, status, _seconds: seen.append((verb, status))) as client:
        with pytest.raises(NotFound):
            await client.get(CONFIG_MAPS, "ns", "a")

    assert seen == [("get", 404)]


async def test_kopf_gets_the_same_login(tmp_path: Path) -> None:
    login = await (await connect(kubeconfig(tmp_path, "https://server"))).login()

    assert (login.server, login.token, login.verify) == ("https://server", "secret", True)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the client slept, without the sleep."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("edgeglm_operator.kube.rest.asyncio.sleep", sleep)
    return slept
