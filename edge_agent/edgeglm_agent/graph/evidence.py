"""Evidence: a fact about one series that code found, with an id that findings must cite."""

from typing import Final, Literal

import msgspec

EvidenceKind = Literal["Limit", "ZScore", "StateChange", "Silence", "Rate", "Trend"]
MAX_NAMED: Final = 8
"""Of those that a derived property is made of; how many they are is told besides."""


class Among(msgspec.Struct, frozen=True, array_like=True):
    """Whom a derived property is made of, besides its own entity."""

    names: tuple[str, ...]
    """The first of those that were heard."""
    heard: int
    related: int
    """How many they would be if all were heard."""


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """A limit that was passed or is ahead, a value or a mean out of the usual, a state that changed, or silence."""

    id: str
    kind: EvidenceKind
    node: str
    property: str
    """For silence, the source."""
    unit: str
    value: float = 0.0
    """The worst reading for a limit, the slope per second for a rate and per hour for a trend, the window's mean for a
    z-score, for silence the seconds that are expected.
    """
    bound: float = 0.0
    """The limit that was passed or is ahead, the greatest slope that is usual, or the usual mean."""
    limit: str = ""
    """Which of the four limits."""
    ahead_seconds: int = 0
    """Of a trend: in how long that limit is reached."""
    margin: float = 0.0
    """Set where the value is within the limit again, but not by as much as it has to be."""
    onset_ns: int = 0
    z: float = 0.0
    before: str = ""
    after: str = ""
    changes: int = 0
    """How often a state changed; `before` and `after` are those at the begin and the end of the window."""
    among: Among | None = None
    """Of a property that is derived from neighbours."""


def is_alarming(item: Evidence) -> bool:
    """Tell whether an alarm limit was passed, not only a warning limit."""
    return item.kind == "Limit" and item.limit in {"highHigh", "lowLow"}


def signature(evidence: tuple[Evidence, ...]) -> str:
    """Return what is wrong, without its numbers: windows with one signature tell one story and may be told as one."""
    return "|".join(sorted(f"{item.node}\x1f{item.property}\x1f{_said(item)}" for item in evidence))


def speaks_for_itself(evidence: tuple[Evidence, ...]) -> bool:
    """Tell whether a window has something that no other window may be told in place of: a breach, or a change."""
    return any(item.kind in {"Limit", "StateChange"} for item in evidence)


def _said(item: Evidence) -> str:
    return item.limit if item.kind == "Limit" else item.kind
