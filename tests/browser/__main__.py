"""`python -m tests.browser`: the pictures of the page in docs/, from a scene that a real agent hears."""

import re
import sys
import tempfile
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.chromium import PATIENCE_MS, chromium
from tests.cluster.broker import Broker
from tests.cluster.debian import BROKER_PACKAGES, BROWSER_PACKAGES, FONT_PACKAGES, install
from tests.edge.agent_process import AgentProcess
from tests.edge.scene import blame_the_breaker, bundle_of, play
from tests.edge.sensors import Sensors
from tests.edge.stub_engine import StubEngine

DOCS: Final = Path(__file__).parents[2] / "docs" / "pictures"
SCENE: Final = "feeder"
QUIET_ROUNDS: Final = 18
UNTIL_SECONDS: Final = 52.3
"""The window in which the breaker opened is closed, and none after it."""
SIZE: Final[ViewportSize] = {"width": 1440, "height": 940}


def main() -> int:
    """Play the scene, and take the pictures."""
    install([*BROKER_PACKAGES, *BROWSER_PACKAGES, *FONT_PACKAGES])
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        broker, engine, agent = Broker(Path(folder)), StubEngine(blame_the_breaker), AgentProcess(Path(folder))
        try:
            broker.start()
            engine.start()
            agent.configure(bundle_of(SCENE, broker=broker.url, engine=engine.url))
            agent.start()
            sensors = Sensors(broker.port)
            play(SCENE, sensors, quiet_rounds=QUIET_ROUNDS, until=UNTIL_SECONDS)
            _take(browser, f"http://127.0.0.1:{agent.port}/")
            sensors.close()
        finally:
            agent.end()
            engine.stop()
            broker.stop()
    return 0


def _take(browser: Browser, url: str) -> None:
    DOCS.mkdir(exist_ok=True)
    for scheme in ("light", "dark"):
        page = _opened(browser, url, scheme)
        finding = page.locator("#findings button")
        expect(finding).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_role("button", name=re.compile("feeder-3, Feeder; alarm"))).to_be_visible()
        if scheme == "dark":
            finding.hover()
        page.screenshot(path=DOCS / f"page-{scheme}.png", animations="disabled")


def _opened(browser: Browser, url: str, scheme: Literal["light", "dark"]) -> Page:
    page = browser.new_page(viewport=SIZE, color_scheme=scheme, device_scale_factor=2)
    page.goto(url)
    return page


if __name__ == "__main__":
    sys.exit(main())
