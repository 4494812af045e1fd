"""All of it at once: the demo keeps every promise."""

import os

import pytest

from tests.cluster.need import skip_or_fail
from tests.demo.__main__ import run

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.node,
    pytest.mark.engine,
    pytest.mark.broker,
    pytest.mark.timeout(1800),
]


def test_the_demo_keeps_every_promise() -> None:
    """From a custom resource to a checked answer on MQTT, with the link cut midway."""
    if os.geteuid() != 0:
        skip_or_fail("no real nodes", "run as root, who may make network namespaces, mounts and cgroups")
    assert run(keep=False) == 0
