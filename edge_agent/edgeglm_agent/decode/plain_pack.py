"""Plain SenML packs: base fields in the first record only, in each record a name, a time and a number. Most are that.

As with plain numbers (`plain.py`), what is not as it should be is left to the reader of the format, which says why.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from edgeglm_agent.decode.json_payload import are_all_keys, may_have_long_number
from edgeglm_agent.decode.path import MAX_ITEMS
from edgeglm_agent.decode.refused import Refused
from edgeglm_agent.decode.senml import time_ns

_FIELDS: Final = 3
"""Of a record: `n`, `t` and `v`."""


class _Record(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One that is plain; whether it is the first, the type does not say."""

    n: str
    t: int | float
    v: int | float
    bn: str | UnsetType = UNSET
    bt: int | float | UnsetType = UNSET
    bu: str | UnsetType = UNSET


_RECORDS: Final = msgspec.json.Decoder(list[_Record])


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
        places: dict[int, list[int]] = {}
        for at, event_ns in enumerate(self.times_ns):
            places.setdefault(event_ns // slice_ns, []).append(at)
        return ((number, self._at(where)) for number, where in places.items())

    def _at(self, places: Sequence[int]) -> "Pack":
        return Pack(
            self.base_name,
            self.unit,
            [self.names[at] for at in places],
            [self.times_ns[at] for at in places],
            [self.values[at] for at in places],
        )


class PlainPacks:
    """Reads the payloads of any source of packs."""

    def read_all(self, payloads: Sequence[bytes], arrived_ns: Sequence[int]) -> Sequence[Pack | None]:
        """Return what each payload says; None for those about which anything is strange."""
        return list(map(read_plain_pack, payloads, arrived_ns))


def read_plain_pack(payload: bytes, arrived_ns: int) -> Pack | None:
    """Read a payload; None when anything about it is strange."""
    if payload.count(b"{") > MAX_ITEMS or may_have_long_number(payload):
        return None
    try:
        records = _RECORDS.decode(payload)
        return _pack(records, arrived_ns) if records and _has_no_more(records, payload) else None
    except (Refused, msgspec.MsgspecError, ValueError):
        return None


def _has_no_more(records: Sequence[_Record], payload: bytes) -> bool:
    """Tell whether each record has its three fields once, and the base fields are in the first one only."""
    first = records[0]
    base = sum(each is not UNSET for each in (first.bn, first.bt, first.bu))
    return are_all_keys(_FIELDS * len(records) + base, payload)


def _pack(records: Sequence[_Record], arrived_ns: int) -> Pack:
    first = records[0]
    base_time = first.bt or 0
    said = [record.t for record in records]
    known = {time: time_ns(base_time + time, arrived_ns) for time in {*said}}
    return Pack(
        first.bn or "",
        first.bu or "",
        [record.n for record in records],
        [known[time] for time in said],
        [float(record.v) for record in records],
    )
