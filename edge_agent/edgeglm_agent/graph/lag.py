"""Which series holds a watermark back, so that not all have to be asked each time that another one goes on.

It is what a look at all series has found, and holds until one that is new is heard. It is no part of the state: without
it, all are asked, and the watermark is the same.
"""

import msgspec

from edgeglm_agent.graph.partition import Partition, Series


class _Hindmost(msgspec.Struct, frozen=True):
    key: str
    series: Series
    event_ns: int
    arrived_ns: int
    """Nobody in the partition was heard last before then."""


class Lag:
    """Of all partitions of a graph."""

    def __init__(self) -> None:
        self._known: dict[str, _Hindmost] = {}

    def holds(self, name: str, partition: Partition, idle_before_ns: int) -> bool:
        """Tell whether a partition's watermark cannot move, and nobody in it has fallen silent."""
        hindmost = self._known.get(name)
        return (
            hindmost is not None
            and hindmost.arrived_ns >= idle_before_ns
            and hindmost.series.event_ns == hindmost.event_ns
            and partition.series.get(hindmost.key) is hindmost.series
        )

    def note(self, name: str, partition: Partition) -> None:
        """Note which series it is, after the watermark was moved as far as it goes."""
        self._known.pop(name, None)
        if partition.series:
            steady = {key: series for key, series in partition.series.items() if not series.rare}
            key, series = min((steady or partition.series).items(), key=_event_ns)
            arrived_ns = min(each.arrived_ns for each in partition.series.values())
            self._known[name] = _Hindmost(key, series, series.event_ns, arrived_ns)

    def forget(self) -> None:
        """Forget all: somebody new is heard, or the rules are others."""
        self._known.clear()


def _event_ns(item: tuple[str, Series]) -> int:
    return item[1].event_ns
