"""The page over HTTP: only by address, only to be read, nothing from elsewhere, and made once however many look."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest

from edgeglm_agent.config.freshness import SourceState
from edgeglm_agent.config.watch import Applied
from edgeglm_agent.health.host import is_own
from edgeglm_agent.health.server import Probes, Server
from edgeglm_agent.health.status import ConfigStatus, Status
from edgeglm_agent.page.assets import load_assets
from edgeglm_agent.page.desk import PageDesk
from edgeglm_agent.page.kept import MAX_KEPT, Kept
from edgeglm_agent.page.routes import Sight, page_routes
from edgeglm_agent.pipeline.judge import Site
from edgeglm_agent.pipeline.pipeline import Pipeline
from edgeglm_agent.spool.spool import Spool
from tests.edge.bundles import a_bundle

from .jgf import valid_graph
from .observations import a_message

BUNDLE = a_bundle()


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    made = Spool(tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def desk(spool: Spool) -> PageDesk:
    pipeline = Pipeline(spool.ledger, spool.raw_log, Site("edge-1", "uid", 0), lambda: 0)
    pipeline.apply(BUNDLE)
    readings = [a_message(rms, at=100 + at) for at, rms in enumerate((2.0, 12.0, 2.0, 2.0, 2.0))]
    spool.raw_log.append(readings)
    pipeline.step()
    return PageDesk(spool, pipeline, lambda: 0, lambda: BUNDLE.graphs)


@pytest.fixture
async def page(desk: PageDesk) -> AsyncIterator[aiohttp.ClientSession]:
    async def status() -> Status | None:
        return None

    sight = Sight(lambda: ConfigStatus(Applied(), SourceState(), {}, [], None), status, lambda: desk)
    probes = Probes(alive=lambda: True, ready=lambda: True, status=status, config=sight.config)
    server = Server(probes, page_routes(sight))
    await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield session
    await server.close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9464", "localhost:9464", "LOCALHOST", "[::1]:9464", "[::1]", "10.0.0.7:80"]
)
def test_addresses_are_ours(host: str) -> None:
    assert is_own(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:9464",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "[evil]",
        "1.2.3.4.5:9",
    ],
)
def test_names_are_not(host: str) -> None:
    assert not is_own(host)


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/page/v1/site", "/status"])
async def test_a_name_that_leads_here_is_turned_away(page: aiohttp.ClientSession, path: str) -> None:
    async with page.get(path, headers={"Host": "evil.example:9464"}) as answer:
        assert answer.status == HTTPStatus.MISDIRECTED_REQUEST
        assert "Content-Security-Policy" not in answer.headers


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_a_probe_may_use_any_name(page: aiohttp.ClientSession, path: str) -> None:
    async with page.get(path, headers={"Host": "box-1.plant.example"}) as answer:
        assert answer.status == HTTPStatus.OK


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_it_can_only_be_read(page: aiohttp.ClientSession, method: str) -> None:
    for path in ("/", "/page/page.js", "/page/v1/site", "/page/v1/partitions/0"):
        async with page.request(method, path) as answer:
            assert answer.status == HTTPStatus.METHOD_NOT_ALLOWED, path


async def test_every_answer_forbids_what_is_not_ours(page: aiohttp.ClientSession) -> None:
    for path in ("/", "/page/page.css", "/page/v1/site", "/page/none", "/page/v1/partitions/none"):
        async with page.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none';"), path
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/page/..%2Froutes.py", "/page/%2e%2e/routes.py", "/page/none.js", "/page/v1/partitions/x"]
)
async def test_there_is_nothing_else(page: aiohttp.ClientSession, path: str) -> None:
    async with page.get(path) as answer:
        assert answer.status == HTTPStatus.NOT_FOUND


async def test_a_partition_is_found_through_the_site_and_sent_once(page: aiohttp.ClientSession) -> None:
    async with page.get("/page/v1/site") as answer:
        site = await answer.json()
    (partition,) = site["graphs"][0]["partitions"]
    assert (site["apiVersion"], partition["name"], partition["condition"]) == ("page.edgeglm.io/v1", "l1", "Well")
    path = f"/page/v1/partitions/{partition['id']}"
    async with page.get(path) as answer:
        body, mark = await answer.json(), answer.headers["ETag"]
        assert "Date" in answer.headers
    assert [row["means"] for row in body["measured"]] == [[2.0, 12.0, 2.0]]
    async with page.get(path, headers={"If-None-Match": mark}) as answer:
        assert (answer.status, await answer.read()) == (HTTPStatus.NOT_MODIFIED, b"")
        assert answer.headers["ETag"] == mark


async def test_the_graph_of_a_partition_is_served_in_json_graph_format(page: aiohttp.ClientSession) -> None:
    async with page.get("/page/v1/site") as response:
        (shown,) = (await response.json())["graphs"]
    where = f"/page/v1/partitions/{shown['partitions'][0]['id']}"
    async with page.get(f"{where}/graph") as response:
        assert response.content_type == "application/json"
        graph = valid_graph(await response.json())
    async with page.get(where) as response:
        drawn = await response.json()
    assert set(graph["nodes"]) == {node["id"] for node in drawn["nodes"]}
    assert (graph["metadata"]["start"], graph["metadata"]["end"]) == (drawn["start"], drawn["end"])
    async with page.get("/page/v1/partitions/0000/graph") as response:
        assert response.status == HTTPStatus.NOT_FOUND


async def test_it_is_sent_small_over_a_thin_line(page: aiohttp.ClientSession) -> None:
    async with page.get("/page/page.css") as answer:
        assert answer.headers["Content-Encoding"] in {"gzip", "deflate"}
        assert await answer.read() == load_assets()["page.css"].body
        assert int(answer.headers.get("Content-Length", 0)) < len(load_assets()["page.css"].body) / 2
    async with page.get("/page/page.css", headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers


async def test_an_answer_is_made_once_a_second_however_many_ask() -> None:
    now = 0.0
    made: list[float] = []

    async def make() -> bytes:
        made.append(now)
        return b"%d" % len(made)

    kept = Kept(lambda: now)
    assert [await kept.body("site", make) for _ in range(5)] == [b"1"] * 5
    now = 1.0
    assert await kept.body("site", make) == b"2"
    for number in range(3 * MAX_KEPT):
        await kept.body(str(number), make)
    assert len(kept._bodies) == MAX_KEPT


def test_the_files_are_small_and_ask_for_nothing_from_elsewhere() -> None:
    assets = load_assets()
    assert sum(len(asset.body) for asset in assets.values()) < 45_000
    for name, asset in assets.items():
        text = asset.body.decode()
        outside = set(re.findall(r"https?://[^\"' ]*", text)) - {"http://www.w3.org/2000/svg"}
        assert not outside, name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), (
            name
        )
    page = assets["index.html"].body.decode()
    assert not re.search(r"<style|style=|\son\w+=|<script>", page), "the policy would refuse it"
