"""Logs, events, metrics and probes."""

import asyncio
import json
import logging
import sys
from collections.abc import Sequence

import aiohttp
import pytest

from edgeglm_api.conditions import Condition
from edgeglm_api.conditions import Status as Word
from edgeglm_api.meta import Metadata
from edgeglm_operator.obs.events import make_event, transitions
from edgeglm_operator.obs.health import Check, HealthServer, Heartbeat
from edgeglm_operator.obs.logs import JsonFormatter, log_context
from edgeglm_operator.obs.metrics import Metrics


def a_condition(status: Word = "True", reason: str = "Serving", message: str = "") -> Condition:
    return Condition(type="Ready", status=status, reason=reason, message=message, last_transition_time="t")


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "levelno": logging.INFO, "levelname": "INFO", "name": "x"})
    for key, value in extra.items():
        setattr(made, key, value)
    return made


def test_a_log_line_is_json_and_says_what_it_is_about() -> None:
    with log_context(kind="EdgeSite", name="box"):
        line = json.loads(JsonFormatter().format(record("applied", count=3)))

    assert {"message", "level", "time", "logger"} <= line.keys()
    assert (line["kind"], line["name"], line["count"]) == ("EdgeSite", "box", 3)


async def test_the_context_of_one_reconcile_does_not_show_in_another() -> None:
    async def lines(name: str) -> list[str]:
        with log_context(name=name):
            first = JsonFormatter().format(record("a"))
            await asyncio.sleep(0)
            return [json.loads(line)["name"] for line in (first, JsonFormatter().format(record("b")))]

    x, y = await asyncio.gather(lines("x"), lines("y"))

    assert (x, y) == (["x", "x"], ["y", "y"])


def test_a_stack_is_one_field() -> None:
    try:
        int("boom")
    except ValueError:
        line = JsonFormatter().format(record("failed", exc_info=sys.exc_info()))

    assert "boom" in json.loads(line)["stack"]
    assert "\n" not in line


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ([], a_condition("Unknown"), False),
        ([], a_condition("True"), False),
        ([], a_condition("False"), True),
        ([a_condition("True")], a_condition("True"), False),
        ([a_condition("True")], a_condition("True", message="other words"), False),
        ([a_condition("True")], a_condition("False"), True),
        ([a_condition("False", "A")], a_condition("False", "B"), True),
        ([a_condition("True")], a_condition("Unknown"), True),
        ([a_condition("Unknown", "A")], a_condition("Unknown", "B"), False),
    ],
)
def test_only_transitions_are_told(before: Sequence[Condition], now: Condition, *, told: bool) -> None:
    assert bool(list(transitions(before, [now]))) == told


def test_the_same_transition_makes_the_same_event() -> None:
    metadata = Metadata(name="llm", namespace="plant", uid="u", resource_version="1")
    first, again, other = (
        make_event("InferenceService", metadata, condition, now=now, instance="i")
        for condition, now in ((a_condition(), "1"), (a_condition(), "2"), (a_condition("False"), "2"))
    )

    assert first["metadata"]["name"] == again["metadata"]["name"] != other["metadata"]["name"]


def test_an_event_keeps_to_the_limits_of_its_kind() -> None:
    metadata = Metadata(name="n" * 253, namespace="plant", uid="u")
    event = make_event("EdgeSite", metadata, a_condition("False", message="x" * 5000), now="t", instance="i")

    assert len(event["metadata"]["name"]) <= 253
    assert len(event["note"]) <= 1024
    assert event["type"] == "Warning"


def test_what_somebody_suspended_is_no_warning() -> None:
    event = make_event("EdgeSite", Metadata(name="x"), a_condition("False", "Suspended"), now="t", instance="i")
    assert event["type"] == "Normal"


async def test_the_probes_say_what_does_not_hold() -> None:
    states = {"alive": True, "listed": False}
    alive, ready = ([Check(name, lambda name=name: states[name])] for name in states)  # type: ignore[misc]
    server = HealthServer(Metrics(), alive=alive, ready=ready)
    port = await server.start("127.0.0.1", 0)

    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        answers = {}
        for path in ("/livez", "/readyz", "/metrics"):
            async with session.get(path) as answer:
                answers[path] = (answer.status, await answer.text())
    await server.stop()

    assert answers["/livez"] == (200, "[+] alive\n")
    assert answers["/readyz"] == (503, "[-] listed\n")
    assert "edgeglm_reconcile_total" in answers["/metrics"][1]


def test_a_loop_that_does_not_turn_is_seen() -> None:
    now = 100.0
    heartbeat = Heartbeat(lambda: now)
    now += 40

    assert heartbeat.age_seconds == 40


def test_a_gauge_asks_when_it_is_read() -> None:
    metrics, value = Metrics(), 1.0
    metrics.measure("edgeglm_some", "text", lambda: value)
    value = 2.0

    assert b"edgeglm_some 2.0" in metrics.render()
