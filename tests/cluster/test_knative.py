"""Knative's own webhooks, on the Services that the operator makes. Knative itself does not run here."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from edgeglm_operator.reconcile.drift import drift
from edgeglm_operator.resources.knative_service import API_VERSION, needs_of
from tests.cluster.binaries import program

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

MADE: Final = [
    made
    for path in sorted((Path(__file__).parent.parent / "golden").glob("*/out.yaml"))
    for made in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    if made["apiVersion"] == API_VERSION
]


@pytest.fixture(params=MADE, ids=lambda made: made["metadata"]["name"])
def made(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


def test_each_thing_that_is_told_of_must_be_allowed_and_nothing_else(made: dict[str, Any]) -> None:
    """As the condition says it, so it stands in Knative's configuration."""
    needs = needs_of(made)
    assert needs
    assert asked(made, *needs).returncode == 0, asked(made, *needs).stdout
    for need in needs:
        refused = asked(made, *(each for each in needs if each != need))
        assert refused.returncode == 1, need


def test_what_knative_adds_is_no_reason_to_write_again(made: dict[str, Any]) -> None:
    live = yaml.safe_load(asked(made, *needs_of(made)).stdout)
    assert live != made
    assert drift(live, made) is None


def asked(made: dict[str, Any], *configuration: str) -> subprocess.CompletedProcess[str]:
    argv: list[str | Path] = [program("knative-webhook"), *configuration]
    found = subprocess.run(argv, input=json.dumps(made), capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode != 2, found.stderr
    return found
