"""Where a broker is: `mqtt://host:port` or `mqtts://host:port`."""

from urllib.parse import urlsplit

import msgspec


class BadAddress(ValueError):  # noqa: N818 - names what it is about
    """The text is not the address of a broker."""


class Address(msgspec.Struct, frozen=True):
    """A parsed address."""

    host: str
    port: int
    tls: bool


def parse_address(url: str) -> Address:
    """Read an address; raises BadAddress."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadAddress(f"{url!r}: {error}; write it like mqtt://host:1883") from error
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise BadAddress(f"{url!r} is not the address of a broker; write it like mqtt://host:1883")
    if "${" in url:
        raise BadAddress(f"{url!r} has a parameter that was not filled in; set it in the EdgeSite's spec.parameters")
    tls = parts.scheme == "mqtts"
    return Address(host=parts.hostname, port=port or (8883 if tls else 1883), tls=tls)
