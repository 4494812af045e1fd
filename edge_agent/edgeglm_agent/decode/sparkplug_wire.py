"""Payloads of Sparkplug B on the wire: the one importer of protobuf, which comes with the extra `sparkplug`.

The schema is made here, of the fields that are read (Sparkplug 3.0.0, 6.4). What it does not have, data sets,
templates and files, the parser passes over.
"""

from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from edgeglm_agent.decode.path import MAX_ITEMS
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.decode.sparkplug import MAX_NAME_CHARS, UNBORN, Metric, Payload, Value

_QUALITY: Final = "Quality"
_GOOD: Final = 192
"""Of the property that says what a value is worth; 0 is bad, 500 stale (6.4.14)."""
_VALUES: Final = ("int_value", "long_value", "float_value", "double_value", "boolean_value", "string_value")
_U32, _U64 = FieldDescriptorProto.TYPE_UINT32, FieldDescriptorProto.TYPE_UINT64
_BOOL, _TEXT = FieldDescriptorProto.TYPE_BOOL, FieldDescriptorProto.TYPE_STRING
_FLOAT, _DOUBLE = FieldDescriptorProto.TYPE_FLOAT, FieldDescriptorProto.TYPE_DOUBLE
_SCHEMA: Final[dict[str, dict[str, tuple[int, Any]]]] = {
    "Property": {"is_null": (2, _BOOL), "int_value": (3, _U32), "long_value": (4, _U64)},
    "Properties": {"keys": (1, [_TEXT]), "values": (2, ["Property"])},
    "Metric": {
        "name": (1, _TEXT),
        "alias": (2, _U64),
        "timestamp": (3, _U64),
        "datatype": (4, _U32),
        "is_historical": (5, _BOOL),
        "is_null": (7, _BOOL),
        "properties": (9, "Properties"),
        "int_value": (10, _U32),
        "long_value": (11, _U64),
        "float_value": (12, _FLOAT),
        "double_value": (13, _DOUBLE),
        "boolean_value": (14, _BOOL),
        "string_value": (15, _TEXT),
    },
    "Payload": {"timestamp": (1, _U64), "metrics": (2, ["Metric"]), "seq": (3, _U64)},
}
"""Message to field to number and type; what may be repeated is in a list."""


def parse(payload: bytes) -> Payload:
    """Read a payload; raises Refused."""
    message = _PAYLOAD()
    try:
        message.ParseFromString(payload)
        if len(message.metrics) > MAX_ITEMS:
            raise Refused(Reason.TOO_MANY)
        metrics = tuple(map(_metric, message.metrics))
    except DecodeError as error:
        raise Refused(Reason.NOT_SPARKPLUG) from error
    return Payload(metrics, _given(message, "timestamp"), _given(message, "seq"))


def _metric(metric: Any) -> Metric:  # noqa: ANN401 - a class that is made at run time
    if len(name := _text(metric.name)) > MAX_NAME_CHARS:
        raise Refused(Reason.NOT_SPARKPLUG)
    return Metric(
        name=name,
        alias=_given(metric, "alias"),
        time_ms=_given(metric, "timestamp"),
        datatype=metric.datatype or UNBORN,
        historical=metric.is_historical,
        good=_is_good(metric.properties) if metric.HasField("properties") else True,
        value=None if metric.is_null else _value(metric),
    )


def _value(metric: Any) -> Value | None:  # noqa: ANN401 - likewise
    said = [name for name in _VALUES if metric.HasField(name)]
    if len(said) > 1:  # of a union there is one
        raise Refused(Reason.NOT_SPARKPLUG)
    value = getattr(metric, said[0]) if said else None
    return _text(value) if isinstance(value, bytes) else value


def _text(value: str | bytes) -> str:
    """Return a text; what is no UTF-8 is given out as bytes."""
    if isinstance(value, bytes):
        raise Refused(Reason.NOT_SPARKPLUG)
    return value


def _is_good(properties: Any) -> bool:  # noqa: ANN401 - likewise
    """Tell whether the quality is good; properties in the thousands are none of a metric."""
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key == _QUALITY:
            return bool((value.int_value or value.long_value) == _GOOD)
    return True


def _given(message: Any, field: str) -> int | None:  # noqa: ANN401 - likewise
    return getattr(message, field) if message.HasField(field) else None


def _payload_class() -> Any:  # noqa: ANN401 - likewise
    file = FileDescriptorProto(name="edgeglm_sparkplug.proto", package="edgeglm", syntax="proto2")
    for name, fields in _SCHEMA.items():
        file.message_type.append(_message(name, fields))
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("edgeglm.Payload"))


def _message(name: str, fields: dict[str, tuple[int, Any]]) -> DescriptorProto:
    message = DescriptorProto(name=name)
    for field, (number, said) in fields.items():
        kind = said[0] if isinstance(said, list) else said
        message.field.add(
            name=field,
            number=number,
            label=FieldDescriptorProto.LABEL_REPEATED if said is not kind else FieldDescriptorProto.LABEL_OPTIONAL,
            type=FieldDescriptorProto.TYPE_MESSAGE if isinstance(kind, str) else kind,
            type_name=f".edgeglm.{kind}" if isinstance(kind, str) else None,
        )
    return message


_PAYLOAD: Final = _payload_class()
