"""Properties are about results, not about speed: a busy machine must not fail them."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from edgeglm_agent.reason.client import Client
from tests.edge.stub_engine import StubEngine

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def root_log() -> Iterator[None]:
    """As it was: a command that is run here sends all logs to what is standard error just now."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def engine() -> Iterator[StubEngine]:
    """An engine that answers as it is told to."""
    yield from _a_stub()


@pytest.fixture
def edge() -> Iterator[StubEngine]:
    """Another one, at the site."""
    yield from _a_stub()


@pytest.fixture
def cloud() -> Iterator[StubEngine]:
    """Another one, elsewhere."""
    yield from _a_stub()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """What asks them."""
    client = Client()
    yield client
    await client.close()


def _a_stub() -> Iterator[StubEngine]:
    engine = StubEngine()
    engine.start()
    yield engine
    engine.stop()
