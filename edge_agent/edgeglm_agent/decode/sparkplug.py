"""Sparkplug B 3.0: where a message comes from, what a metric's bits mean, and what is left when aliases are resolved.

Pure, and without the wire: payloads are Protocol Buffers, whose reader is an extra.
"""

import importlib
from collections.abc import Callable
from functools import cache
from typing import Final, Literal, cast

import msgspec

from edgeglm_agent.decode.refused import Reason, Refused

MAX_NAME_CHARS: Final = 256
"""Of a metric."""
CONNECTION: Final = "connection"
"""The state that every entity of a source has: whether its birth or its death was heard last."""
ONLINE: Final = "ONLINE"
OFFLINE: Final = "OFFLINE"
UNBORN: Final = 0
"""The datatype of a metric that no birth has defined."""
_SIGNED: Final = {1: 8, 2: 16, 3: 32, 4: 64}
_UNSIGNED: Final = {5: 8, 6: 16, 7: 32, 8: 64, 13: 64}
"""Datatypes (6.4.16 of the specification) to their bits; a DateTime is milliseconds since the epoch."""
_FLOATS: Final = frozenset({9, 10})
_BOOLEAN: Final = 11
_TEXTS: Final = frozenset({12, 14, 15})
"""String, Text and UUID."""

Kind = Literal["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"]
KINDS: Final[tuple[Kind, ...]] = ("NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH")
"""Those that say something of a node (N) or of a device behind it (D). Commands say nothing that was measured."""
Value = bool | int | float | str


class Address(msgspec.Struct, frozen=True):
    """Whom a message is of."""

    kind: Kind
    node: str
    """Group and node: `plant-a/gateway-7`."""
    device: str
    """Empty for the node itself."""


class Metric(msgspec.Struct, frozen=True):
    """A metric as it stands in a payload."""

    name: str = ""
    alias: int | None = None
    time_ms: int | None = None
    datatype: int = UNBORN
    historical: bool = False
    good: bool = True
    """Whether its quality is good, or is not spoken of."""
    value: Value | None = None
    """None when it is null, or of a kind that is not read."""


class Payload(msgspec.Struct, frozen=True):
    """What of a payload is read."""

    metrics: tuple[Metric, ...] = ()
    time_ms: int | None = None
    seq: int | None = None


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What one metric says, under its name."""

    device: str
    name: str
    value: Value | None
    time_ms: int | None
    refused: str = ""
    """Why it cannot be used, as far as that is known without the rules of a source."""


class Change(msgspec.Struct, frozen=True, array_like=True):
    """A node or a device that is heard of for the first time or for the last."""

    device: str
    names: tuple[str, ...]
    """Of its metrics."""
    word: str
    at_ns: int


class Telling(msgspec.Struct, frozen=True, array_like=True):
    """A message without aliases: it says the same at any time, whatever was born before and after it."""

    told: tuple[Told, ...] = ()
    changes: tuple[Change, ...] = ()


def address_of(topic: str) -> Address:
    """Read the topic of a message that a source of this format takes."""
    _namespace, group, kind, node, *device = topic.split("/")
    return Address(cast("Kind", kind), f"{group}/{node}", device[0] if device else "")


@cache
def parser() -> Callable[[bytes], Payload]:
    """Return the reader of payloads, which raises Refused; raises Refused when the extra is not installed."""
    try:
        wire = importlib.import_module("edgeglm_agent.decode.sparkplug_wire")
    except ImportError as error:
        raise Refused(Reason.NOT_INSTALLED) from error
    return cast("Callable[[bytes], Payload]", wire.parse)


def meant(value: Value, datatype: int) -> Value | None:
    """Return what a value means as one of a datatype; None for what is not read. Raises Refused when it is none.

    Integers travel without a sign, in 32 or 64 bits; who writes an Int8 of -1 as 255 and who writes it as 2**32 - 1
    mean the same.
    """
    if (bits := _SIGNED.get(datatype)) is not None:
        return _signed(_integer(value), bits)
    if (bits := _UNSIGNED.get(datatype)) is not None:
        return _fits(_integer(value), bits)
    if datatype in _FLOATS:
        return _of(value, float)
    if datatype == _BOOLEAN:
        return _of(value, bool)
    return _of(value, str) if datatype in _TEXTS else None


def _signed(number: int, bits: int) -> int:
    for width in (bits, 32, 64):
        if width >= bits and number >> (width - 1) == 1:
            number -= 1 << width
            break
    half = 1 << (bits - 1)
    if not -half <= number < half:
        raise Refused(Reason.OUT_OF_RANGE)
    return number


def _fits(number: int, bits: int) -> int:
    if number >> bits:
        raise Refused(Reason.OUT_OF_RANGE)
    return number


def _integer(value: Value) -> int:
    if type(value) is not int:
        raise Refused(Reason.NOT_SPARKPLUG)
    return value


def _of(value: Value, kind: type[Value]) -> Value:
    if type(value) is not kind:
        raise Refused(Reason.NOT_SPARKPLUG)
    return value
