"""Breaches that go on: with hysteresis a limit is passed until the value is back by that much, however many windows.

What a window adds is a function of the first and last times at which a limit was passed and the value was back, so the
order of arrival makes no difference. A window in which a series is not heard says nothing of it.
"""

from typing import Final

import msgspec

from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.stat import Back, Breach, Stat

MAX_ENTITIES: Final = 4096
"""Of a partition; beyond it those that were not heard in the window are forgotten. Strangers can invent entities."""


class Holding(msgspec.Struct, frozen=True, array_like=True):
    """A breach that goes on."""

    limit: str
    bound: float
    since_ns: int


Holdings = dict[str, dict[str, tuple[Holding, ...]]]
"""Entity to property to its breaches."""


class Breaching(msgspec.Struct, frozen=True, array_like=True):
    """What goes on in a partition. Other rules begin anew: their limits may be others."""

    era: int = 0
    series: Holdings = {}


def breaches_of(stat: Stat, holding: tuple[Holding, ...]) -> tuple[Breach, ...]:
    """Return the breaches of a series in a window, with those that only go on: these were passed no time in it."""
    if stat.hysteresis is None:
        return stat.breaches
    held, backs = {each.limit: each for each in holding}, _backs(stat)
    passed = tuple(_since(breach, held.get(breach.limit), backs.get(breach.limit)) for breach in stat.breaches)
    over = {breach.limit for breach in passed} | backs.keys()
    return passed + tuple(
        Breach(each.limit, each.bound, each.since_ns, 0) for each in holding if each.limit not in over
    )


def go_on(pane: Pane, held: Holdings) -> Holdings:
    """Return what goes on after a window."""
    kept = held if len(held) <= MAX_ENTITIES else {entity: held[entity] for entity in held.keys() & pane.stats.keys()}
    after = {entity: dict(properties) for entity, properties in kept.items()}
    for entity, properties in pane.stats.items():
        for name, stat in properties.items():
            holding = held.get(entity, {}).get(name, ())
            if going := _after(stat, holding):
                after.setdefault(entity, {})[name] = going
            elif holding:
                del after[entity][name]
    return {entity: properties for entity, properties in after.items() if properties}


def _after(stat: Stat, holding: tuple[Holding, ...]) -> tuple[Holding, ...]:
    if stat.hysteresis is None:
        return ()
    backs = _backs(stat)
    return tuple(
        Holding(breach.limit, breach.bound, _last_begin_ns(breach, backs.get(breach.limit)))
        for breach in breaches_of(stat, holding)
        if breach.limit not in backs or breach.last_ns >= backs[breach.limit].last_ns
    )


def _since(breach: Breach, held: Holding | None, back: Back | None) -> Breach:
    """Let a breach begin where it began, if the value was not back before it was passed again."""
    if held is None or (back is not None and back.first_ns < breach.onset_ns):
        return breach
    return msgspec.structs.replace(breach, onset_ns=min(breach.onset_ns, held.since_ns))


def _last_begin_ns(breach: Breach, back: Back | None) -> int:
    """Return since when a breach goes on; at the latest, when the value was back in between."""
    return breach.onset_ns if back is None or breach.onset_ns > back.last_ns else breach.last_ns


def _backs(stat: Stat) -> dict[str, Back]:
    return {back.limit: back for back in stat.backs}
