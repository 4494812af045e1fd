"""Evidence in words. The same sentence stands in the prompt and in the finding: the reader sees what was asked.

Only moments differ: a finding has dates, a prompt counts from the start of its window.
"""

from collections.abc import Callable, Mapping
from typing import Final

from edgeglm_agent.graph.evidence import Among, Evidence, EvidenceKind
from edgeglm_agent.moment import NANOS_PER_SECOND, rfc3339
from edgeglm_agent.untrusted import spelled

When = Callable[[int], str]

_HOUR: Final = 3600

_NAMES: Final = {
    "high": "high limit",
    "highHigh": "highHigh alarm limit",
    "low": "low limit",
    "lowLow": "lowLow alarm limit",
}


def second(nanos: int) -> str:
    """Write a moment; nobody reads parts of a second."""
    return rfc3339(nanos // NANOS_PER_SECOND * NANOS_PER_SECOND)


def sentence(item: Evidence, when: When = second) -> str:
    """Say what was found, with its numbers; `when` writes moments."""
    told = _lasting(item, when) if item.margin else _TOLD[item.kind](item, when)
    return told if item.among is None else f"{told}, with {_others(item.among)}"


def number(value: float) -> str:
    """Write a number with four significant digits: digits are tokens, and more of them help no model."""
    return f"{value:.4g}"


def _others(among: Among) -> str:
    more = " and others" if among.heard > len(among.names) else ""
    heard = f"{among.heard} of {among.related}"
    return f"{heard}: {', '.join(map(spelled, among.names))}{more}" if among.names else heard


def _unit(item: Evidence) -> str:
    return f" {spelled(item.unit)}" if item.unit else ""


def _series(item: Evidence) -> str:
    return f"{spelled(item.node)} {item.property}"


def _limit(item: Evidence, when: When) -> str:
    beyond = "above" if item.limit.startswith("high") else "below"
    return (
        f"{_series(item)} {number(item.value)}{_unit(item)} is {beyond} its {_NAMES[item.limit]}"
        f" {number(item.bound)} since {when(item.onset_ns)}"
    )


def _lasting(item: Evidence, when: When) -> str:
    within = "below" if item.limit.startswith("high") else "above"
    measured = f"{_series(item)} {number(item.value)}{_unit(item)}"
    return (
        f"{measured} is not yet {number(item.margin)} {within} its"
        f" {_NAMES[item.limit]} {number(item.bound)}, which it passed at {when(item.onset_ns)}"
    )


def _change(item: Evidence, when: When) -> str:
    subject, before, after = _series(item), spelled(item.before), spelled(item.after)
    if item.changes == 1:
        return f"{subject} changed from {before} to {after} at {when(item.onset_ns)}"
    return (
        f"{subject} changed {item.changes} times since {when(item.onset_ns)}, from {before} at first to {after} at last"
    )


def _rate(item: Evidence, _when: When) -> str:
    way = f"{'rises' if item.value > 0 else 'falls'} by {number(abs(item.value))}{_unit(item)}"
    return f"{_series(item)} {way} a second, more than {number(item.bound)}"


def _silence(item: Evidence, when: When) -> str:
    return (
        f"{spelled(item.node)} is silent: nothing from {item.property} since {when(item.onset_ns)},"
        f" expected every {number(item.value)} s"
    )


def _unusual(item: Evidence, _when: When) -> str:
    side = "above" if item.z > 0 else "below"
    return (
        f"{_series(item)} mean {number(item.value)}{_unit(item)} is {abs(item.z):.1f} deviations {side}"
        f" its usual {number(item.bound)}"
    )


def _going(item: Evidence, _when: When) -> str:
    way = f"{'rises' if item.value > 0 else 'falls'} steadily by {number(abs(item.value))}{_unit(item)}"
    ahead = f"{item.ahead_seconds // 60} min" if item.ahead_seconds < 2 * _HOUR else f"{item.ahead_seconds // _HOUR} h"
    limit = f"{_NAMES[item.limit]} {number(item.bound)}"
    return f"{_series(item)} {way} an hour, and passes its {limit} in {ahead} at that pace"


_TOLD: Final[Mapping[EvidenceKind, Callable[[Evidence, When], str]]] = {
    "Limit": _limit,
    "Rate": _rate,
    "StateChange": _change,
    "Silence": _silence,
    "ZScore": _unusual,
    "Trend": _going,
}
