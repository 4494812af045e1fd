"""A condition keeps its transition time for as long as its status stands."""

from edgeglm_api.conditions import Condition, Status, carry_over

EARLIER, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def ready(status: Status, reason: str = "Serving", time: str = "") -> Condition:
    return Condition(type="Ready", status=status, reason=reason, last_transition_time=time)


def test_a_new_condition_begins_now() -> None:
    assert carry_over([ready("True")], [], now=NOW) == (ready("True", time=NOW),)


def test_a_changed_reason_keeps_the_time() -> None:
    before = [ready("False", "ImagePull", EARLIER)]
    assert carry_over([ready("False", "CrashLoop")], before, now=NOW) == (ready("False", "CrashLoop", EARLIER),)


def test_a_changed_status_begins_anew() -> None:
    assert carry_over([ready("True")], [ready("False", "CrashLoop", EARLIER)], now=NOW) == (ready("True", time=NOW),)


def test_what_is_no_longer_wanted_goes() -> None:
    assert carry_over([], [ready("True", time=EARLIER)], now=NOW) == ()
