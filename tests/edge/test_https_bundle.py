"""An agent process that gets its bundle over HTTPS: it starts with the cloud away, and follows when it is back."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from edgeglm_api.bundle import Bundle, digest, encode
from edgeglm_api.packed import Files, pack
from tests.cluster.pki import make_authority
from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.bundles import a_bundle
from tests.edge.https_server import HttpsServer
from tests.edge.tuf_repository import TufRepository

PATH = "/edge-1.bundle"
PATIENCE_SECONDS = 90


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpsServer]:
    server = HttpsServer(make_authority(tmp_path / "authority"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def agent(tmp_path: Path, server: HttpsServer) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path)
    agent.options = ("--bundle", server.url + PATH, "--bundle-ca", str(tmp_path / "authority" / "ca.crt"))
    agent.options += ("--bundle-poll-seconds", "5")
    yield agent
    agent.end()


def hangs(server: HttpsServer) -> Callable[[BaseHTTPRequestHandler], None]:
    def hang(_: BaseHTTPRequestHandler) -> None:
        server.stopping.wait()

    return hang


def packed(bundle: Bundle) -> bytes:
    return pack(Files(encode(bundle), digest(bundle)))


@pytest.mark.timeout(400)
def test_it_starts_without_the_server_and_follows_when_it_is_back(agent: AgentProcess, server: HttpsServer) -> None:
    server.files[PATH] = packed(a_bundle())
    agent.start(ready=False)
    wait_for(agent.ready, "not begun", seconds=PATIENCE_SECONDS)
    wait_for(lambda: agent.status()["source"]["state"] == "Fresh", "not fresh", seconds=PATIENCE_SECONDS)
    agent.kill()
    server.stop()

    agent.start(ready=False)
    wait_for(agent.ready, "does not start without the server", seconds=PATIENCE_SECONDS)
    wait_for(lambda: agent.status()["source"]["failures"] > 0, "does not tell", seconds=PATIENCE_SECONDS)
    told = agent.status()
    assert (told["bundle"]["generation"], told["bundle"]["verdict"]) == (1, "Applied")
    assert told["source"]["state"] == "Stale"
    assert told["source"]["staleSeconds"] > 0, "since before it was started"
    assert b"edgeglm_agent_bundle_source_failures_total" in (agent.get("/metrics") or b"")

    server.files[PATH] = packed(a_bundle(generation=2))
    server.start()
    wait_for(lambda: agent.status()["bundle"]["generation"] == 2, "does not follow", seconds=PATIENCE_SECONDS)
    assert agent.stop() == 0


@pytest.mark.parametrize("way", ["packed", "tuf"])
def test_a_server_that_does_not_answer_does_not_hold_up_the_end(
    agent: AgentProcess, server: HttpsServer, tmp_path: Path, way: str
) -> None:
    if way == "tuf":
        (tmp_path / "root.json").write_bytes(TufRepository(server.files).first_root)
        agent.options += ("--tuf-target", "edge-1.bundle", "--tuf-root", str(tmp_path / "root.json"))
    server.spoil = hangs(server)
    agent.start(ready=False)
    wait_for(lambda: bool(server.asked), "does not ask", seconds=PATIENCE_SECONDS)
    assert agent.stop() == 0
