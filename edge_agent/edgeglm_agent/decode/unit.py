"""Units as SenML writes them: the secondary ones of RFC 8798, section 3, and the primary ones that they stand for."""

from typing import Final

import msgspec

from edgeglm_agent.decode.refused import Reason, Refused


class _Scale(msgspec.Struct, frozen=True, array_like=True):
    """primary = secondary * factor + offset."""

    primary: str
    factor: float
    offset: float = 0.0


_SECONDARY: Final = {
    "ms": _Scale("s", 1 / 1000),
    "min": _Scale("s", 60),
    "h": _Scale("s", 3600),
    "MHz": _Scale("Hz", 1e6),
    "kW": _Scale("W", 1000),
    "kVA": _Scale("VA", 1000),
    "kvar": _Scale("var", 1000),
    "Ah": _Scale("C", 3600),
    "Wh": _Scale("J", 3600),
    "kWh": _Scale("J", 3_600_000),
    "varh": _Scale("vars", 3600),
    "kvarh": _Scale("vars", 3_600_000),
    "kVAh": _Scale("VAs", 3_600_000),
    "Wh/km": _Scale("J/m", 3.6),
    "KiB": _Scale("B", 1024),
    "GB": _Scale("B", 1e9),
    "Mbit/s": _Scale("bit/s", 1e6),
    "B/s": _Scale("bit/s", 8),
    "MB/s": _Scale("bit/s", 8e6),
    "mV": _Scale("V", 1 / 1000),
    "mA": _Scale("A", 1 / 1000),
    "dBm": _Scale("dBW", 1, -30),
    "ug/m3": _Scale("kg/m3", 1e-9),
    "mm/h": _Scale("m/s", 1 / 3_600_000),
    "m/h": _Scale("m/s", 1 / 3600),
    "ppm": _Scale("/", 1e-6),
    "/100": _Scale("/", 1 / 100),
    "/1000": _Scale("/", 1 / 1000),
    "hPa": _Scale("Pa", 100),
    "mm": _Scale("m", 1 / 1000),
    "cm": _Scale("m", 1 / 100),
    "km": _Scale("m", 1000),
    "km/h": _Scale("m/s", 1 / 3.6),
}


def converted(value: float, *, said: str, wanted: str) -> float:
    """Return a value in the unit that is wanted; raises Refused when the unit that was said is of another kind."""
    if said == wanted:
        return value
    there, back = _SECONDARY.get(said, _Scale(said, 1)), _SECONDARY.get(wanted, _Scale(wanted, 1))
    if there.primary != back.primary:
        raise Refused(Reason.UNIT)
    return (value * there.factor + there.offset - back.offset) / back.factor
