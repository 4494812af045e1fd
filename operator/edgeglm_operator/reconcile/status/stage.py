"""What to tell of a rollout of the cloud replicas: where it is, and what it costs meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from edgeglm_operator.observed import Deployment
from edgeglm_operator.reconcile.status.verdict import State, Verdict

ROLLED_BACK: Final = "RolledBack"


How = Literal["Surging", "InPlace", "Recreating"]
_HOW: Final[Mapping[How, str]] = {
    "Surging": "each new one serves before an old one goes",
    "InPlace": "one after the other is replaced in place: an old one ends, then a new one loads on its accelerator",
    "Recreating": "all old ones end first",
}


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a template gave way to the one before, kept on the Deployment."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A replica of the new template has no room beside the old ones."""

    since: str
    """RFC 3339."""
    left_seconds: float
    """Until it has taken too long."""
    accelerator: str = ""
    """The extended resource that a replica takes, if any."""

    @property
    def is_over(self) -> bool:
        """It has taken too long."""
        return self.left_seconds <= 0


def rolled_back(failure: Failure, live: Deployment) -> Verdict:
    """The last good template is there again, or comes back."""
    return Verdict(
        State.FAILED,
        ROLLED_BACK,
        f"{live.ready_replicas} of {live.replicas} replicas of the last good revision are ready; the present spec did"
        f" not come up in time ({failure.reason}: {failure.message}); correct it, and it is tried again",
    )


def failed(live: Deployment) -> Verdict:
    """It did not come up in time; what is left of the old replicas stays."""
    return Verdict(
        State.FAILED,
        "RolloutFailed",
        f"{_replaced(live)}, and no other within spec.timeouts.progressDeadlineSeconds;"
        f" {live.old_replicas} of the previous revision stay; see CloudReady for the reason, and correct the spec",
    )


def waiting(wait: Wait, live: Deployment) -> Verdict:
    """No room for one more yet."""
    what = f"a free {wait.accelerator}" if wait.accelerator else "room"
    return Verdict(
        State.PROGRESSING,
        "WaitingForGPU" if wait.accelerator else "WaitingForRoom",
        f"{_replaced(live)}; since {wait.since} no node has {what} for one more beside the old ones, which go on"
        f" serving; with spec.cloud.rollout.strategy Auto it takes the place of an old one after surgeWaitSeconds",
    )


def underway(how: How, live: Deployment) -> Verdict:
    """It goes on."""
    return Verdict(State.PROGRESSING, how, f"{_replaced(live)}; {_HOW[how]}")


def _replaced(live: Deployment) -> str:
    return f"{live.updated_replicas} of {live.replicas} replicas are of the present spec"
