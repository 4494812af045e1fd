"""The stub speaks the Hub's HTTP in the ears of the Hub's own client, which comes with vLLM."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.command import run
from tests.cluster.need import skip_or_fail
from tests.download.stub_hub import REPOSITORY, Fault, StubHub
from tests.engine.place import environment, is_set_up

pytestmark = pytest.mark.engine

WEIGHTS = "model.safetensors"
FILES = {
    "config.json": b'{"model_type": "glm"}',
    "tokenizer/tokenizer.json": b"{}" * 200,
    "README.md": b"# A model",
    # More than the ten megabytes that the client takes in at once.
    WEIGHTS: bytes(range(256)) * 100_000,
}
CLIENT = """
import json, sys
from huggingface_hub import HfApi, snapshot_download
endpoint, repository, target = sys.argv[1:]
api = HfApi(endpoint=endpoint)
tree = [item for item in api.list_repo_tree(repository, revision="main", recursive=True) if hasattr(item, "size")]
print(json.dumps({
    "commit": api.model_info(repository).sha,
    "sizes": {item.path: item.size for item in tree},
    "sha256": {item.path: item.lfs.sha256 for item in tree if item.lfs},
    "blobs": {item.path: item.blob_id for item in tree if not item.lfs},
}))
snapshot_download(repository, endpoint=endpoint, local_dir=target, max_workers=1)
"""


@pytest.fixture
def hub() -> Iterator[StubHub]:
    if not is_set_up():
        skip_or_fail("no client of the Hub", "make engine sets it up with vLLM (3 GB)")
    with StubHub(dict(FILES)) as hub:
        yield hub


def client(hub: StubHub, target: Path) -> Any:
    """What the Hub's own client understands."""
    offline = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HOME": str(target / "home")}
    python = environment() / "bin" / "python"
    command: list[str | Path] = [python, "-c", CLIENT, hub.url, REPOSITORY, target / "model"]
    return json.loads(run(command, env=offline, bound_seconds=120).splitlines()[0])


def test_the_hubs_own_client_reads_the_listing_and_fetches_the_files(hub: StubHub, tmp_path: Path) -> None:
    told = client(hub, tmp_path)
    assert told["commit"] == hub.commit
    assert told["sizes"] == {path: len(content) for path, content in FILES.items()}
    assert set(told["sha256"]) == {WEIGHTS}
    for path, content in FILES.items():
        assert (tmp_path / "model" / path).read_bytes() == content


def test_the_hubs_own_client_goes_on_after_a_cut_too(hub: StubHub, tmp_path: Path) -> None:
    hub.faults = [Fault(WEIGHTS, after_bytes=20_000_000)]
    client(hub, tmp_path)
    assert (tmp_path / "model" / WEIGHTS).read_bytes() == FILES[WEIGHTS]
    assert any(asked.startswith("bytes=") and path.endswith(WEIGHTS) for path, asked, _ in hub.asked)
