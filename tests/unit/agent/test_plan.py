"""What is asked next, what is told together, and for what it is too late."""

import msgspec

from edgeglm_agent.reason.plan import plan
from edgeglm_agent.reason.urgency import Urgency
from edgeglm_agent.spool.requests import Waiting


def waits(start: int, signature: str = "", *, expires: int = 1000, partition: str = "l1") -> Waiting:
    breach = "high" in signature
    return Waiting(f"{partition}-{start}", "g", partition, start, start + 10, expires, signature, breach)


def test_equal_windows_are_told_by_the_newest() -> None:
    (only,) = plan([waits(0), waits(10), waits(20)], (), 50)
    assert (only.request_id, only.covers, only.expired) == ("l1-20", ("l1-0", "l1-10"), False)


def test_a_breach_is_a_border() -> None:
    (only,) = plan([waits(0), waits(10, "m1 high"), waits(20)], (), 50)
    assert (only.request_id, only.covers) == ("l1-0", ())
    (only,) = plan([waits(10, "m1 high"), waits(20, "m1 high")], (), 50)
    assert (only.request_id, only.covers) == ("l1-10", ()), "each window in breach is asked about itself"


def test_one_of_a_partition_at_a_time_and_partitions_in_the_order_of_their_age() -> None:
    rows = [waits(30), waits(5, partition="l2"), waits(20, partition="l3")]
    assert [each.request_id for each in plan(rows, (), 50)] == ["l2-5", "l3-20", "l1-30"]
    assert [each.request_id for each in plan(rows, {("g", "l2")}, 50)] == ["l3-20", "l1-30"]


def test_what_is_too_old_expires_together_and_first() -> None:
    rows = [waits(0, "x", expires=40), waits(10, "y", expires=45), waits(20, expires=99), waits(1, partition="l2")]
    expired, live = plan(rows, (), 50)
    assert (expired.request_id, expired.covers, expired.expired) == ("l1-10", ("l1-0",), True)
    assert live.request_id == "l2-1"


def test_what_was_well_again_in_between_is_not_one_story() -> None:
    (only,) = plan([waits(0, "m1 z"), waits(20, "m1 z")], (), 50)
    assert (only.request_id, only.covers) == ("l1-0", ())


def test_a_story_is_as_urgent_as_the_most_urgent_of_its_windows() -> None:
    rows = [waits(0), msgspec.structs.replace(waits(10), priority="High"), waits(20)]
    (only,) = plan(rows, (), 50)
    assert (only.urgency, only.since_ns) == (Urgency.HIGH, 10)
