"""Topic filters of one session: overlapping ones are joined, so that the broker delivers each message once.

With overlapping subscriptions a broker may send a copy for each (MQTT 5, 3.3.4), and copies are not redeliveries.
"""

from collections.abc import Iterable
from itertools import combinations


def non_overlapping(filters: Iterable[str]) -> frozenset[str]:
    """Return filters that match at least the same topics, and no topic twice."""
    levels = {tuple(each.split("/")) for each in filters}
    while pair := _overlapping_pair(levels):
        levels -= set(pair)
        levels.add(_join(*pair))
    return frozenset("/".join(each) for each in levels)


_Levels = tuple[str, ...]


def _overlapping_pair(levels: set[_Levels]) -> tuple[_Levels, _Levels] | None:
    return next((pair for pair in combinations(sorted(levels), 2) if _overlap(*pair)), None)


def _overlap(one: _Levels, other: _Levels) -> bool:
    for left, right in zip(one, other, strict=False):
        if "#" in {left, right}:
            return True
        if left != right and "+" not in {left, right}:
            return False
    longer = max(one, other, key=len)
    shorter = min(one, other, key=len)
    # `a/#` matches `a` too.
    return len(one) == len(other) or (len(longer) == len(shorter) + 1 and longer[-1] == "#")


def _join(one: _Levels, other: _Levels) -> _Levels:
    joined: list[str] = []
    for left, right in zip(one, other, strict=False):
        if "#" in {left, right}:
            return (*joined, "#")
        joined.append(left if left == right else "+")
    return (*joined, "#") if len(one) != len(other) else tuple(joined)
