"""All sheets of one graph that are not settled yet."""

from typing import Final

from edgeglm_agent.graph.stat import Moments
from edgeglm_agent.graph.unsettled import Unsettled

MAX_READINGS: Final = 300_000
"""Beyond it sheets are settled though nobody looks; some 16 bytes each."""


class Loose:
    """Owner of the sheets. Those of a partition are settled together."""

    def __init__(self) -> None:
        self._sheets: dict[str, list[Unsettled]] = {}
        self.readings = 0
        """How many came since all were settled."""

    @property
    def partitions(self) -> list[str]:
        """The partitions that there are sheets of."""
        return list(self._sheets)

    def add(self, partition: str, sheet: Unsettled) -> None:
        """Take a new sheet."""
        self._sheets.setdefault(partition, []).append(sheet)

    def account(self, partition: str) -> dict[str, int]:
        """Account for all messages of a partition in its panes; return how many of each source are new there."""
        messages: dict[str, int] = {}
        for sheet in self._sheets.get(partition, ()):
            if counted := sheet.account():
                messages[sheet.source] = messages.get(sheet.source, 0) + counted
        return messages

    def settle(self, partition: str) -> None:
        """Put all of a partition into its panes, when it is accounted for."""
        moments: Moments | None = None
        for sheet in self._sheets.pop(partition, ()):
            moments = sheet.settle(moments)
        if not self._sheets:
            self.readings = 0
