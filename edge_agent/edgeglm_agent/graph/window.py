"""A closed window: what is handed from the watermark's side to the question's side."""

import msgspec

from edgeglm_agent.graph.evidence import Among
from edgeglm_agent.graph.hysteresis import Holdings
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.relations import Tie
from edgeglm_agent.graph.silence import Silent
from edgeglm_agent.graph.state import States


class Window(msgspec.Struct, frozen=True):
    """The readings of one graph and partition in a span of event time; the end is not in it."""

    partition: str
    start_ns: int
    end_ns: int
    pane: Pane
    states: States = {}
    ties: tuple[Tie, ...] = ()
    """Relations that come and go, as far as they held in it."""
    silent: tuple[Silent, ...] = ()
    """Who was missed by its end."""
    held: Holdings = {}
    """Breaches that went on at its begin."""
    made_of: dict[str, dict[str, Among]] = {}
    """Entity to property to whom else it is derived from."""
