"""`make record RELEASE=0.2` writes down what the present operator makes of the golden scenes, for releases to come."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-release", metavar="RELEASE", help="write tests/upgrade/RELEASE anew")


@pytest.fixture(scope="session")
def record_release(request: pytest.FixtureRequest) -> str | None:
    """None too when the option is unknown, since this file was not loaded at the start."""
    release: str | None = request.config.getoption("--record-release", default=None)
    return release
