"""Writes sparkplug.json anew: a session of a gateway as pysparkplug (Apache-2.0) puts it on the wire.

It pins an old paho, so it is not among our requirements:

    uv run --no-project --with pysparkplug==0.6.1 python tests/unit/agent/record_sparkplug.py
"""

import json
from pathlib import Path
from typing import Any, Final

import pysparkplug as sp  # type: ignore[import-not-found]

BEGIN_MS: Final = 1_700_000_000_000
NODE: Final = "spBv1.0/plant-a/{}/gw-7"
DEVICE: Final = f"{NODE}/press-1"
TYPES: Final[dict[str, Any]] = {
    "INT8": -8,
    "INT16": -16_000,
    "INT32": -2_000_000_000,
    "INT64": -(1 << 62),
    "UINT8": 200,
    "UINT16": 60_000,
    "UINT32": 4_000_000_000,
    "UINT64": 1 << 63,
    "FLOAT": 1.5,
    "DOUBLE": -2.25e-3,
    "BOOLEAN": True,
    "STRING": "läuft",
    "TEXT": "text",
    "UUID": "5a3f0fd2-3d0c-4e3b-9d0b-8d6f2f3d7a10",
}


def metric(name: str | None, kind: str, value: Any, alias: int | None = None, at: int = 0, **more: bool) -> Any:
    """One metric; `at` in milliseconds."""
    return sp.Metric(
        timestamp=BEGIN_MS + at, name=name, datatype=getattr(sp.DataType, kind), value=value, alias=alias, **more
    )


def session() -> list[tuple[str, Any]]:
    """A gateway with a press: born, heard, with one message that never came, and gone."""
    birth = (
        metric("temp", "FLOAT", 60.5, 1),
        metric("rpm", "INT32", -3, 2),
        metric("mode", "STRING", "RUN", 3),
        metric("parts", "UINT64", 7, 4),
    )
    return [
        (
            NODE.format("NBIRTH"),
            sp.NBirth(BEGIN_MS, 0, (metric("bdSeq", "INT64", 4), metric("Node Control/Rebirth", "BOOLEAN", False))),
        ),
        (DEVICE.format("DBIRTH"), sp.DBirth(BEGIN_MS + 100, 1, birth)),
        (DEVICE.format("DDATA"), sp.DData(BEGIN_MS + 1000, 2, (metric(None, "FLOAT", 61.5, 1, 1000),))),
        (
            DEVICE.format("DDATA"),
            sp.DData(
                BEGIN_MS + 2000,
                4,
                (
                    metric(None, "INT32", -2_000, 2, 2000),
                    metric(None, "STRING", "STOP", 3, 2000),
                    metric(None, "FLOAT", None, 1, 2000, is_null=True),
                    metric(None, "FLOAT", 40.0, 1, -5000, is_historical=True),
                ),
            ),
        ),
        (DEVICE.format("DDEATH"), sp.DDeath(BEGIN_MS + 3000, 5)),
        (NODE.format("NDEATH"), sp.NDeath(BEGIN_MS, metric("bdSeq", "INT64", 4))),
    ]


def recording() -> dict[str, Any]:
    """All of it, payloads in hexadecimal."""
    types = sp.DBirth(BEGIN_MS, 1, tuple(metric(kind, kind, value) for kind, value in TYPES.items()))
    return {
        "made_by": "pysparkplug 0.6.1",
        "types": types.encode().hex(),
        "expected": TYPES,
        "session": [[topic, payload.encode().hex()] for topic, payload in session()],
    }


if __name__ == "__main__":
    Path(__file__).with_name("sparkplug.json").write_text(json.dumps(recording(), indent=1, ensure_ascii=False) + "\n")
