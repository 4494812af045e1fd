"""A window that was just closed, or made anew."""

import msgspec

from edgeglm_agent.graph.late import Made
from edgeglm_agent.graph.partition import Partition
from edgeglm_agent.graph.window import Window
from edgeglm_agent.pipeline.era import Era


class Closed(msgspec.Struct, frozen=True):
    """A window, and the rules that it was gathered under."""

    window: Window
    era: Era
    partition: Partition
    made: Made | None = None
    """What is remembered of it, while it is open to late readings."""
    belated_ns: int = 0
    """When it was made out of its turn, for late readings; 0: it was not."""
