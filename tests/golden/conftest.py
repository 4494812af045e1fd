"""`pytest tests/golden --update-golden` writes the expected outputs anew; the diff is for reading."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/*/out.yaml anew")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """False too when the option is unknown, since this file was not loaded at the start."""
    return bool(request.config.getoption("--update-golden", default=False))
