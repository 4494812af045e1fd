"""The page of a real agent, which hears a scene at a real broker, in a real browser."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import PATIENCE_MS
from tests.edge.conftest import EdgeSite
from tests.edge.scene import blame_the_breaker, bundle_of, play

pytestmark = [pytest.mark.broker, pytest.mark.browser]


def test_a_scene_is_seen_from_the_first_reading_to_the_finding(site: EdgeSite, browser: Browser) -> None:
    site.engine.script = blame_the_breaker
    site.agent.configure(bundle_of("feeder", broker=site.broker.url, engine=site.engine.url))
    site.agent.start()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{site.agent.port}/")
    expect(page.locator("#empty")).to_contain_text("No window closed yet", timeout=PATIENCE_MS)
    expect(page.locator("#vitals")).to_contain_text("Connected")

    play("feeder", site.sensors(), quiet_rounds=1, until=75)
    finding = page.locator("#findings button")
    expect(finding).to_contain_text("q-3 position changed from CLOSED to OPEN", timeout=PATIENCE_MS)
    finding.hover()
    lit = page.locator(".node.lit .who")
    expect(lit).to_have_text(["q-3", "feeder-3"], timeout=PATIENCE_MS)
    expect(page.locator(".edge-name.lit")).to_have_text("switches")
    row = page.locator("tbody", has_text="feeder-3").get_by_role("row", name=re.compile("voltage"))
    expect(row.get_by_role("img", name=re.compile("windows from 0 to 20"))).to_be_visible()
    page.close()
