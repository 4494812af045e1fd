"""Readings that are for a pane, and not summed up in it yet: many at once cost a third of what they cost one by one.

Who looks at a pane has its sheets settled first. What is in them then is what would be there anyway: statistics come to
the same bits in any order.
"""

from array import array
from collections.abc import Iterable, Sequence

import msgspec

from edgeglm_agent.decode.observation import Observation
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.partition import Series, series_key
from edgeglm_agent.graph.stat import Moments, Watched
from edgeglm_agent.graph.unsettled import Unsettled


class Target(msgspec.Struct, frozen=True, gc=False):
    """Where the readings of a sheet belong."""

    about: Observation
    """Whom they are of, and by which source; without readings and time."""
    measured: tuple[Watched, ...]
    expected: bool = False
    """Whether somebody waits to hear of that entity."""

    @property
    def key(self) -> str:
        """The name of its series."""
        return series_key(self.about)

    def put(self, pane: Pane, columns: Iterable[Sequence[float]], moments: Moments) -> None:
        """Put readings into a pane: of each property a column, with a value for each moment."""
        pane.add(self.about)
        pane.measure(self.about.entity.id, self.measured, columns, moments)
        if self.expected:
            pane.hear(msgspec.structs.replace(self.about, event_ns=moments.last_ns))


class Sheet(Unsettled):
    """What one entity said of some properties together, for one pane."""

    __slots__ = ("_home", "_target", "series", "times", "values")

    def __init__(self, pane: Pane, series: Series, target: Target, home: dict[int, "Sheet"]) -> None:
        super().__init__(pane, target.about.source)
        self._target = target
        self._home = home
        """Where it is found as long as it is not settled."""
        self.series = series
        self.times = array("q")
        self.values = array("d")
        """Of each time, a value for each property."""

    def settle(self, before: Moments | None) -> Moments | None:
        """Put what was read into its pane; return its moments, which are often those of the sheet settled before it."""
        self._home.clear()
        if not self.times:
            return before
        times, values, properties = self.times.tolist(), self.values.tolist(), len(self._target.measured)
        moments = before if before is not None and before.times == times else Moments(times)
        self._target.put(self._pane, [values[at::properties] for at in range(properties)], moments)
        return moments
