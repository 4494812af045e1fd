"""A load of SenML packs (RFC 8428): each device says its channels for some seconds at once."""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.ingest.load import Sent

DEVICES: Final = 250
CHANNELS: Final = 20
CHANNEL_NAMES: Final = tuple(f"t{channel}" for channel in range(CHANNELS))
SECONDS_A_PACK: Final = 5
RECORDS: Final = CHANNELS * SECONDS_A_PACK
"""Of a pack, and as many readings."""


@dataclass(frozen=True)
class SenmlLoad:
    """The same packs each time it is gone through."""

    packs: int
    start: int
    """The event time of the first one, in whole seconds."""

    def __iter__(self) -> Iterator[Sent]:
        """Go through it."""
        dice = random.Random(5)  # noqa: S311 - the same load again
        for number in range(self.packs):
            round_, device = divmod(number, DEVICES)
            yield Sent(f"senml/d{device}", _pack(device, self.start + round_ * SECONDS_A_PACK, dice))


def lately(packs: int) -> SenmlLoad:
    """Return a load that ended a minute ago."""
    return SenmlLoad(packs, start=int(time.time()) - packs // DEVICES * SECONDS_A_PACK - 60)


def _pack(device: int, at: int, dice: random.Random) -> bytes:
    records: list[dict[str, object]] = [
        {"n": name, "t": second, "v": round(dice.uniform(10.0, 30.0), 2)}
        for second in range(SECONDS_A_PACK)
        for name in CHANNEL_NAMES
    ]
    records[0] |= {"bn": f"urn:dev:ow:{device:04x}:", "bt": at, "bu": "Cel"}
    return json.dumps(records).encode()
