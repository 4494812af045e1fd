"""Finds publications of QoS 1 in what a broker sends: those that stand whole in a buffer, one behind the other.

All else, and all that is odd, is left to paho, which reads the rest of the protocol. Pure.
"""

from typing import Final, NamedTuple

import msgspec

MAX_SIFTED_BYTES: Final = 64 * 1024
"""A larger packet is left to paho, so that a buffer need not hold it whole."""
_PUBLISH_QOS_1: Final = 0x32
_DUP: Final = 0x08
_RETAIN: Final = 0x01
_MOST_LENGTH_BYTES: Final = 4
_LEAST_LENGTH: Final = 5
"""Of a publication whose parts are all there: two bytes each for topic and packet id, one for the properties."""


class Malformed(OSError):  # noqa: N818 - names what it is; for paho, an end of the connection
    """A publication that breaks the protocol."""


class Sifted(msgspec.Struct, frozen=True, gc=False):
    """One publication of QoS 1."""

    topic: str
    """Empty where it is no UTF-8: the standard forbids it; brokers differ."""
    payload: bytes
    packet_id: int
    dup: bool
    retained: bool


class _Header(NamedTuple):
    """Of the packet at an offset."""

    sifted: bool
    body: int
    end: int


def sift(data: bytes, at: int, *, properties: bool, most: int) -> tuple[list[Sifted], int]:
    """Return the publications at an offset, up to so many, and where the first packet that is none of them begins.

    Publications of MQTT 5 have `properties`, which say nothing that we need. Raises Malformed.
    """
    found: list[Sifted] = []
    while len(found) < most:
        at = _sift_usual(data, at, found, properties=properties, most=most)
        header = _header(data, at)
        if header is None or not header.sifted or header.end > len(data) or len(found) >= most:
            break
        try:
            found.append(_publication(data, at, header, properties=properties))
        except Malformed:
            if found:  # what came before it is good
                break
            raise
        at = header.end
    return found, at


def passed_on(data: bytes, at: int) -> int:
    """Return how many bytes from an offset on are not ours: a whole packet, come or to come; 0 for a publication.

    It is 0, too, while too little has come to tell.
    """
    header = _header(data, at)
    return 0 if header is None or header.sifted else header.end - at


def _sift_usual(data: bytes, at: int, found: list[Sifted], *, properties: bool, most: int) -> int:
    """Find the publications that have nothing odd about them, and return where the first other packet begins.

    It does what the rest of this file does, in one go: no flags, lengths of at most two bytes, a few properties.
    """
    while len(found) < most and len(data) - at > _LEAST_LENGTH and data[at] == _PUBLISH_QOS_1:
        length, body = data[at + 1], at + 2
        if length > 0x7F:
            length += (data[body] - 1) << 7
            body += 1
        begin, end = body + 2, body + length
        if length < _LEAST_LENGTH or data[body - 1] > 0x7F or end > len(data):
            break
        topic = begin + (data[body] << 8 | data[body + 1])
        payload = topic + 2
        if payload + properties > end:
            break
        if properties:
            payload += 1 + data[payload]
            if payload > end or data[topic + 2] > 0x7F:
                break
        packet_id = data[topic] << 8 | data[topic + 1]
        if not packet_id:
            break
        found.append(Sifted(_topic(data[begin:topic]), data[payload:end], packet_id, False, False))
        at = end
    return at


def _header(data: bytes, at: int) -> _Header | None:
    """Read the fixed header (MQTT 5, 2.1); None when it is not all there."""
    length, body = 0, at + 1
    for shift in range(0, 7 * _MOST_LENGTH_BYTES, 7):
        if body >= len(data):
            return None
        byte = data[body]
        length |= (byte & 0x7F) << shift
        body += 1
        if byte < 0x80:
            ours = data[at] & ~(_DUP | _RETAIN) == _PUBLISH_QOS_1 and length <= MAX_SIFTED_BYTES
            return _Header(ours, body, body + length)
    # No length is longer; paho sees it by the byte that follows.
    return _Header(sifted=False, body=body, end=body + 1)


def _publication(data: bytes, at: int, header: _Header, *, properties: bool) -> Sifted:
    begin = header.body + 2
    end = begin + int.from_bytes(data[header.body : begin])
    payload = end + 2
    packet_id = int.from_bytes(data[end:payload])
    if payload > header.end or not packet_id:
        raise Malformed("a publication without a whole topic, or without a packet id")
    if properties:
        payload = _after_properties(data, payload, header.end)
    return Sifted(
        _topic(data[begin:end]),
        data[payload : header.end],
        packet_id,
        bool(data[at] & _DUP),
        bool(data[at] & _RETAIN),
    )


def _after_properties(data: bytes, at: int, end: int) -> int:
    length = shift = 0
    while at < end and shift < 7 * _MOST_LENGTH_BYTES:
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if at + length > end:
                break
            return at + length
    raise Malformed("a publication whose properties are longer than itself")


def _topic(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return ""
