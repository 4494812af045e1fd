"""The load: distinct payloads of many machines, some late, some hostile; and what windows they must come to.

The oracle shares no code with the agent: it reads no payload, but knows what was put into them.
"""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

MACHINES_PER_LINE: Final = 100
PROPERTIES: Final = ("rms", "temp", "amp")
HIGHEST: Final = 50.0
"""Of all three: what is above is refused as implausible."""
ALARM: Final = 7.1
"""Of rms; the first machine of each line is above it all the time, so every window has a breach and is asked about."""
LATE_MILLIS: Final = 3000
HOSTILE_EVERY: Final = 997
LATE_EVERY: Final = 101
"""Primes, so that it is not always the same machines' turn."""
MEAN_DIGITS: Final = 1e-5
"""What a request says of a mean has six digits; everything else in it is exact."""

Summary = dict[str, float]
"""n, min, max, mean and last of one property."""
Windows = dict[tuple[str, int], dict[tuple[str, str], Summary]]
"""Line and start in seconds, to machine and property, to what was measured."""


@dataclass(frozen=True)
class Sent:
    """One message, and what a reader should make of it."""

    topic: str
    payload: bytes
    line: str = ""
    machine: str = ""
    millis: int = 0
    values: dict[str, float] = field(default_factory=dict)
    """Those that can be used; empty when nothing of the message can."""


@dataclass(frozen=True)
class Load:
    """The same messages each time it is gone through."""

    messages: int
    entities: int
    start: int
    """The event time of the first one, in whole seconds. All machines speak once a second."""
    seed: int = 7

    @property
    def seconds(self) -> int:
        """Of event time."""
        return -(-self.messages // self.entities)

    def __iter__(self) -> Iterator[Sent]:
        """Go through it."""
        dice = random.Random(self.seed)  # noqa: S311 - the same load again
        for number in range(self.messages):
            yield self._sent(number, dice)

    def _sent(self, number: int, dice: random.Random) -> Sent:
        entity = number * 7919 % self.entities
        line, machine = f"l{entity // MACHINES_PER_LINE}", f"m{entity % MACHINES_PER_LINE}"
        topic = f"plant/{line}/{machine}/state"
        if number % HOSTILE_EVERY == HOSTILE_EVERY // 2:
            return self._hostile(number, topic, line, f"{line}/{machine}")
        millis = (self.start + number // self.entities) * 1000 + dice.randrange(1000)
        if number % LATE_EVERY == 0:
            millis -= dice.randrange(LATE_MILLIS)
        values = {name: round(dice.uniform(1.0, 7.0), 3) for name in PROPERTIES}
        if machine == "m0":
            values["rms"] = 12.0
        return Sent(topic, _payload(number, millis, values), line, f"{line}/{machine}", millis, values)

    def _hostile(self, number: int, topic: str, line: str, machine: str) -> Sent:
        millis = (self.start + number // self.entities) * 1000
        good = {"rms": 2.0, "temp": 3.0}
        if number // HOSTILE_EVERY % 8 == 0:  # one of three cannot be used
            return Sent(topic, _payload(number, millis, good | {"amp": HIGHEST + 1}), line, machine, millis, good)
        strange: list[bytes] = [
            b"\x00\xff" + number.to_bytes(8, "big"),
            b"[" * 5000 + str(number).encode(),
            b'{"n": %d, "ts": %d.0, "rms": NaN, "temp": 1, "amp": 1}' % (number, millis // 1000),
            b'{"n": %d, "rms": 1, "temp": 1, "amp": 1}' % number,
            _payload(number, millis + 86_400_000, good | {"amp": 1.0}),
            _payload(number, millis, dict.fromkeys(PROPERTIES, -1.0)),
            b'{"n": %d, "ts": %d.0, "rms": 2, "rms": 3}' % (number, millis // 1000),
        ]
        return Sent(topic, strange[number // HOSTILE_EVERY % len(strange)])


def expected(load: Load, window_seconds: int) -> Windows:
    """Return what the windows must be."""
    raw: dict[tuple[str, int], dict[tuple[str, str], list[tuple[int, float]]]] = {}
    for sent in load:
        start = sent.millis // 1000 // window_seconds * window_seconds
        for name, value in sent.values.items():
            window = raw.setdefault((sent.line, start), {})
            window.setdefault((sent.machine, name), []).append((sent.millis, value))
    return {key: {series: _summary(said) for series, said in window.items()} for key, window in raw.items()}


def found(bodies: list[bytes]) -> Windows:
    """Return the windows that stored requests speak of."""
    windows: Windows = {}
    for body in bodies:
        request: dict[str, Any] = json.loads(body)
        windows[request["partition"], request["start_ns"] // 10**9] = {
            (node["id"], each["property"]): {name: each[name] for name in ("n", "min", "max", "mean", "last")}
            for node in request["subject"]["nodes"]
            for each in node.get("measured", ())
        }
    return windows


def differences(ours: Windows, theirs: Windows) -> list[str]:
    """Return where they differ."""
    told = [f"{key}: only one has it" for key in ours.keys() ^ theirs.keys()]
    for key in ours.keys() & theirs.keys():
        told += [f"{key} {series}: only one has it" for series in ours[key].keys() ^ theirs[key].keys()]
        told += [
            f"{key} {series}: {ours[key][series]} and {theirs[key][series]}"
            for series in ours[key].keys() & theirs[key].keys()
            if not _same(ours[key][series], theirs[key][series])
        ]
    return told


def _same(one: Summary, other: Summary) -> bool:
    return all(math.isclose(one[name], other[name], rel_tol=MEAN_DIGITS if name == "mean" else 0.0) for name in one)


def _summary(said: list[tuple[int, float]]) -> Summary:
    values = [value for _, value in said]
    return {
        "n": len(values),
        "min": min(values),
        "max": max(values),
        "mean": math.fsum(values) / len(values),
        "last": max(said)[1],
    }


def _payload(number: int, millis: int, values: dict[str, float]) -> bytes:
    return json.dumps({"n": number, "ts": millis / 1000, **values}).encode()
