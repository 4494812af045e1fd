"""The health scripts over objects of every state, as the operator writes them."""

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.argocd.health import CUSTOMIZATIONS, KINDS, ROOT, Health, health_of, recorded

CASES = [(kind, path, wanted) for kind in KINDS for path, wanted in recorded(kind)]
TELLING = {"InferenceService": "Ready", "SensorGraph": "Ready", "EdgeSite": "AgentReady"}
CASE_IDS = [f"{kind}-{path.stem}" for kind, path, _ in CASES]

each_case = pytest.mark.parametrize(("kind", "path", "wanted"), CASES, ids=CASE_IDS)
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_case
def test_argo_cd_says(kind: str, path: Path, wanted: Health) -> None:
    assert health_of(kind, _load(path)) == wanted


@each_case
def test_a_test_object_is_one_that_the_crd_admits(kind: str, path: Path, wanted: Health) -> None:
    """A field that is renamed in the CRD must be renamed here, and in the script that reads it."""
    _validator(kind).validate({**_load(path), "metadata": {}})
    assert path.stem.startswith(wanted.status.lower())


@each_kind
def test_every_test_object_is_used(kind: str) -> None:
    recordings = sorted((CUSTOMIZATIONS / kind / "testdata").glob("*.yaml"))
    assert recordings == sorted(path for path, _ in recorded(kind))


@each_kind
def test_every_answer_is_given_somewhere(kind: str) -> None:
    assert {wanted.status for _, wanted in recorded(kind)} == {"Progressing", "Healthy", "Degraded", "Suspended"}


@pytest.mark.parametrize(("kind", "condition"), TELLING.items())
def test_a_condition_without_a_message_is_told_by_its_reason(kind: str, condition: str) -> None:
    """The operator leaves an empty message out."""
    manifest = _observed([{"type": condition, "status": "Unknown", "reason": "Pending"}])
    assert health_of(kind, manifest) == Health("Progressing", "Pending")


@each_kind
def test_no_condition_yet_is_progress(kind: str) -> None:
    assert health_of(kind, _observed([])).status == "Progressing"


def test_the_script_cannot_use_what_argo_cd_does_not_open() -> None:
    """The harness is as strict as Argo CD: these names are nil there."""
    for kind in KINDS:
        script = (CUSTOMIZATIONS / kind / "health.lua").read_text()
        assert not [name for name in ("string.", "os.", "math.", "require", ":gsub", ":match") if name in script]


@each_kind
def test_the_patch_for_argo_cd_s_settings_holds_the_same_script(kind: str) -> None:
    """Until the scripts are part of Argo CD itself, they are put into its ConfigMap."""
    patch = yaml.safe_load((ROOT / "argocd" / "argocd-cm.patch.yaml").read_text())
    script = (CUSTOMIZATIONS / kind / "health.lua").read_text()
    assert patch["data"][f"resource.customizations.health.edgeglm.io_{kind}"] == script


def _observed(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "conditions": conditions}}


def _load(path: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = yaml.safe_load(path.read_text())
    return manifest


@functools.cache
def _validator(kind: str) -> Draft202012Validator:
    texts = [path.read_text() for path in sorted((ROOT / "crds").glob("*.yaml"))]
    # The loader in C: the CRDs are long.
    crds = [yaml.load(text, Loader=yaml.CSafeLoader) for text in texts]
    [crd] = [crd for crd in crds if crd["spec"]["names"]["kind"] == kind]
    return Draft202012Validator(_strict(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))


def _strict(schema: Any) -> Any:
    """Unknown fields are an error, where the API server would drop them without a word."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _strict(value) for key, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        closed["additionalProperties"] = False
    return closed
