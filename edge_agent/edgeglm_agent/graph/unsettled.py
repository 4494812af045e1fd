"""What is for a pane, and not summed up in it yet."""

from abc import ABC, abstractmethod

from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.stat import Moments


class Unsettled(ABC):
    """Messages of one source that are on a sheet, or on a stack."""

    __slots__ = ("_pane", "messages", "source")

    def __init__(self, pane: Pane, source: str) -> None:
        self._pane = pane
        self.source = source
        """By which it was said."""
        self.messages = 0
        """How many messages are to be accounted for."""

    def account(self) -> int:
        """Account in the pane for the messages that came since that was done; return how many."""
        messages, self.messages = self.messages, 0
        if messages:
            self._pane.count(self.source, messages)
        return messages

    @abstractmethod
    def settle(self, before: Moments | None) -> Moments | None:
        """Put what was read into the pane; take the moments of who was settled before, and return those of the last."""
