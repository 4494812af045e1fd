"""All sheets of one graph that are not settled yet."""

from typing import Final

from edgeglm_agent.graph.sheet import Sheet
from edgeglm_agent.graph.stat import Moments

MAX_READINGS: Final = 100_000
"""Beyond it sheets are settled though nobody looks; some 70 bytes each."""


class Loose:
    """Owner of the sheets. Those of a partition are settled together."""

    def __init__(self) -> None:
        self._sheets: dict[str, list[Sheet]] = {}
        self.readings = 0
        """How many came since all were settled."""

    @property
    def partitions(self) -> list[str]:
        """The partitions that there are sheets of."""
        return list(self._sheets)

    def add(self, partition: str, sheet: Sheet) -> None:
        """Take a new sheet."""
        self._sheets.setdefault(partition, []).append(sheet)

    def settle(self, partition: str) -> dict[str, int]:
        """Put all of a partition into its panes; return of how many messages of each source that was."""
        messages: dict[str, int] = {}
        moments: Moments | None = None
        for sheet in self._sheets.pop(partition, ()):
            moments = sheet.settle(moments)
            if sheet.messages:
                messages[sheet.source] = messages.get(sheet.source, 0) + sheet.messages
        if not self._sheets:
            self.readings = 0
        return messages
