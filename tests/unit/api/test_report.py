"""The report's bounds, the tokens, and what counts as news."""

import json
from typing import Any

import pytest

from edgeglm_api.model import InvalidObject
from edgeglm_api.report import (
    API_VERSION,
    AppliedBundle,
    BookTotals,
    BrokerCounts,
    EndpointCounts,
    Engine,
    Outage,
    Report,
    SpoolUse,
    decode,
    encode,
)
from edgeglm_api.report_health import standing, troubles
from edgeglm_api.reporting_site import ReportingSite, epoch_of, report_path, token_of

KEY = b"k" * 32
SITE = ReportingSite("plant", "box-1", "uid-1")


def a_report(**more: Any) -> Report:
    said: dict[str, Any] = {"api_version": API_VERSION, "boot_id": "0" * 16, "sequence": 1, "sent_at_millis": 0}
    return Report(**(said | more))


def on_the_wire(**more: Any) -> bytes:
    plain = {"apiVersion": API_VERSION, "bootID": "0" * 16, "sequence": 1, "sentAtMillis": 0}
    return json.dumps(plain | more).encode()


def test_a_report_is_read_as_it_was_written() -> None:
    report = a_report(
        agent_version="0.1.0+dev",
        bundle=AppliedBundle(generation=3, sha256="a" * 64, verdict="Applied", reason="Applied"),
        books=BookTotals(received=5, windowed=5),
        outage=Outage(since="2026-01-01T00:00:00Z", until="2026-01-02T00:00:00Z", missed=9),
    )
    assert decode(encode(report)) == report


def test_what_a_newer_agent_says_beside_is_passed_over() -> None:
    assert decode(on_the_wire(mood="good", bundle={"generation": 2, "colour": "red"})).bundle.generation == 2


HOSTILE = {
    "not JSON": b"hello",
    "a list": b"[]",
    "nothing": b"",
    "deep": b'{"x":' * 3000 + b"1" + b"}" * 3000,
    "deep and known": b'{"bundle":' + b"[" * 8000,
    "another version": on_the_wire(apiVersion="agent.edgeglm.io/v9"),
    "no process": on_the_wire(bootID=None),
    "a process with a path": on_the_wire(bootID="../../../etc/pwd"),
    "sequence 0": on_the_wire(sequence=0),
    "a fraction": on_the_wire(sequence=1.5),
    "NaN": on_the_wire(sentAtMillis=float("nan")),
    "infinity": on_the_wire(sentAtMillis=float("inf")),
    "too large a float": on_the_wire(sentAtMillis=1e300),
    "a negative count": on_the_wire(books={"received": -1}),
    "a huge count": on_the_wire(books={"received": 2**53}),
    "a huge number": on_the_wire(books={"received": 10**400}),
    "a count in words": on_the_wire(books={"received": "many"}),
    "another verdict": on_the_wire(bundle={"verdict": "Perfect"}),
    "a long message": on_the_wire(bundle={"message": "x" * 513}),
    "a digest that is none": on_the_wire(bundle={"sha256": "A" * 64}),
    "a reason with a line end": on_the_wire(bundle={"reason": "Applied\n"}),
    "a version with an escape": on_the_wire(agentVersion="0.1\x1b[2J"),
    "many graphs": on_the_wire(refusedGraphs=[{"graph": f"g{n}"} for n in range(13)]),
    "a graph without a name": on_the_wire(refusedGraphs=[{"graph": ""}]),
    "a name twice": on_the_wire(engines=[{"name": "a"}, {"name": "a"}]),
    "many engines": on_the_wire(engines=[{"name": f"e{n}"} for n in range(9)]),
    "more than all": on_the_wire(engines=[{"name": "e", "kvCacheUsagePercent": 101}]),
    "a moment that is none": on_the_wire(outage={"since": "yesterday", "until": "now"}),
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_what_is_out_of_bounds_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidObject):
        decode(raw)


def test_a_token_is_good_for_one_site_one_uid_and_one_epoch() -> None:
    token = token_of(SITE, KEY, epoch=2)
    assert epoch_of(token, SITE, KEY) == 2
    for other in (SITE._replace(namespace="other"), SITE._replace(name="box-2"), SITE._replace(uid="uid-2")):
        assert epoch_of(token, other, KEY) is None
    assert epoch_of(token, SITE, b"l" * 32) is None
    assert epoch_of("3" + token[1:], SITE, KEY) is None


def test_names_that_run_together_make_different_tokens() -> None:
    one, other = ReportingSite("a", "b-c", "u"), ReportingSite("a-b", "c", "u")
    assert token_of(one, KEY, epoch=1) != token_of(other, KEY, epoch=1)


@pytest.mark.parametrize("token", ["", ".", "1", "1.", "-1.00", "x.00", "1" * 4000 + ".00", "\uff11.00", "1.é"])
def test_what_is_no_token_is_none(token: str) -> None:
    assert epoch_of(token, SITE, KEY) is None


def test_the_address_names_the_site() -> None:
    assert report_path(SITE) == "/v1/sites/plant/box-1/uid-1/report"


@pytest.mark.parametrize(
    ("said", "skew", "reason"),
    [
        ({"books": BookTotals(balanced=False)}, 0, "BooksUnbalanced"),
        ({"spool": SpoolUse(blocked="the raw log cannot be written")}, 0, "SpoolBlocked"),
        ({"brokers": BrokerCounts(desired=2, connected=1, reason="Unreachable")}, 0, "BrokerUnreachable"),
        ({"endpoints": EndpointCounts(desired=2, usable=1, reason="SecretMissing")}, 0, "EndpointUnusable"),
        ({"engines": (Engine(name="llm", serving=False),)}, 0, "EngineUnreachable"),
        ({"engines": (Engine(name="llm", serving=True, model="glm"),)}, 0, "ModelMissing"),
        ({}, 31, "ClockSkew"),
        ({}, -31, "ClockSkew"),
    ],
)
def test_what_is_wrong_has_a_word(said: dict[str, Any], skew: int, reason: str) -> None:
    assert [trouble.reason for trouble in troubles(a_report(**said), skew)] == [reason]


@pytest.mark.parametrize(
    "said", [{}, {"books": BookTotals(received=1, lost=1)}, {"brokers": BrokerCounts(desired=1, connected=0)}]
)
def test_a_broker_that_was_not_tried_yet_and_old_damage_are_no_trouble(said: dict[str, Any]) -> None:
    assert list(troubles(a_report(**said), 30)) == []


def test_numbers_are_no_news() -> None:
    def engines(tokens: int) -> tuple[Engine, ...]:
        return (Engine(name="llm", serving=True, model_present=True, generation_tokens=tokens),)

    before = a_report(spool=SpoolUse(used_bytes=1), books=BookTotals(received=1), engines=engines(1), sent_at_millis=1)
    after = a_report(spool=SpoolUse(used_bytes=9), books=BookTotals(received=9), engines=engines(9), sent_at_millis=9)
    assert standing(before, 0) == standing(after, 5)


@pytest.mark.parametrize(
    "news",
    [
        {"boot_id": "1" * 16},
        {"bundle": AppliedBundle(generation=2)},
        {"bundle": AppliedBundle(verdict="Rejected", reason="Invalid")},
        {"spool": SpoolUse()},
        {"engines": (Engine(name="llm", serving=True, model_present=True),)},
        {"brokers": BrokerCounts(desired=1, reason="Unreachable")},
        {"endpoints": EndpointCounts(desired=1, reason="SecretMissing")},
        {"outage": Outage(since="2026-01-01T00:00:00Z", until="2026-01-02T00:00:00Z")},
    ],
)
def test_what_conditions_follow_from_is_news(news: dict[str, Any]) -> None:
    assert standing(a_report(), 0) != standing(a_report(**news), 0)
