"""An agent process with trusted keys: it begins with a signed bundle only, says why not, and keeps it."""

import base64
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from edgeglm_api.bundle import encode
from edgeglm_api.key_pem import key_id, public_pem
from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.bundles import a_bundle

KEY = SigningKey(bytes(range(32)))
PATIENCE_SECONDS = 60


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    keys = tmp_path / "keys.pem"
    keys.write_text(public_pem(KEY.verify_key.encode()))
    agent = AgentProcess(tmp_path)
    agent.options = ("--trusted-keys", str(keys))
    yield agent
    agent.end()


def why_not_ready(agent: AgentProcess) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{agent.port}/readyz", timeout=5) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
    except OSError:
        return ""


def sign(agent: AgentProcess, generation: int) -> None:
    signature = KEY.sign(encode(a_bundle(generation=generation))).signature
    (agent.bundle_folder / "ed25519").write_bytes(base64.b64encode(signature))


@pytest.mark.timeout(300)
def test_only_a_signed_bundle_is_begun_with_and_it_stays(agent: AgentProcess) -> None:
    agent.configure(a_bundle())
    agent.start(ready=False)
    wait_for(lambda: "; Unsigned; " in why_not_ready(agent), "not told", seconds=PATIENCE_SECONDS)
    assert b'edgeglm_agent_bundle_rejections_total{reason="Unsigned"} 1.0' in (agent.get("/metrics") or b"")
    assert "bundle rejected (Unsigned)" in agent.log.read_text()

    sign(agent, generation=1)
    wait_for(agent.ready, "a signed one is not taken", seconds=PATIENCE_SECONDS)
    assert agent.status()["bundle"]["signer"] == key_id(KEY.verify_key.encode())

    agent.kill()
    (agent.bundle_folder / "ed25519").unlink()
    agent.configure(a_bundle(generation=2))
    agent.start(ready=False)
    wait_for(agent.ready, "it does not begin with the last good one", seconds=PATIENCE_SECONDS)
    wait_for(lambda: agent.status()["bundle"]["verdict"] == "Rejected", "not told", seconds=PATIENCE_SECONDS)
    told = agent.status()
    assert (told["bundle"]["generation"], told["bundle"]["reason"]) == (1, "Unsigned")
    assert told["rejections"] == {"Unsigned": 1}


def test_an_agent_whose_keys_cannot_be_read_ends_with_a_sentence(agent: AgentProcess) -> None:
    agent.options = ("--trusted-keys", "/nowhere/keys.pem")
    agent.configure(a_bundle())
    agent.start(ready=False)
    assert agent.process is not None
    assert agent.process.wait(PATIENCE_SECONDS) == 2
    assert "/nowhere/keys.pem: No such file or directory" in agent.log.read_text()
