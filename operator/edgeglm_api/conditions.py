"""Status conditions: what is true of an object, since when, and why.

`Unknown` stands for "in progress or not yet observed"; `False` is kept for what somebody must look at, and
for what somebody has suspended: that serves as little, and its reason tells the two apart.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

Status = Literal["True", "False", "Unknown"]

SUSPENDED: Final = "Suspended"
"""The reason of a condition that is False because somebody wants it so: nothing is wrong."""


class Condition(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One condition, in the shape of Kubernetes' own `metav1.Condition`."""

    type: str
    status: Status
    reason: str
    message: str = ""
    observed_generation: int = 0
    last_transition_time: str = ""
    """RFC 3339, whole seconds, UTC; the moment when `status` last changed."""


def carry_over(wanted: Iterable[Condition], previous: Sequence[Condition], *, now: str) -> tuple[Condition, ...]:
    """Give each wanted condition its transition time: the old one while its status stands, else `now`.

    The order is the caller's, so that a status that did not change compares equal and is not written again.
    """
    before = {condition.type: condition for condition in previous}
    return tuple(_timed(condition, before.get(condition.type), now) for condition in wanted)


def _timed(condition: Condition, previous: Condition | None, now: str) -> Condition:
    unchanged = previous is not None and previous.status == condition.status and previous.last_transition_time
    time = previous.last_transition_time if previous is not None and unchanged else now
    return msgspec.structs.replace(condition, last_transition_time=time)
