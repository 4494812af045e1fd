"""`edgeglm bundle`: what is made for a site that no operator reaches is what its agent takes."""

import stat
from pathlib import Path

import msgspec
import pytest

from edgeglm_agent.config.directory import read_directory
from edgeglm_agent.config.trust import load_trust
from edgeglm_agent.config.verify import Received, Verified, verify
from edgeglm_api.packed import unpack
from edgeglm_operator.cli import main

GRAPH = """\
apiVersion: edgeglm.io/v1alpha1
kind: SensorGraph
metadata: {name: line-1, namespace: plant}
spec:
  sites: {nodeNames: [box-1]}
  broker: {url: "mqtt://127.0.0.1:1883"}
  sources:
  - name: vibration
    topic: plant/{line}/{machine}/vibration
    entity: {type: Machine, id: "{line}/{machine}"}
    measurements: [{property: rms, path: $.rms}]
  window: {sizeSeconds: 10}
  reasoning: {endpoint: {url: "http://127.0.0.1:8000/v1", model: tiny}}
  output: {topic: "insights/{graph}/{partition}"}
"""


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "graph.yaml"
    path.write_text(GRAPH)
    return path


def edgeglm(*arguments: object) -> int:
    return main([str(each) for each in arguments])


def make(graph: Path, folder: Path, *more: object) -> int:
    return edgeglm("bundle", "make", "-f", graph, "--site", "box-1", *more, folder)


def at_the_site(folder: Path) -> Verified:
    return verify(read_directory(folder))


def test_the_agent_takes_what_was_made_and_the_same_files_make_the_same(graph: Path, tmp_path: Path) -> None:
    assert make(graph, tmp_path / "one") == make(graph, tmp_path / "two") == 0
    taken = at_the_site(tmp_path / "one")
    assert taken == at_the_site(tmp_path / "two")
    bundle = taken.bundle
    assert (bundle.namespace, bundle.site, bundle.generation, bundle.graphs[0].name) == ("plant", "box-1", 1, "line-1")


def test_the_generation_counts_contents(graph: Path, tmp_path: Path) -> None:
    folder = tmp_path / "box-1"
    make(graph, folder)
    make(graph, folder)
    assert at_the_site(folder).bundle.generation == 1
    graph.write_text(GRAPH.replace("sizeSeconds: 10", "sizeSeconds: 20"))
    make(graph, folder)
    assert at_the_site(folder).bundle.generation == 2
    make(graph, folder, "--generation", 40)
    assert at_the_site(folder).bundle.generation == 40


def test_signed_and_packed_it_is_still_the_same(
    graph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, key, packed = tmp_path / "box-1", tmp_path / "key.pem", tmp_path / "box-1.bundle"
    make(graph, folder)
    assert edgeglm("bundle", "keygen", key) == 0
    assert edgeglm("bundle", "sign", "--key", key, folder) == 0
    assert edgeglm("bundle", "pack", folder, packed) == 0
    trust = load_trust(tmp_path / "key.pem.pub")
    taken = verify(Received(*unpack(packed.read_bytes())), trust)
    assert taken.bundle == at_the_site(folder).bundle
    assert taken.signer in capsys.readouterr().out
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    make(graph, folder, "--generation", 2)
    assert not (folder / "ed25519").exists(), "a signature over something else would only confuse"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sign", "--key", "none.pem", "DIR"], "none.pem: No such file or directory"),
        (["sign", "--key", "graph.yaml", "DIR"], "graph.yaml has 0 PRIVATE KEYs in PEM; one is needed"),
        (["pack", "empty", "x.bundle"], "empty: holds no bundle; make one with `edgeglm bundle make`"),
        (["keygen", "graph.yaml"], "graph.yaml: File exists"),
        (["make", "-f", "graph.yaml", "--site", "box-2", "x"], "means 0 of the sites that the files and nodes make"),
        (["make", "-f", "no-endpoint.yaml", "--site", "box-1", "x"], "SensorGraph line-1: spec.reasoning.route"),
        (["pack", "changed", "x.bundle"], "changed/sha256: says"),
        (["pack", "broken", "x.bundle"], "broken/bundle.json: bundle.json: is not JSON"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(
    arguments: list[str],
    says: str,
    graph: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("DIR", "changed", "broken"):
        make(graph, Path(folder))
    Path("changed/sha256").write_text("0" * 64)
    Path("broken/bundle.json").write_text("{")
    Path("no-endpoint.yaml").write_text(GRAPH.replace("model: tiny}", "model: tiny}, route: CloudOnly"))
    capsys.readouterr()
    assert edgeglm("bundle", *arguments) == 2
    assert says in capsys.readouterr().err
    assert not Path("x").exists()
    assert not Path("x.bundle").exists()


def test_uids_that_a_cluster_gave_are_kept(graph: Path, tmp_path: Path) -> None:
    graph.write_text(GRAPH.replace("name: line-1,", "name: line-1, uid: 5d1c1f2e-0000-4000-8000-000000000001,"))
    make(graph, tmp_path / "box-1")
    given = at_the_site(tmp_path / "box-1").bundle.graphs[0]
    assert msgspec.to_builtins(given)["uid"] == "5d1c1f2e-0000-4000-8000-000000000001"
