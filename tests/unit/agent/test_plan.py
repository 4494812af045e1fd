"""What is asked next, what is told together, and for what it is too late."""

import msgspec

from edgeglm_agent.reason.plan import plan
from edgeglm_agent.reason.urgency import Urgency
from edgeglm_agent.spool.requests import Waiting


def waits(start: int, signature: str = "", *, expires: int = 1000) -> Waiting:
    breach = "high" in signature
    return Waiting(f"l1-{start}", "g", "l1", start, start + 10, expires, signature, breach)


def test_equal_windows_are_told_by_the_newest() -> None:
    only = plan([waits(0), waits(10), waits(20)], 50)
    assert (only.request_id, only.covers, only.expired) == ("l1-20", ("l1-0", "l1-10"), False)


def test_a_breach_is_a_border() -> None:
    only = plan([waits(0), waits(10, "m1 high"), waits(20)], 50)
    assert (only.request_id, only.covers) == ("l1-0", ())
    only = plan([waits(10, "m1 high"), waits(20, "m1 high")], 50)
    assert (only.request_id, only.covers) == ("l1-10", ()), "each window in breach is asked about itself"


def test_what_is_too_old_expires_together_and_before_the_rest() -> None:
    rows = [waits(0, "x", expires=40), waits(10, "y", expires=45), waits(20, expires=99)]
    expired = plan(rows, 50)
    assert (expired.request_id, expired.covers, expired.expired) == ("l1-10", ("l1-0",), True)
    live = plan(rows[2:], 50)
    assert (live.request_id, live.expired, live.expires_ns) == ("l1-20", False, 99)


def test_what_was_well_again_in_between_is_not_one_story() -> None:
    only = plan([waits(0, "m1 z"), waits(20, "m1 z")], 50)
    assert (only.request_id, only.covers) == ("l1-0", ())


def test_a_story_is_as_urgent_as_the_most_urgent_of_its_windows() -> None:
    rows = [waits(0), msgspec.structs.replace(waits(10), priority="High"), waits(20)]
    only = plan(rows, 50)
    assert (only.urgency, only.since_ns) == (Urgency.HIGH, 10)
