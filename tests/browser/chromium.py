"""Debian's Chromium under Playwright, which would bring a browser of its own."""

import contextlib
from collections.abc import Iterator
from typing import Final

from playwright.sync_api import Browser, sync_playwright

PROGRAM: Final = "/usr/bin/chromium-headless-shell"
PATIENCE_MS: Final = 60_000


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start it, and end it with the block."""
    with sync_playwright() as playwright:
        # Its sandbox needs a user other than root; the pages here are ours.
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield browser
        browser.close()
