"""How much a source may bring in a second of arrival time; what is beyond is dropped before it is decoded."""

import msgspec

from edgeglm_agent.moment import NANOS_PER_SECOND


class Spent(msgspec.Struct, array_like=True):
    """What a source has brought in the second that it last brought something."""

    second: int = 0
    readings: int = 0


class Allowance:
    """The sources of one graph. What is spent is part of the checkpoint: a replay drops the same messages."""

    def __init__(self, spent: dict[str, Spent]) -> None:
        self._spent = spent

    def admits(self, source: str, limit: int | None, arrived_ns: int) -> bool:
        """Tell whether a source may bring something now."""
        return limit is None or self._of(source, arrived_ns).readings < limit

    def spend(self, source: str, limit: int | None, arrived_ns: int, readings: int) -> None:
        """Note what a source has brought."""
        if limit is not None:
            self._of(source, arrived_ns).readings += readings

    def _of(self, source: str, arrived_ns: int) -> Spent:
        spent = self._spent.setdefault(source, Spent())
        second = arrived_ns // NANOS_PER_SECOND
        if spent.second != second:
            spent.second, spent.readings = second, 0
        return spent
