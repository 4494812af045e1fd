"""The demo's judge: each promise is broken by the one fault that it is about."""

from dataclasses import replace
from typing import Any

import pytest

from tests.demo.verdict import BAD_MACHINE, Heard, Seen, promises


def an_answer(number: int, *, status: str = "Ok", node: str = f"line-1/{BAD_MACHINE}") -> dict[str, Any]:
    return {"requestId": f"r{number}", "status": status, "findings": [{"nodeIds": [node]}] if status == "Ok" else []}


def a_status(**books: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "sources": [{"received": 12, "duplicate": 2}],
        "windows": {"line-1": {"ask": 2, "quiet": 3}},
    }
    known |= {"findings": {"line-1": {"opened": 1, "cleared": 1, "held": 1}}, "balanced": True, "lost": 0}
    return {"books": known | books, "spool": {"undelivered": 0}}


GOOD = Seen(
    published=10,
    status=a_status(),
    heard=[Heard(5, "insights", an_answer(1)), Heard(25, "insights", an_answer(2)), Heard(26, "i", an_answer(2))],
    cut=(20, 35),
)


def broken(seen: Seen) -> list[str]:
    return [promise.text for promise in promises(seen) if not promise.kept]


def test_a_good_run_keeps_every_promise() -> None:
    assert broken(GOOD) == []
    assert GOOD.lost == 0
    assert GOOD.findings("held") == 1


@pytest.mark.parametrize(
    ("seen", "promise"),
    [
        (replace(GOOD, published=11), "every reading arrived"),
        (replace(GOOD, status=a_status(lost=1)), "every reading arrived"),
        (replace(GOOD, status=a_status(balanced=False)), "the books balance"),
        (replace(GOOD, status=a_status(windows={"line-1": {"quiet": 5}})), "the model was asked"),
        (replace(GOOD, heard=[Heard(25, "i", an_answer(1, node="line-1/press-1"))]), "checked answers that name"),
        (replace(GOOD, heard=[*GOOD.heard[1:], Heard(27, "i", an_answer(2, status="Normal"))]), "answered twice"),
        (replace(GOOD, status=a_status(findings={})), "findings that opened"),
        (replace(GOOD, status=a_status(findings={"line-1": {"opened": 1}})), "findings that opened"),
        (replace(GOOD, heard=GOOD.heard[:1]), "while the link was cut"),
        (replace(GOOD, status=a_status() | {"spool": {"undelivered": 1}}), "every answer reached"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_breaks_its_promise(seen: Seen, promise: str) -> None:
    assert [text for text in broken(seen) if promise in text]
    assert len(broken(seen)) == 1
