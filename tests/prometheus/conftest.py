"""Prometheus' own judge of queries and rules."""

from pathlib import Path

import pytest

from tests.cluster.debian import PROMETHEUS_PACKAGES, MissingPackagesError, install
from tests.cluster.need import skip_or_fail
from tests.prometheus.promtool import Promtool


@pytest.fixture
def promtool(tmp_path: Path) -> Promtool:
    """Installed where it is missing; its files are in a directory of the test."""
    try:
        install(PROMETHEUS_PACKAGES)
    except MissingPackagesError as error:
        skip_or_fail("no promtool", str(error))
    return Promtool(tmp_path)
