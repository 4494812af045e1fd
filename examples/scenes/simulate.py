"""Synthetic scenes: two minutes of a power feeder, a cold chain and a hospital ward, as recordings to rehearse.

    simulate.py feeder --out rec && edgeglm-agent replay --graph feeder.yaml --input rec

A recording is what `edgeglm-agent record` makes: here with made-up readings and a made-up clock, the same on each run.
The ward's patients are made up as well; nothing of it is for clinical use. Needs the package edgeglm with its agent.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from edgeglm_agent.spool.entry import Connected, Entry, Message
from edgeglm_agent.spool.raw_log import RawLog

BEGIN_SECONDS = 1_800_000_000
SECONDS = 120
BROKER = "mqtt://127.0.0.1:1883"
NANOS = 1_000_000_000

Said = tuple[float, str, dict[str, Any]]
"""Seconds from the begin, topic, payload without its time."""


def feeder(dice: random.Random, *, failing: str = "feeder-3", at: int = 41) -> Iterator[Said]:
    """A short circuit on a feeder trips its breaker; half a minute later the tie breaker feeds feeder-3 from bus-2."""
    breaker = failing.replace("feeder", "q")
    feeds = {"feeder-1": "bus-1", "feeder-2": "bus-1", "feeder-3": "bus-1", "feeder-4": "bus-2"}
    for number, (name, bus) in enumerate(feeds.items(), start=1):
        yield 0.1, f"grid/station-1/q-{number}/position", {"pos": 1, "bus": bus, "feeder": name}
    yield 0.1, "grid/station-1/q-tie/position", {"pos": 0, "bus": "bus-2", "feeder": "feeder-3"}
    yield at + 0.5, f"grid/station-1/{breaker}/position", {"pos": 0, "bus": feeds[failing], "feeder": failing}
    yield at + 31.5, "grid/station-1/q-tie/position", {"pos": 1, "bus": "bus-2", "feeder": "feeder-3"}
    for second in range(SECONDS):
        for name in feeds:
            failed = name == failing
            short, dark = failed and second == at, failed and at < second <= at + 31
            amps = 2400.0 if short else 0.0 if dark else 210 + dice.gauss(0, 5)
            kilovolts = 0.0 if dark else 20.1 + dice.gauss(0, 0.05)
            load = {"amps": round(amps, 1), "kilovolts": round(kilovolts, 2)}
            yield second + 0.2, f"grid/station-1/{name}/load", load


def cold_chain(dice: random.Random, *, at: int = 35) -> Iterator[Said]:
    """A door is left open, two boxes warm, and one of them is taken over by another truck."""
    trucks = {"box-1": "truck-1", "box-2": "truck-1", "box-3": "truck-2"}
    for box, truck in trucks.items():
        yield 0.1, f"cold/{box}/loading", {"truck": truck}
    for truck in ("truck-1", "truck-2"):
        yield 0.1, f"cold/{truck}/door", {"door": False}
    moved, shut = at + 32, at + 45
    yield at, "cold/truck-1/door", {"door": True}
    yield moved - 1, "cold/box-2/handling", {"what": "scanned"}
    yield moved - 0.5, "cold/box-2/handling", {"what": "lifted"}
    yield moved, "cold/box-2/loading", {"truck": "truck-2"}
    yield shut, "cold/truck-1/door", {"door": False}
    for second in range(SECONDS):
        for box in trucks:
            until = moved if box == "box-2" else shut
            warming = max(min(second, until) - at, 0) if box != "box-3" else 0
            cooling = max(second - until, 0) if box != "box-3" else 0
            celsius = 4.5 + max(0.2 * warming - 0.2 * cooling, 0) + dice.gauss(0, 0.1)
            yield second + 0.2, f"cold/{box}/temperature", {"celsius": round(celsius, 2)}


def ward(dice: random.Random, *, ill: str = "patient-b", at: int = 40) -> Iterator[Said]:
    """A patient's saturation falls; oxygen is given, and the patient is taken to another ward. NOT FOR CLINICAL USE."""
    beds = {"patient-a": "north-1", "patient-b": "north-2"}
    for patient, bed in beds.items():
        yield 0.1, f"adt/{patient}/bed", {"bed": bed, "what": "admit"}
        yield 0.1, f"vital/{patient}/oxygen", {"flow": "none"}
    yield at + 4, f"vital/{ill}/call", {"what": "bell"}
    yield at + 10, f"vital/{ill}/oxygen", {"flow": "mask"}
    yield at + 35, f"adt/{ill}/bed", {"bed": "intensive-1", "what": "transfer"}
    for second in range(SECONDS):
        for patient in beds:
            falling = max(second - at, 0) if patient == ill else 0
            vitals = {
                "spo2": round(max(97 - 0.25 * falling, 84) + dice.gauss(0, 0.3), 1),
                "bpm": round(72 + min(0.5 * falling, 30) + dice.gauss(0, 1)),
            }
            yield second + 0.2, f"vital/{patient}/oximeter", vitals


SCENES: dict[str, Callable[[random.Random], Iterator[Said]]] = {
    "feeder": feeder,
    "cold-chain": cold_chain,
    "ward": ward,
}


def entries(said: Iterable[Said]) -> Iterator[Entry]:
    """What a recorder would have written down."""
    yield Connected(BEGIN_SECONDS * NANOS, BROKER, 1, resumed=False)
    for at, topic, fields in sorted(said, key=lambda each: each[:2]):
        moment = float(BEGIN_SECONDS + at)
        payload = json.dumps({"ts": round(moment, 3), **fields}).encode()
        yield Message(
            round(moment * 1000) * (NANOS // 1000),
            BROKER,
            1,
            0,
            dup=False,
            topic=topic,
            payload=payload,
            size=len(payload),
        )


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", choices=SCENES)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    log = RawLog(options.out / "raw")
    dice = random.Random(1)  # noqa: S311 - noise, not secrets
    written = list(entries(SCENES[options.scene](dice)))
    log.append(written)
    log.close()
    print(f"{options.out}: {len(written)} entries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
