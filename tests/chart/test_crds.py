"""The CRDs in the chart are those of crds/, and fit what carries them."""

import tarfile
from pathlib import Path

import pytest
import yaml
from helm_python import Chart

from tests.chart.rendering import CHART, ROOT, named, of_kind, render

SOURCES = sorted((ROOT / "crds").glob("*.yaml"))
# `kubectl apply` without --server-side keeps the object in an annotation of at most 262,144 bytes.
MAX_BYTES = 200_000

each_crd = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


@each_crd
def test_the_chart_renders_what_crds_says(source: Path) -> None:
    """All but what Helm and Argo CD must know: to leave it in place, and whose it is."""
    wanted = yaml.safe_load(source.read_text())
    rendered = named(render(), "CustomResourceDefinition", wanted["metadata"]["name"])
    kept = {"helm.sh/resource-policy": "keep", "argocd.argoproj.io/sync-options": "Prune=false"}
    assert rendered["metadata"].pop("annotations") == kept
    assert rendered["metadata"].pop("labels")
    assert rendered == wanted


@each_crd
def test_a_packaged_chart_carries_the_same_bytes(source: Path, tmp_path: Path) -> None:
    """In the repository they are a link; in the package they are files."""
    with Chart.load(CHART) as chart, tarfile.open(chart.save(tmp_path)) as package:
        member = package.getmember(f"edgeglm/files/crds/{source.name}")
        content = package.extractfile(member)
        assert member.isfile()
        assert content is not None
        assert content.read() == source.read_bytes()


@each_crd
def test_a_crd_is_small_enough_for_client_side_apply(source: Path) -> None:
    assert source.stat().st_size < MAX_BYTES


def test_all_three_are_there() -> None:
    names = {each["metadata"]["name"] for each in of_kind(render(), "CustomResourceDefinition")}
    assert names == {"inferenceservices.edgeglm.io", "sensorgraphs.edgeglm.io", "edgesites.edgeglm.io"}


def test_the_crds_can_be_left_to_somebody_else() -> None:
    assert of_kind(render({"crds": {"install": False}}), "CustomResourceDefinition") == []
