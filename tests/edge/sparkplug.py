"""A gateway that speaks Sparkplug B, by our own schema; that others write the same, their recording shows."""

from collections.abc import Mapping
from typing import Any, Final

from edgeglm_agent.decode.sparkplug_wire import _PAYLOAD

FLOAT: Final = 9
STRING: Final = 12
UINT64: Final = 8
BD_SEQ: Final = "bdSeq"
_FIELDS: Final = {FLOAT: "float_value", STRING: "string_value", UINT64: "long_value"}


def a_metric(value: Any = None, *, kind: int = FLOAT, **fields: Any) -> dict[str, Any]:
    """A metric's fields; a null without a value."""
    return fields | ({"is_null": True} if value is None else {_FIELDS[kind]: value})


def a_payload(*metrics: Mapping[str, Any], **fields: Any) -> bytes:
    payload = _PAYLOAD(**fields)
    for each in metrics:
        payload.metrics.add(**each)
    body: bytes = payload.SerializeToString()
    return body


class Gateway:
    """A node with devices that each measure a temperature, under the alias 1 and on. It makes topics and payloads."""

    def __init__(self, name: str = "gw-7", group: str = "plant-a") -> None:
        self._topic = f"spBv1.0/{group}/{{}}/{name}"
        self._session = 0
        self._seq = 0

    def born(self) -> tuple[str, bytes]:
        self._session += 1
        self._seq = 0
        return self._topic.format("NBIRTH"), a_payload(self._will(), seq=0)

    def died(self, *, session: int | None = None) -> tuple[str, bytes]:
        """Its will, of this session or of another."""
        return self._topic.format("NDEATH"), a_payload(self._will(session))

    def device_born(self, device: str, value: float, **fields: Any) -> tuple[str, bytes]:
        metric = a_metric(value, name="temp", alias=1, datatype=FLOAT, **fields)
        return self._of(device, "DBIRTH", metric)

    def device_died(self, device: str) -> tuple[str, bytes]:
        return self._of(device, "DDEATH")

    def says(self, device: str, value: float | None, *, alias: int = 1, **fields: Any) -> tuple[str, bytes]:
        return self._of(device, "DDATA", a_metric(value, alias=alias, **fields))

    def loses_a_message(self) -> None:
        self._seq += 1

    def _of(self, device: str, kind: str, *metrics: Mapping[str, Any]) -> tuple[str, bytes]:
        self._seq = (self._seq + 1) % 256
        return f"{self._topic.format(kind)}/{device}", a_payload(*metrics, seq=self._seq)

    def _will(self, session: int | None = None) -> dict[str, Any]:
        return a_metric(self._session if session is None else session, kind=UINT64, name=BD_SEQ, datatype=UINT64)
