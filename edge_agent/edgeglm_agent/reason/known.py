"""What is known of one endpoint: whether it is well, what it bears, what it may be asked, and which form it takes."""

from typing import Final

import msgspec

from edgeglm_agent.reason.breaker import Breaker
from edgeglm_agent.reason.form import Form
from edgeglm_agent.reason.rate import Rate
from edgeglm_agent.reason.width import Width
from edgeglm_api.bundle import Endpoint


class Load(msgspec.Struct, frozen=True, rename="camel"):
    """What an endpoint has to do, and how much it is given."""

    width: int
    """How many requests it may have at once, as far as is known by now."""
    in_flight: int
    busy: int
    """How often it said that it is full."""
    cuts: int
    """How often it was given less."""
    withheld: int = 0
    """How often it was passed over, since nothing of the graph may leave the site."""
    disguised: int = 0
    """How often it was asked under pseudonyms."""
    paced: int = 0
    """How often a request waited, since there was none left for this minute."""
    spent: int = 0
    """How often it was passed over, since it charges for requests and had had this one twice."""


class Known:
    """State of one endpoint. Times are of the loop's clock and come in from outside."""

    def __init__(self, endpoint: Endpoint, ceiling: int) -> None:
        self.endpoint: Final = endpoint
        self.breaker: Final = Breaker()
        self.width: Final = Width(ceiling)
        self.rate: Final = Rate(endpoint)
        self.form = Form.FULL
        """The best that it was seen to take."""
        self.last_error = ""
        self.withheld = self.disguised = self.spent = 0

    def free(self, now: float) -> int:
        """Return for how many more requests there is room; one when it is to be tried."""
        room = min(self.width.free(now), self.rate.free(now))
        if self.breaker.state == "Closed":
            return room
        return min(room, 1) if self.breaker.may_admit(now) else 0

    def soon(self, now: float) -> int:
        """Return for how many more there will be room very soon."""
        if self.breaker.state != "Closed":
            return 0
        return max(min(self.width.soon(now), self.rate.free(now) - self.free(now)), 0)

    def admits(self, tokens: int, now: float) -> bool:
        """Tell whether a request of about so many tokens may go there now; if so, it has to go."""
        return (
            self.width.free(now) > 0
            and self.breaker.may_admit(now)
            and self.rate.takes(tokens, now)
            and self.breaker.admits(now)
        )

    def load(self) -> Load:
        """Return what it has to do."""
        return Load(
            width=self.width.now,
            in_flight=self.width.in_flight,
            busy=self.width.busy,
            cuts=self.width.cuts,
            withheld=self.withheld,
            disguised=self.disguised,
            paced=self.rate.paced,
            spent=self.spent,
        )
