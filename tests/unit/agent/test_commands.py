"""Commands over MQTT: heeded once, from who has the key, for this site and graph, just now; all else is counted."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.config.rules import problems_of
from edgeglm_agent.findings import obey
from edgeglm_agent.findings.command import MAX_BYTES, Addressee, BadCommand, verified
from edgeglm_agent.findings.life import state_of
from edgeglm_agent.spool.entry import Message
from edgeglm_agent.spool.findings import all_findings
from edgeglm_agent.spool.maintenance import maintenance_spans
from edgeglm_api.bundle import Commands
from edgeglm_api.sensor_graph import Question, When
from tests.edge.bundles import a_bundle, a_graph
from tests.edge.commander import KEY, signed

from .machine import Machine
from .observations import SECOND, a_message
from .test_findings import answer_all, findings_counted, hear

TOPIC = "commands/line-1"
NOW = 200.0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A site with one finding that goes on."""
    (tmp_path / "key").write_bytes(KEY + b"\n")
    rules = a_graph(
        question=Question(when=When(detectors=("Limit",))),
        commands=Commands(topic=TOPIC, key_file=str(tmp_path / "key")),
    )
    machine = Machine(tmp_path / "site", a_bundle(rules))
    hear(machine, range(8), bad=[3, 4, 5])
    answer_all(machine)
    return machine


def a_command(payload: bytes, *, arrived: float = NOW, **changes: Any) -> Message:
    return a_message(at=arrived, topic=TOPIC, payload=payload, size=len(payload), **changes)


def sent(machine: Machine, *payloads: bytes, **changes: Any) -> None:
    machine.hear(*(a_command(payload, **changes) for payload in payloads))
    machine.fold_all()


def finding_id(machine: Machine) -> str:
    (found,) = all_findings(machine.ledger.db)
    return found.id


def state(machine: Machine) -> str:
    (found,) = all_findings(machine.ledger.db)
    return state_of(found.life, round(NOW * SECOND))


def outcomes(machine: Machine) -> dict[str, int]:
    prefix = "findings.commands_"
    counted = findings_counted(machine).items()
    return {entry.removeprefix(prefix): n for entry, n in counted if entry.startswith(prefix)}


def an_ack(machine: Machine, **command: Any) -> bytes:
    said: dict[str, Any] = {"id": finding_id(machine), "kind": "Acknowledged", "by": "anna"}
    whole: dict[str, Any] = {"at": NOW, "say": said} | command
    return signed(**whole)


def test_who_has_the_key_acknowledges_and_that_outlives_a_crash(machine: Machine) -> None:
    sent(machine, an_ack(machine))
    assert (state(machine), outcomes(machine)) == ("Acknowledged", {"heeded": 1})
    machine.crash()
    assert state(machine) == "Acknowledged"
    books = machine.books()
    assert ("", "", "received") not in books, "a command is no reading"


def test_maintenance_begins_and_ends(machine: Machine) -> None:
    sent(machine, signed(at=NOW, begin={"by": "anna", "seconds": 600, "partition": "l1"}))
    (span,) = maintenance_spans(machine.ledger.db)
    assert (span.partition, span.from_ns, span.until_ns) == ("l1", 200 * SECOND, 800 * SECOND)
    sent(machine, signed(at=NOW + 10, end={"id": span.id}), arrived=NOW + 10)
    (span,) = maintenance_spans(machine.ledger.db)
    assert (span.until_ns, outcomes(machine)) == (210 * SECOND, {"heeded": 2})


def test_a_command_is_heeded_once_however_often_it_comes(machine: Machine) -> None:
    ack = an_ack(machine)
    sent(machine, ack, ack)
    machine.crash()
    sent(machine, ack, arrived=NOW + 299)
    assert outcomes(machine) == {"heeded": 1, "replayed": 2}
    sent(machine, ack, arrived=NOW + 301)
    assert outcomes(machine)["stale"] == 1


def test_one_that_is_signed_ahead_of_our_clock_is_not_forgotten_while_it_is_fresh(machine: Machine) -> None:
    ack = an_ack(machine, at=NOW + 300)
    sent(machine, ack)
    sent(machine, ack, arrived=NOW + 599)
    assert outcomes(machine) == {"heeded": 1, "replayed": 1}


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("forged", {"key": b"another key of sixteen bytes"}),
        ("elsewhere", {"site": "plant/edge-2"}),
        ("elsewhere", {"graph": "line-2"}),
        ("stale", {"at": NOW - 301}),
        ("stale", {"at": NOW + 301}),
        ("malformed", {"nonce": "short"}),
        ("malformed", {"say": {"id": "x", "kind": "Cleared", "by": "anna"}}),
        ("malformed", {"say": {"id": "x", "kind": "Acknowledged", "by": ""}}),
        ("malformed", {"end": {"id": "x"}}),
        ("malformed", {"say": None}),
        ("malformed", {"extra": 1}),
        ("malformed", {"begin": {"by": "anna", "from_ns": 10**30}, "say": None}),
        ("unknown", {"say": {"id": "0123456789abcdef", "kind": "Acknowledged", "by": "anna"}}),
    ],
)
def test_all_else_is_not_heeded_and_counted(machine: Machine, reason: str, changes: dict[str, Any]) -> None:
    sent(machine, an_ack(machine, **changes))
    assert (state(machine), outcomes(machine)) == ("Ongoing", {reason: 1})
    assert maintenance_spans(machine.ledger.db) == []


def test_what_the_broker_retained_is_not_heeded(machine: Machine) -> None:
    sent(machine, an_ack(machine), retained=True)
    assert (state(machine), outcomes(machine)) == ("Ongoing", {"retained": 1})


def test_a_changed_word_is_a_forged_one(machine: Machine) -> None:
    payload = an_ack(machine)
    sent(machine, payload.replace(b"anna", b"emma"), b"", b"{}", b"\xff", b"x" * (MAX_BYTES + 1))
    assert (state(machine), outcomes(machine)) == ("Ongoing", {"forged": 1, "malformed": 4})


def test_the_key_is_read_anew_and_without_one_nothing_is_heeded(machine: Machine, tmp_path: Path) -> None:
    for key, outcome in (
        (b"", "no_key"),
        (b"too short", "no_key"),
        (b"the next key of the site", "forged"),
        (KEY, "heeded"),
    ):
        (tmp_path / "key").write_bytes(key)
        before = outcomes(machine)
        sent(machine, an_ack(machine))
        assert outcomes(machine)[outcome] == before.get(outcome, 0) + 1
    (tmp_path / "key").unlink()
    sent(machine, an_ack(machine))
    assert outcomes(machine)["no_key"] == 3


def test_nonces_are_bounded_and_make_room_when_they_are_old(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obey, "MAX_NONCES", 3)
    sent(machine, *(an_ack(machine) for _ in range(5)))
    assert outcomes(machine) == {"heeded": 3, "too_many": 2}
    sent(machine, an_ack(machine, at=NOW + 700), arrived=NOW + 700)
    assert outcomes(machine)["heeded"] == 4


def test_a_site_has_only_so_much_maintenance(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeglm_agent.findings.maintenance.MAX_SPANS", 1)
    sent(machine, *(signed(at=NOW, begin={"by": "anna", "seconds": number}) for number in (60, 61)))
    assert outcomes(machine) == {"heeded": 1, "too_many": 1}


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: signed(say=text)))
def test_nothing_that_is_sent_raises_anything_but_a_refusal(payload: bytes) -> None:
    with pytest.raises(BadCommand):
        verified(payload, KEY, Addressee("plant/edge-1", "line-1"), 0)


def test_commands_have_a_topic_of_their_own() -> None:
    for topic in ("insights/line-1/all", "plant/l1/m1/vibration", "commands/#", "$SYS/x", ""):
        rules = a_graph(commands=Commands(topic=topic, key_file="/key"))
        assert {each.field for each in problems_of(a_bundle(rules))} == {"graphs[0].commands.topic"}
    rules = a_graph(commands=Commands(topic=TOPIC, key_file="/key"))
    assert problems_of(a_bundle(rules)) == []
    assert b"commands" not in msgspec.json.encode(a_graph()), "bundles without it are what they were"
