"""The four scenes of examples/ with other seeds: who fails and when is drawn, and so is what only looks like a fault.

The examples themselves are seed 1 with their own faults; whoever tuned a prompt on them has not seen these.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from examples.plant.simulate import LINE, MACHINES, readings
from examples.scenes.simulate import SECONDS, Said, cold_chain, feeder, ward

FELT_BY_NEIGHBOURS: Final = 0.4
"""Of a bearing's vibration: past the warning limit by the time the bearing itself is past the alarm limit."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong with a node, or a node's trouble makes another's, for so many seconds of the scene."""

    claim: tuple[str, ...]
    """A node; or cause and symptom."""
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Scene:
    """What sensors say, and what is true."""

    graph: str
    """A file below examples/."""
    said: tuple[Said, ...]
    faults: tuple[Fault, ...] = field(default=())


def scenes(seed: int) -> Iterator[Scene]:
    """Yield each of the four with a seed."""
    for make in (_plant, _feeder, _cold_chain, _ward):
        yield make(random.Random(f"{make.__name__}/{seed}"))  # noqa: S311 - noise, not secrets


def _plant(dice: random.Random) -> Scene:
    """One bearing fails; the machines beside it shake as well, and are well."""
    bad, at = dice.choice(MACHINES), dice.randrange(120, 150)
    beside = {MACHINES[number] for number in _beside(MACHINES.index(bad)) if 0 <= number < len(MACHINES)}
    said: list[Said] = []
    for second in range(at + 60):
        for topic, fields in readings(dice, at=second, since_bad=second - at, bad_machine=bad):
            felt = FELT_BY_NEIGHBOURS * 0.35 * max(second - at, 0) if topic.split("/")[2] in beside else 0
            said.append((second + 0.2, topic, _shaken(fields, felt)))
    return Scene("plant/40-sensor-graph.yaml", tuple(said), (Fault((f"{LINE}/{bad}",), at, at + 60),))


def _beside(number: int) -> tuple[int, int]:
    return number - 1, number + 1


def _shaken(fields: Mapping[str, float], felt: float) -> dict[str, Any]:
    return {name: round(value + felt, 3) if name == "rms" else value for name, value in fields.items() if name != "ts"}


def _feeder(dice: random.Random) -> Scene:
    """A short circuit trips a breaker. On feeder-3 the tie breaker was closed just before, by hand, and is not why."""
    failing, at = dice.choice(["feeder-1", "feeder-2", *["feeder-3"] * 4, "feeder-4"]), _within_a_window(dice)
    tie: list[Said] = [(at - 1.5, "grid/station-1/q-tie/position", {"pos": 1, "bus": "bus-2", "feeder": "feeder-3"})]
    said = [*feeder(dice, failing=failing, at=at), *(tie if failing == "feeder-3" else ())]
    breaker = failing.replace("feeder", "q")
    # The voltage falls a second after the short circuit; before that there is no symptom of the open breaker.
    return Scene("scenes/feeder.yaml", tuple(said), (Fault((breaker, failing), at + 1, at + 32),))


def _within_a_window(dice: random.Random) -> int:
    """Draw a second around which some more are of the same window of ten seconds."""
    return dice.randrange(20, 60, 10) + dice.randrange(2, 8)


def _cold_chain(dice: random.Random) -> Scene:
    """A door is left open and boxes warm; the other truck's is opened for a moment, as at every stop."""
    at, stop = dice.randrange(15, 45), dice.randrange(10, 100)
    stopped: list[Said] = [
        (stop + 0.3, "cold/truck-2/door", {"door": True}),
        (stop + dice.uniform(1, 4), "cold/truck-2/door", {"door": False}),
    ]
    faults = (
        Fault(("truck-1",), at, at + 45),
        Fault(("box-1",), at, SECONDS),
        Fault(("box-2",), at, SECONDS),
    )
    return Scene("scenes/cold-chain.yaml", (*cold_chain(dice, at=at), *stopped), faults)


def _ward(dice: random.Random) -> Scene:
    """A patient's saturation falls; the other's oxygen is changed as planned. NOT FOR CLINICAL USE."""
    ill, at, change = dice.choice(["patient-a", "patient-b"]), dice.randrange(15, 50), dice.randrange(10, 100)
    well = "patient-b" if ill == "patient-a" else "patient-a"
    planned: Iterable[Said] = [(change + 0.4, f"vital/{well}/oxygen", {"flow": "nasal"})]
    return Scene("scenes/ward.yaml", (*ward(dice, ill=ill, at=at), *planned), (Fault((ill,), at, SECONDS),))
