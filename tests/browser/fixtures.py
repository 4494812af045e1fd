"""pytest fixtures: a real Chromium, driven by Playwright; headless, and without any other network than loopback."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import chromium
from tests.cluster.debian import BROWSER_PACKAGES, MissingPackagesError, install
from tests.cluster.need import skip_or_fail


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser. Tests that use it are not async: Playwright's own loop runs in their thread."""
    try:
        install(BROWSER_PACKAGES)
    except MissingPackagesError as error:
        skip_or_fail("no Chromium", str(error))
    with chromium() as started:
        yield started
