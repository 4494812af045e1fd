"""How a reconcile, or a part of it, can end other than well.

Blocked     a person must act; the condition says what to do, and nothing is repeated in haste
NotYet      something must happen first that no event will tell of; look again after a while
Gone        the object is being deleted, is gone, or is another one by now: nothing is to be done for it

Errors of the API server are `KubeError`s. What is none of these is a bug.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from edgeglm_api.conditions import Condition
from edgeglm_operator.reconcile.refused import Refused

NOT_OWNED: Final = "NotOwned"
REFUSED_BY_SERVER: Final = "RefusedByServer"
SERVER_FAILS: Final = "ServerFails"
NOT_ALLOWED: Final = "NotAllowed"
NOT_SERVED: Final = "NotServed"

LOOK_AGAIN_SECONDS: Final = 30

PATIENT: Final = frozenset({"AwaitingTurn", "AwaitingWindow", "UpdateHeld"})
"""Why something is Unknown for days, and what ends it is an event or a moment that is known."""


class Blocked(Exception):  # noqa: N818 - a state, not a fault
    """A person must act."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.refused = Refused(reason, message)


class NotYet(Exception):  # noqa: N818
    """Look again after a while."""

    def __init__(self, message: str, after_seconds: float = 1) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class Gone(Exception):  # noqa: N818
    """Nothing is to be done for this object any more."""


@dataclass(frozen=True, slots=True)
class Result:
    """A reconcile that ended well."""

    again_after_seconds: float | None = None
    """Look again even if nothing happens; None when an event will tell."""
    retry: bool = False
    """Try again as after a failure, later and later: the server failed at a part of it, and the rest is done."""


def result_of(
    conditions: Iterable[Condition], blocked: Refused | None = None, *, at_latest: float | None = None
) -> Result:
    """Look again soon while no event will tell: that a start takes too long, or that a refusal has ended.

    `at_latest` is when a wait is over, in seconds; None when there is none.
    """
    moving = any(condition.status == "Unknown" and condition.reason not in PATIENT for condition in conditions)
    moments = [
        seconds for seconds in (LOOK_AGAIN_SECONDS if moving or blocked else None, at_latest) if seconds is not None
    ]
    return Result(min(moments, default=None), retry=blocked is not None and blocked.reason == SERVER_FAILS)
