"""Plain SenML packs: base fields in the first record only, in each record a name, a time and a number. Most are that.

As with plain numbers (`plain.py`), what is not as it should be is left to the reader of the format, which says why.
"""

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import Any, Final

import msgspec

from edgeglm_agent.decode.json_payload import NUMERIC, parse_json
from edgeglm_agent.decode.path import MAX_ITEMS
from edgeglm_agent.decode.refused import Refused
from edgeglm_agent.decode.senml import time_ns

_FIELDS: Final = 3
"""Of a record: `n`, `t` and `v`."""
_STRANGE: Final = (Refused, LookupError, TypeError)


class Pack(msgspec.Struct, frozen=True):
    """What a pack says, one list for each field; names without the base name."""

    base_name: str
    unit: str
    """Of all records; empty: none is said."""
    names: list[str]
    times_ns: list[int]
    values: list[float]

    def by_slice(self, slice_ns: int) -> Iterable[tuple[int, "Pack"]]:
        """Return the slices of time that it speaks of by their numbers, each with what it says of that.

        That of its first reading is the first.
        """
        first, last = min(self.times_ns) // slice_ns, max(self.times_ns) // slice_ns
        if first == last:
            return [(first, self)]
        numbers = [time_ns // slice_ns for time_ns in self.times_ns]
        return ((number, self._where([each == number for each in numbers])) for number in dict.fromkeys(numbers))

    def _where(self, wanted: Sequence[bool]) -> "Pack":
        return Pack(
            self.base_name,
            self.unit,
            list(compress(self.names, wanted)),
            list(compress(self.times_ns, wanted)),
            list(compress(self.values, wanted)),
        )


class PlainPacks:
    """Reads the payloads of any source of packs."""

    def read_all(self, payloads: Sequence[bytes], arrived_ns: Sequence[int]) -> Sequence[Pack | None]:
        """Return what each payload says; None for those about which anything is strange."""
        return list(map(read_plain_pack, payloads, arrived_ns))


def read_plain_pack(payload: bytes, arrived_ns: int) -> Pack | None:
    """Read a payload; None when anything about it is strange."""
    try:
        records = parse_json(payload)
        base = {name: records[0].pop(name) for name in ("bn", "bt", "bu") if name in records[0]}
        return _pack(base, records, arrived_ns) if type(records) is list and len(records) <= MAX_ITEMS else None
    except _STRANGE:
        return None


def _pack(base: dict[str, Any], records: list[dict[str, Any]], arrived_ns: int) -> Pack | None:
    names, said, values = ([record[field] for record in records] for field in ("n", "t", "v"))
    base_name, base_time, unit = base.get("bn", ""), base.get("bt", 0), base.get("bu", "")
    if (
        sum(map(len, records)) != _FIELDS * len(records)
        or {*map(type, names), type(base_name), type(unit)} != {str}
        or not {*map(type, said), *map(type, values), type(base_time)} <= NUMERIC
    ):
        return None
    known = {time: time_ns(base_time + time, arrived_ns) for time in set(said)}
    return Pack(base_name, unit, names, [known[time] for time in said], list(map(float, values)))
