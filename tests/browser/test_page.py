"""The page in a real browser: what it shows, that it says so when it does not know, and that names stay text."""

import re
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from edgeglm_agent.config.pins import RefusedGraph
from edgeglm_agent.findings.life import Life
from edgeglm_agent.health.status import ReportingStatus
from edgeglm_agent.page.partition_view import partition_id
from edgeglm_agent.spool.entry import Message
from edgeglm_agent.spool.findings import StoredFinding
from edgeglm_api.answer import Finding
from edgeglm_api.sensor_graph import EntityRef, Measurement, SourceRelation
from tests.browser.chromium import PATIENCE_MS
from tests.browser.served import Served, a_broker, a_config, a_spool, a_status
from tests.edge.bundles import GRAPH_UID, a_bundle, a_graph, a_source

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE_MS)

BUNDLE: Final = a_bundle(
    a_graph(
        sources=(
            a_source(
                topic="plant/{line}/vibration",
                entity=EntityRef(type="Machine", id="{$.name}"),
                relations=(SourceRelation(type="partOf", to=EntityRef(type="Line", id="{line}")),),
            ),
            a_source(
                name="feeding",
                topic="plant/{line}/feeds",
                entity=EntityRef(type="Machine", id="{$.name}"),
                measurements=(Measurement(property="parts", path="$.parts", unit="1/s"),),
                relations=(
                    SourceRelation(type="feeds", to=EntityRef(type="Machine", id="{$.to}")),
                    SourceRelation(type="partOf", to=EntityRef(type="Line", id="{line}")),
                ),
            ),
        ),
        graph=msgspec.structs.replace(a_graph().graph, max_nodes=256, max_edges=512),
    )
)
HOSTILE: Final = (
    "<img src=x onerror=globalThis.pwned=1>",
    "</bdi></button><script>globalThis.pwned=1</script>",
    "javascript:globalThis.pwned=1//'\"`${globalThis.pwned=1}",
    "W" * 128,
    "شرق-\u05d0\u05d1\u05d2-1",
    "__proto__",
    "constructor",
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "spool", BUNDLE)
    yield made
    made.close()


@pytest.fixture
def opened(browser: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    """Opens the page; whatever it complains of, or asks elsewhere for, fails the test."""
    complaints: list[str] = []
    asked: list[str] = []
    contexts = []

    def open_page(fragment: str = "", **options: Any) -> Page:
        contexts.append(context := browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | options)))
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(f"{served.url}/{fragment}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    # That nobody answers is what some of the tests are about.
    assert [said for said in complaints if "net::ERR" not in said] == []
    assert [url for url in asked if not url.startswith(f"{served.url}/")] == []


def a_reading(name: str, rms: float, *, at: float, line: str = "l1") -> Message:
    return a_message(f"plant/{line}/vibration", {"ts": at, "rms": rms, "name": name}, at=at)


def a_feed(name: str, to: str, *, at: float, line: str = "l1") -> Message:
    return a_message(f"plant/{line}/feeds", {"ts": at, "parts": 3, "name": name, "to": to}, at=at)


def a_message(topic: str, body: dict[str, Any], *, at: float) -> Message:
    payload = msgspec.json.encode(body)
    return Message(
        round(at * 1e9), "mqtt://127.0.0.1:1883", 1, 0, dup=False, topic=topic, payload=payload, size=len(payload)
    )


def a_window(served: Served, *readings: tuple[str, float], line: str = "l1", ago: float = 4) -> None:
    """One window with a reading of each, and later ones that close it."""
    then = time.time() - ago
    names = [name for name, _ in readings]
    served.hear([a_reading(name, rms, at=then, line=line) for name, rms in readings])
    served.hear([a_feed(name, to, at=then, line=line) for name, to in pairwise(names)])
    # Nobody may hold the watermark back: whoever fed is heard once more.
    served.hear([a_reading(name, rms, at=then + 3, line=line) for name, rms in readings])
    served.hear([a_feed(name, to, at=then + 3, line=line) for name, to in pairwise(names)])


def a_finding(nodes: tuple[str, ...] = ("press-2",), *, line: str = "l1", **changes: Any) -> StoredFinding:
    finding = Finding(
        key=f"Anomaly/{line}",
        kind="Anomaly",
        severity="Critical",
        statement=f"{nodes[0]} rms 12 mm/s is above its highHigh alarm limit 11 since 2026-11-28T08:00:41Z",
        node_ids=nodes,
        evidence_ids=("e1",),
        confidence="High",
        comment="worn bearing",
    )
    now_ns = time.time_ns()
    series = tuple((node, "rms") for node in nodes)
    life = Life(msgspec.structs.replace(finding, **changes), series, opened_ns=now_ns - 10**10, seen_ns=now_ns)
    return StoredFinding(f"f-{line}", GRAPH_UID, line, life)


def entity(page: Page, name: str) -> Locator:
    return page.locator(".node", has=page.get_by_text(name, exact=True))


def beyond(page: Page) -> list[str]:
    """What makes the page wider than the window."""
    found: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? []
            : [...document.querySelectorAll("body *:not(#drawing *)")]
                .filter((each) => each.getBoundingClientRect().right > innerWidth)
                .map((each) => each.outerHTML.slice(0, 200))"""
    )
    return found


def dimmed(page: Page) -> set[str]:
    return set(page.locator(".node:not(.lit) .who").all_text_contents())


def test_what_is_wrong_stands_out_in_colour_in_a_mark_and_in_words(served: Served, opened: Callable[..., Page]) -> None:
    a_window(served, ("press-1", 2.0), ("press-2", 12.0))
    page = opened()
    ill = page.get_by_role("button", name="press-2, Machine; alarm; press-2 rms 12 mm/s is above its highHigh")
    expect(ill).to_contain_text("‼")
    expect(ill).to_contain_text("12 mm/s")
    well, alarm = (
        entity(page, name).evaluate("e => getComputedStyle(e).backgroundColor") for name in ("press-1", "press-2")
    )
    assert well != alarm
    row = page.get_by_role("row", name="rms alarm")
    expect(row.locator(".mean")).to_have_text("12.00")
    expect(row.get_by_role("img", name=re.compile("^1 window from 12 to 12, 12 in the last"))).to_be_visible()
    expect(page.locator("path.edge")).to_have_count(3)
    expect(page.get_by_role("link", name="alarm l1")).to_have_attribute("aria-current", "true")


def test_what_rose_for_an_hour_has_an_arrow_and_the_limit_ahead_is_told(
    served: Served, opened: Callable[..., Page]
) -> None:
    begin = (time.time() // 300 - 14) * 300
    served.hear([a_reading("press-1", 2 + minute / 20, at=begin + minute * 60) for minute in range(66)])
    row = opened().get_by_role("row", name="rms unusual")
    expect(row.get_by_role("img", name="3 mm/s an hour")).to_have_text("↗")
    expect(row).to_have_class("Unusual")


def test_a_findings_evidence_lights_up_for_the_pointer_and_for_the_keyboard(
    served: Served, opened: Callable[..., Page]
) -> None:
    a_window(served, ("press-1", 2.0), ("press-2", 12.0), ("press-3", 2.0))
    served.find(a_finding(("press-2", "press-3")))
    page = opened()
    finding = page.get_by_role("button", name=re.compile("^Critical"))
    expect(finding).to_contain_text("Model, unverified: worn bearing")
    everybody = {"press-1", "press-2", "press-3", "l1"}
    expect(entity(page, "press-3")).to_be_visible()
    assert dimmed(page) == everybody
    finding.hover()
    expect(page.locator("#drawing.lighting .node.lit")).to_have_count(2)
    assert dimmed(page) == {"press-1", "l1"}
    expect(page.locator("path.edge.lit")).to_have_count(1)
    expect(page.locator("tr.lit")).to_have_count(2)
    page.mouse.move(0, 0)
    expect(page.locator(".node.lit")).to_have_count(0)
    finding.focus()
    expect(page.locator(".node.lit")).to_have_count(2)
    page.keyboard.press("Enter")
    expect(finding).to_have_attribute("aria-pressed", "true")
    page.locator("h1").evaluate("() => document.activeElement.blur()")
    expect(page.locator(".node.lit")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator(".node.lit")).to_have_count(0)


def test_everything_can_be_reached_by_the_tab_key(served: Served, opened: Callable[..., Page]) -> None:
    a_window(served, ("press-1", 2.0), ("press-2", 12.0))
    served.find(a_finding())
    page = opened()
    expect(entity(page, "l1")).to_be_visible()
    reached = []
    for _ in range(9):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.textContent"))
    assert reached[0] == "Skip to the graph"
    wanted = ("l1", "press-1", "press-2", "l1", "press-2 rms 12")
    places: list[int] = []
    for want in wanted:
        places.append(next(at for at, text in enumerate(reached) if want in text and at > max(places, default=0)))
    assert places == sorted(places)


def test_focus_stays_when_new_data_comes(served: Served, opened: Callable[..., Page]) -> None:
    a_window(served, ("press-1", 2.0), ("press-2", 12.0), ago=10)
    page = opened()
    entity(page, "press-2").focus()
    a_window(served, ("press-1", 2.0), ("press-2", 3.0), ("press-0", 2.0))
    expect(entity(page, "press-0")).to_be_visible()
    expect(entity(page, "press-2")).to_be_focused()
    expect(entity(page, "press-2")).to_have_class(re.compile(r"\bWell\b"))


def test_names_stay_text_whatever_sensors_call_themselves(served: Served, opened: Callable[..., Page]) -> None:
    a_window(served, *((name, 12.0) for name in HOSTILE), line=HOSTILE[0])
    served.find(a_finding(HOSTILE, line=HOSTILE[0], comment=HOSTILE[1]))
    served.status = a_status(site=HOSTILE[1], brokers=[a_broker(url=HOSTILE[0], connected=False, failure=HOSTILE[3])])
    page = opened()
    for name in HOSTILE:
        expect(entity(page, name).first).to_be_visible()
    page.locator("#findings button").hover()
    expect(page.locator(".node.lit")).to_have_count(len({*HOSTILE}))
    assert page.evaluate("() => globalThis.pwned") is None
    assert page.locator("img, script:not([src]), iframe").count() == 0
    assert page.locator("script").count() == 1
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert beyond(page) == [], f"overflows at {width}"


def test_marks_that_turn_the_direction_of_writing_are_shown_and_turn_nothing(
    served: Served, opened: Callable[..., Page]
) -> None:
    served.status = a_status(site="box-\u202e1-egde")
    served.find(a_finding(statement="press-2 \u2067rms\u202e 21 is high"))
    page = opened()
    expect(page.locator("#site")).to_contain_text("box-\ufffd1-egde")
    expect(page.locator(".statement")).to_have_text("press-2 \ufffdrms\ufffd 21 is high")


def test_before_a_bundle_it_says_so_and_why(served: Served, opened: Callable[..., Page]) -> None:
    served.status = None
    served.config = a_config(
        bundle=msgspec.structs.replace(a_config().bundle, generation=0, message="sha256 does not match"),
    )
    page = opened()
    expect(page.locator("#empty")).to_have_text("No bundle is applied yet: the agent does not know what to listen to.")
    expect(page.locator("#vitals")).to_contain_text("sha256 does not match")
    expect(page.locator("#nothing")).to_have_text("There is no site yet.")


def test_before_a_window_it_says_so_and_why(served: Served, opened: Callable[..., Page]) -> None:
    served.status = a_status(brokers=[a_broker(connected=False, reason="Unreachable", failure="connection refused")])
    page = opened()
    expect(page.locator("#empty")).to_have_text("No window closed yet. The broker cannot be heard.")
    expect(page.locator("#graphs")).to_contain_text("no window closed yet")
    expect(page.locator("#vitals .ill")).to_contain_text("Not connected")
    expect(page.locator("#nothing")).to_have_text("No finding is open.")
    expect(page.locator("#series")).to_be_hidden()
    served.status = a_status()
    a_window(served, ("press-1", 2.0))
    expect(entity(page, "press-1")).to_be_visible()
    expect(page.locator("#empty")).to_be_hidden()


def test_what_is_ill_around_the_graph_is_told_with_its_reason(served: Served, opened: Callable[..., Page]) -> None:
    engine = msgspec.structs.replace(a_status().endpoints[0], state="Open", last_error="503 from the engine")
    served.status = a_status(endpoints=[engine], spool=a_spool(blocked="the disk has no room"))
    served.config = a_config(
        source=msgspec.structs.replace(a_config().source, state="Stale", stale_seconds=7260.0, failure="no route"),
        reports=ReportingStatus(7, {"Refused": 1}, "2026-11-28T08:00:00Z", "401 from the receiver"),
    )
    page = opened()
    ill = page.locator("#vitals .ill")
    for told in (
        "503 from the engine",
        "the disk has no room",
        "not confirmed for 2 h: no route",
        "401 from the receiver",
    ):
        expect(ill.filter(has_text=told)).to_be_visible()
    served.config = a_config(refused_graphs=[RefusedGraph("line-2", "EndpointNotPinned", "asks elsewhere")])
    expect(ill.filter(has_text="line-2 does not run here: asks elsewhere")).to_be_visible()


def test_old_data_is_called_stale(served: Served, opened: Callable[..., Page]) -> None:
    a_window(served, ("press-1", 2.0), ago=600)
    page = opened()
    expect(page.locator("#age.stale")).to_contain_text("Stale: no window has closed for 10 min")


def test_when_the_agent_is_gone_it_says_so_until_it_is_back(served: Served, opened: Callable[..., Page]) -> None:
    a_window(served, ("press-1", 2.0))
    page = opened()
    expect(page.locator("#pulse")).to_contain_text("Live")
    served.stop()
    expect(page.get_by_role("alert")).to_have_text(re.compile("The agent does not answer"))
    expect(page.locator("#pulse")).to_contain_text("No answer since")
    expect(entity(page, "press-1")).to_be_visible()
    served.start()
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator("#pulse")).to_contain_text("Live")


def test_each_partition_has_its_address(served: Served, opened: Callable[..., Page]) -> None:
    a_window(served, ("press-1", 2.0), line="l1")
    a_window(served, ("mill-1", 12.0), line="l2")
    served.find(a_finding(("mill-1",), line="l2"))
    page = opened(f"#{partition_id((GRAPH_UID, 'l2'))}")
    expect(entity(page, "mill-1")).to_be_visible()
    page.get_by_role("link", name="l1").click()
    expect(entity(page, "press-1")).to_be_visible()
    expect(entity(page, "mill-1")).to_have_count(0)
    page.locator("#findings button").click()
    expect(entity(page, "mill-1")).to_have_class(re.compile(r"\blit\b"))


def test_the_largest_graph_scrolls_in_its_frame(served: Served, opened: Callable[..., Page]) -> None:
    a_window(served, *((f"machine-{number:03}", 2.0) for number in range(255)))
    page = opened()
    expect(page.locator(".node")).to_have_count(256)
    assert beyond(page) == []
    boxes = page.locator(".node").evaluate_all("all => all.map(each => [each.offsetLeft, each.offsetTop])")
    assert len({tuple(box) for box in boxes}) == 256


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_people_who_see_little_or_nothing_can_use_it(served: Served, opened: Callable[..., Page], scheme: str) -> None:
    a_window(served, ("press-1", 2.0), ("press-2", 12.0), ("press-3", 8.0))
    served.find(a_finding())
    served.status = a_status(brokers=[a_broker(connected=False, failure="connection refused")])
    page = opened(color_scheme=scheme)
    expect(entity(page, "press-2")).to_be_visible()
    result = Axe().run(page)
    assert result.violations_count == 0, result.generate_report()
