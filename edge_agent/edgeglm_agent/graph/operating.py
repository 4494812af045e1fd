"""Operating states: what is usual for a machine that runs is not what is usual for one that stands still.

While the operating state of an entity goes on, its windows are held against others of the same state, and teach what is
usual in it. A window in which it changes is neither: it is held against nothing and teaches nothing.
"""

from collections.abc import Mapping
from typing import Final

from edgeglm_agent.graph.baseline import Baseline
from edgeglm_agent.graph.between import BETWEEN
from edgeglm_agent.graph.detect import MAX_ENTITIES, Baselines
from edgeglm_agent.graph.state import States

MAX_OPERATING: Final = 16
"""States of an entity; beyond it the one that was not met for longest is forgotten. Strangers can invent words."""

Operating = Mapping[str, str | None]
"""Entity to the words of its operating states; None where one changes. Whoever has none is not in it."""
InStates = dict[str, dict[str, dict[str, Baseline]]]
"""Entity to the words of its operating states to property to what is usual then."""


def operating_in(states: States, properties: frozenset[str]) -> Operating:
    """Return in which operating states the entities of a window are, by the states that tell it."""
    found: dict[str, str | None] = {}
    for entity, known in states.items() if properties else ():
        if told := [held for name, held in sorted(known.items()) if name in properties]:
            found[entity] = None if any(held.changes for held in told) else BETWEEN.join(held.word for held in told)
    return found


def usual_in(operating: Operating, always: Baselines, in_states: InStates) -> Baselines:
    """Return what is usual as things are: `always` of those that have no operating state."""
    now = {entity: in_states.get(entity, {}).get(words or "", {}) for entity, words in operating.items()}
    return {**always, **now} if now else always


def put_back(
    operating: Operating, usual: Mapping[str, dict[str, Baseline]], in_states: InStates
) -> dict[str, dict[str, Baseline]]:
    """Keep what is usual now for the operating states that it is usual in, and return what it is for all others."""
    for entity, words in operating.items():
        if words is not None and entity in usual:
            known = in_states.setdefault(entity, {})
            known.pop(words, None)
            known[words] = usual[entity]
            if len(known) > MAX_OPERATING:
                del known[next(iter(known))]
    if len(in_states) > MAX_ENTITIES:
        for entity in in_states.keys() - operating.keys():
            del in_states[entity]
    return {entity: known for entity, known in usual.items() if entity not in operating}
