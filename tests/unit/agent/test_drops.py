"""A broker's figure of what it dropped is a number, or it is nothing."""

import logging

import pytest

from edgeglm_agent.mqtt.drops import Drops


@pytest.mark.parametrize("payload", [b"", b"-1", b"1.5", b"many", b"9" * 19, b"\xff", "\u0663".encode()])
def test_what_is_no_number_is_not_known(payload: bytes) -> None:
    drops = Drops("mqtt://h")
    drops.heard(payload)
    assert drops.total is None


def test_more_is_an_error_less_is_a_broker_that_began_anew(caplog: pytest.LogCaptureFixture) -> None:
    drops = Drops("mqtt://h")
    with caplog.at_level(logging.ERROR):
        for payload in (b"7", b"7", b"10", b"0"):
            drops.heard(payload)
    assert [record.getMessage().split(",")[0] for record in caplog.records] == ["mqtt://h has dropped 3 messages"]
    assert drops.total == 0
