"""The short way through the fold, for messages that say what such messages mostly say.

A lane is of one topic, one graph and one plain source. It knows beforehand whom the topic speaks of and which partition
that belongs to, reads the numbers, and puts them on the sheet of the pane that they are for. What is not of the kind
that it knows (a first message, one that is late, strange, or refused in part) it leaves as it is for the long way
(`GraphFold.take`), and a property test demands that both come to the same.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from edgeglm_agent.decode.observation import Observation
from edgeglm_agent.decode.plain import Numbers, PlainNumbers
from edgeglm_agent.graph.loose import Loose
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.partition import Partition, Series
from edgeglm_agent.graph.sheet import Sheet, Target
from edgeglm_agent.graph.stat import watched
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.era import Era

NOTHING: Final[Sequence[Closed]] = ()


class Leading(msgspec.Struct, frozen=True):
    """Where lanes lead: the name of a partition, the sheets of its graph, and what moves its watermark."""

    name: str
    partitions: Mapping[str, Partition]
    loose: Loose
    move: Callable[[str, Partition, int], list[Closed]]

    def advance(self, now_ns: int) -> list[Closed]:
        """Move the watermark as far as it goes, and return the windows that this closes."""
        return self.move(self.name, self.partitions[self.name], now_ns)

    def find(self, era: int, number: int, keys: Iterable[str]) -> tuple[Pane, tuple[Series, ...]] | None:
        """Return a pane that is open, and the series of these names; None when one of these is not there."""
        partition = self.partitions.get(self.name)
        pane = partition.panes.get(era, {}).get(number) if partition else None
        if partition is None or pane is None:
            return None
        found = tuple(partition.series.get(key) for key in keys)
        heard = tuple(series for series in found if series is not None)
        return (pane, heard) if len(heard) == len(found) else None


class Lane:
    """Valid as long as the rules of its graph are."""

    def __init__(self, era: Era, leading: Leading, reader: PlainNumbers, about: Observation) -> None:
        self.reader = reader
        """Shared by all lanes of a source."""
        self._to = leading
        self._loose = leading.loose
        self._era = era
        self._slice_ns = era.slice_ns
        measured = tuple(watched(each.property, each.limits) for each in era.readers[about.source].source.measurements)
        self._target = Target(about, measured, expected=about.source in era.expected)
        self._sheets: dict[int, Sheet] = {}
        """By the number of the slice."""
        self._border_ns = 0
        """Before it the series crosses none."""

    def take(self, said: Numbers, arrived_ns: int) -> Sequence[Closed] | None:
        """Fold in what a message said, and return the windows that it closes.

        None, and nothing is done, when it has to go the long way.
        """
        event_ns, values = said
        if not self._era.believes(event_ns, arrived_ns):
            return None
        number = event_ns // self._slice_ns
        sheet = self._sheets.get(number) or self._open(number)
        if sheet is None:
            return None
        sheet.times.append(event_ns)
        sheet.values.extend(values)
        sheet.messages += 1
        self._loose.readings += len(values)
        before = sheet.series.hear(event_ns, arrived_ns)
        if event_ns < self._border_ns:
            return NOTHING
        self._border_ns = self._era.border_ns(event_ns)
        if not self._era.crosses(before, event_ns):
            return NOTHING
        return self._to.advance(arrived_ns)

    def _open(self, number: int) -> Sheet | None:
        found = self._to.find(self._era.number, number, (self._target.key,))
        if found is None:
            return None
        pane, (series,) = found
        self._border_ns = 0  # the series may be another one than before, and begin earlier
        sheet = self._sheets[number] = Sheet(pane, series, self._target, self._sheets)
        self._loose.add(self._to.name, sheet)
        return sheet
