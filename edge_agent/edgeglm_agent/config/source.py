"""The ways on which bundles come."""

from typing import Protocol

from edgeglm_agent.config.verify import Received


class SourceAway(Exception):  # noqa: N818 - names what is the case
    """Nothing came, so nothing is known of a newer bundle; the last good one stays."""


class Source(Protocol):
    """One way."""

    @property
    def mounted(self) -> bool:
        """Whether it lies on this machine.

        Then whoever runs the machine put it there: it may name a new site. And it may be met half written.
        """
        ...

    @property
    def address(self) -> str:
        """Where it is, for people."""
        ...

    def pause_seconds(self) -> float:
        """Return how long to wait before the next read."""
        ...

    async def read(self) -> Received:
        """Return the bundle as it is now; raises SourceAway, and BundleRejected when what came cannot be one."""
        ...
