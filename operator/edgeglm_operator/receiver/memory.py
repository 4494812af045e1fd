"""What is remembered of each site, bounded: whom nobody has heard for longest is forgotten first.

What is forgotten costs one more look at the API server, and nothing else.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from edgeglm_api.reporting_site import ReportingSite
from edgeglm_operator.receiver.judge import Taken

MAX_SITES: Final = 20_000
BURST: Final = 10
"""Reports at once; an agent sends one every half minute, and one with each change."""
PAUSE_SECONDS: Final = 5.0
"""Between reports in the long run."""


class Remembered:
    """One site."""

    def __init__(self, now: float) -> None:
        self.turn = asyncio.Lock()
        """One report of a site after the other."""
        self.taken: Taken | None = None
        self._allowed = float(BURST)
        self._counted_at = now

    def may_report(self, now: float) -> bool:
        """Whether it keeps within its pace; counts this time."""
        self._allowed = min(BURST, self._allowed + max(0.0, now - self._counted_at) / PAUSE_SECONDS)
        self._counted_at = now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True


class Memory:
    """All sites that have reported to this process."""

    def __init__(self, most: int = MAX_SITES) -> None:
        self._sites: OrderedDict[ReportingSite, Remembered] = OrderedDict()
        self._most = most

    def __len__(self) -> int:
        """How many there are."""
        return len(self._sites)

    def of(self, site: ReportingSite, now: float) -> Remembered:
        """What is remembered of a site whose token is good."""
        found = self._sites.get(site) or Remembered(now)
        self._sites[site] = found
        self._sites.move_to_end(site)
        if len(self._sites) > self._most:
            self._sites.popitem(last=False)
        return found
