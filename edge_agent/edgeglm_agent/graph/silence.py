"""Silence: who has not been heard for longer than is to be expected. A fact, as long as the broker can be heard.

What counts is the time in the messages, up to the end of a window: whoever is heard after it was silent all the same.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.moment import NANOS_PER_SECOND

MAX_EXPECTED: Final = 4096
"""Entities of one source in a partition; more are not waited for."""
FORGOTTEN_AFTER_SECONDS: Final = 7 * 86_400
"""Whoever is silent for so long will not be back, and is no news."""


class Expected(msgspec.Struct, frozen=True, array_like=True):
    """An entity that was heard, and will be missed."""

    type: str
    last_ns: int
    missed: bool = False
    """Whether a window was opened because of its silence; one is enough."""


class Silent(msgspec.Struct, frozen=True, array_like=True, order=True):
    """An entity that a source said nothing of for too long by the end of a window."""

    entity: str
    source: str
    last_ns: int
    every_seconds: int
    type: str = ""

    @property
    def every_ns(self) -> int:
        """How often it is to be heard."""
        return self.every_seconds * NANOS_PER_SECOND


Expectations = dict[str, dict[str, Expected]]
"""Source to entity to what is expected of it."""
Rules = Mapping[str, int]
"""Source to how often it is to be heard, in seconds."""


def listened(expected: Expectations, pane: Pane, end_ns: int, rules: Rules) -> tuple[Silent, ...]:
    """Take in who was heard in a window that ends, and return who was not."""
    for source in expected.keys() - rules.keys():
        del expected[source]
    for source, every_seconds in rules.items():
        waited = expected.setdefault(source, {})
        for entity, last_ns in pane.heard.get(source, {}).items():
            known = waited.get(entity)
            if known is not None or len(waited) < MAX_EXPECTED:
                waited[entity] = Expected(pane.entities[entity], max(last_ns, known.last_ns if known else 0))
        forgotten_ns = end_ns - max(FORGOTTEN_AFTER_SECONDS, 2 * every_seconds) * NANOS_PER_SECOND
        for entity in [entity for entity, each in waited.items() if each.last_ns < forgotten_ns]:
            del waited[entity]
    return tuple(sorted(_silent(expected, end_ns, rules)))


def heard_late(expected: Expectations, source: str, entity: str, at_ns: int) -> None:
    """Note that an entity was heard at a moment of which no window is to come."""
    known = expected.get(source, {}).get(entity)
    if known is not None and known.last_ns < at_ns:
        expected[source][entity] = msgspec.structs.replace(known, last_ns=at_ns)


def newly_missed(expected: Expectations, now_ns: int, rules: Rules) -> Iterator[int]:
    """Yield since when those are missed for whom no window was opened yet, and note that one is."""
    for source, every_seconds in rules.items():
        waited = expected.get(source, {})
        for entity, each in waited.items():
            due_ns = each.last_ns + every_seconds * NANOS_PER_SECOND
            if not each.missed and due_ns < now_ns:
                waited[entity] = msgspec.structs.replace(each, missed=True)
                yield due_ns


def waits(expected: Expectations) -> bool:
    """Tell whether there is anybody who may be missed."""
    return any(not each.missed for waited in expected.values() for each in waited.values())


def begin_anew(expected: Expectations, now_ns: int) -> None:
    """Let everybody's silence begin now: before, nobody could be heard."""
    for waited in expected.values():
        for entity, each in waited.items():
            waited[entity] = Expected(each.type, max(each.last_ns, now_ns))


def _silent(expected: Expectations, end_ns: int, rules: Rules) -> Iterator[Silent]:
    for source, every_seconds in rules.items():
        for entity, each in expected[source].items():
            if end_ns - each.last_ns > every_seconds * NANOS_PER_SECOND:
                yield Silent(entity, source, each.last_ns, every_seconds, each.type)
