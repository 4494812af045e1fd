"""Counters: a value that only grows says something by how fast it grows."""

from collections.abc import MutableMapping
from typing import Final

import msgspec

from edgeglm_agent.decode.observation import Observation, Reading
from edgeglm_agent.decode.refused import Reason
from edgeglm_agent.graph.between import BETWEEN
from edgeglm_agent.moment import NANOS_PER_SECOND

MAX_COUNTERS: Final = 8192
"""Of a partition; beyond it the one that was not heard for longest is forgotten, and begins anew."""


class Count(msgspec.Struct, frozen=True, array_like=True):
    """The newest reading of a counter."""

    event_ns: int
    value: float


Counters = MutableMapping[str, Count]


def rated(observation: Observation, counters: Counters) -> tuple[Observation, list[Reason]]:
    """Return an observation with its counters turned into rates per second, and why some have none.

    A first reading has nothing to be compared with, and is no fault. What comes out of order adds nothing: the growth
    until the newest reading is told already.
    """
    if not any(reading.counter for reading in observation.readings):
        return observation, []
    readings: list[Reading] = []
    refused: list[Reason] = []
    for reading in observation.readings:
        if not reading.counter:
            readings.append(reading)
            continue
        before = counters.get(_key(observation, reading))
        now = Count(observation.event_ns, reading.value)
        if before is not None and now.event_ns <= before.event_ns:
            refused.append(Reason.OUT_OF_ORDER)
            continue
        _remember(counters, _key(observation, reading), now)
        if before is not None:
            readings.append(msgspec.structs.replace(reading, value=_rate_per_second(before, now), counter=False))
    return msgspec.structs.replace(observation, readings=tuple(readings)), refused


def counted(key: str) -> str:
    """Return the entity of a counter that is remembered under this key."""
    return key.split(BETWEEN)[1]


def _rate_per_second(before: Count, now: Count) -> float:
    """A counter that went down began anew at zero, as a meter does when it is exchanged or restarted."""
    grown = now.value - before.value if now.value >= before.value else now.value
    return grown * NANOS_PER_SECOND / (now.event_ns - before.event_ns)


def _remember(counters: Counters, key: str, count: Count) -> None:
    counters.pop(key, None)
    if len(counters) >= MAX_COUNTERS:
        del counters[next(iter(counters))]
    counters[key] = count


def _key(observation: Observation, reading: Reading) -> str:
    return BETWEEN.join((observation.source, observation.entity.id, reading.property))
