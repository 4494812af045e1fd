"""SenML packs in JSON (RFC 8428), resolved: base fields applied, times absolute. Pure, and knows nothing of sources."""

import math
import re
from typing import Any, Final

import msgspec

from edgeglm_agent.decode.json_payload import NUMERIC
from edgeglm_agent.decode.path import MAX_ITEMS
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.moment import NANOS_PER_SECOND

VERSION: Final = 10
"""RFC 8428, 4.4; a pack of a higher one must not be used."""
RELATIVE_BELOW_SECONDS: Final = 1 << 28
"""Times below are relative to now (RFC 8428, 4.5.3)."""
_FURTHEST_SECONDS: Final = 4_102_444_800  # the year 2100
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")  # RFC 8428, 4.5.1
_BASE: Final = frozenset({"bn", "bt", "bu", "bv", "bs"})
_NUMBERS: Final = frozenset({"bt", "bv", "bs", "bver", "v", "s", "t", "ut"})
_TEXTS: Final = frozenset({"bn", "bu", "n", "u", "vs", "vd"})
_VALUES: Final = ("v", "vs", "vb", "vd")
_SAYS_SOMETHING: Final = frozenset({"n", "u", "s", "t", "ut", *_VALUES})

Value = float | str | bool


class Record(msgspec.Struct, frozen=True):
    """A resolved record."""

    name: str
    unit: str
    time_ns: int
    value: Value | None
    """None when there is only a sum. Data (`vd`) stands as its text."""
    sum: float | None = None


def resolve(pack: Any, now_ns: int) -> tuple[list[Record], list[Reason]]:  # noqa: ANN401 - the shape of JSON
    """Return the records of a pack, and why others cannot be used; raises Refused for what is no pack."""
    if not isinstance(pack, list) or not all(isinstance(each, dict) for each in pack):
        raise Refused(Reason.NOT_SENML)
    if len(pack) > MAX_ITEMS:
        raise Refused(Reason.TOO_MANY)
    base: dict[str, Any] = {}
    records: list[Record] = []
    refused: list[Reason] = []
    for fields in pack:
        _check_fields(fields)
        base |= {name: fields[name] for name in fields.keys() & _BASE}
        if _SAYS_SOMETHING.isdisjoint(fields):
            continue  # base fields for those that follow
        try:
            records.append(_record(base, fields, now_ns))
        except Refused as refusal:
            refused.append(refusal.reason)
    return records, refused


def _check_fields(fields: dict[str, Any]) -> None:
    """Refuse the whole pack: a base field that is misread would falsify all that follows."""
    for name, value in fields.items():
        if name in _NUMBERS:
            well = _is_number(value)
        elif name in _TEXTS:
            well = isinstance(value, str)
        elif name == "vb":
            well = isinstance(value, bool)
        elif name.endswith("_"):
            raise Refused(Reason.MUST_UNDERSTAND)
        else:
            well = True
        if not well:
            raise Refused(Reason.NOT_SENML)
    if fields.get("bver", VERSION) > VERSION:
        raise Refused(Reason.SENML_VERSION)


def _record(base: dict[str, Any], fields: dict[str, Any], now_ns: int) -> Record:
    name = base.get("bn", "") + fields.get("n", "")
    if not is_name(name):
        raise Refused(Reason.ENTITY)
    value, total = _value(base, fields), _sum(base, fields)
    if value is None and total is None:
        raise Refused(Reason.MISSING)
    return Record(
        name=name,
        unit=fields.get("u") or base.get("bu", ""),
        time_ns=time_ns(base.get("bt", 0) + fields.get("t", 0), now_ns),
        value=value,
        sum=total,
    )


def _value(base: dict[str, Any], fields: dict[str, Any]) -> Value | None:
    """Of base and own value, the one that is missing is 0 (RFC 8428, 4.5.4); it concerns numbers only."""
    said = [name for name in _VALUES if name in fields]
    if len(said) > 1:
        raise Refused(Reason.NOT_SENML)
    if said and said[0] != "v":
        value: Value = fields[said[0]]
        return value
    return _added(base.get("bv"), fields.get("v"))


def _sum(base: dict[str, Any], fields: dict[str, Any]) -> float | None:
    return _added(base.get("bs"), fields.get("s"))


def _added(one: float | None, other: float | None) -> float | None:
    if one is None and other is None:
        return None
    return (one or 0) + (other or 0)


def is_name(text: str) -> bool:
    """Tell whether a record may have this name, which begins with its base name."""
    return _NAME.fullmatch(text) is not None


def time_ns(seconds: float, now_ns: int) -> int:
    """Return a time, which may be relative to now; raises Refused."""
    if not math.isfinite(seconds) or abs(seconds) >= _FURTHEST_SECONDS:
        raise Refused(Reason.TIMESTAMP)
    # A float of seconds carries some 200 ns of noise; microseconds are what it can honestly say.
    nanos = round(seconds * 1_000_000) * (NANOS_PER_SECOND // 1_000_000)
    if seconds >= RELATIVE_BELOW_SECONDS:
        return nanos
    if now_ns + nanos < 0:
        raise Refused(Reason.TIMESTAMP)
    return now_ns + nanos


def _is_number(value: Any) -> bool:  # noqa: ANN401 - the shape of JSON
    return type(value) in NUMERIC
