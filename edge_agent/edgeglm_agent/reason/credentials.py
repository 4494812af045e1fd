"""What an endpoint is asked with: its key, and by whom it is trusted; files at the site, read anew for each request.

So what is renewed in a mounted Secret holds from the next request on, and a connection that was made when other
authorities were trusted is not used again: aiohttp keeps connections by their context.
"""

import asyncio
import re
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from edgeglm_agent.reason.errors import NoSecret, SecretReason
from edgeglm_api.bundle import Endpoint

MAX_KEY_BYTES: Final = 4096
MAX_CA_BYTES: Final = 64 * 1024
_KEPT_CONTEXTS: Final = 32
"""Making one takes some milliseconds; more than that many authorities only cost time."""
_KEY: Final = re.compile(r"[\x21-\x7e]+")
"""What may stand in a header."""
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"


class Access(NamedTuple):
    """How a request is made."""

    headers: dict[str, str]
    tls: ssl.SSLContext | bool
    """True: the system's authorities are trusted."""


async def access_to(endpoint: Endpoint) -> Access:
    """Read what an endpoint is asked with; raises NoSecret."""
    if endpoint.key_file is None and endpoint.ca_file is None:
        return Access({}, tls=True)
    return await asyncio.to_thread(_access, endpoint)


async def lacking(endpoint: Endpoint) -> NoSecret | None:
    """Return why an endpoint cannot be asked, whoever it is; None when its files are all right."""
    try:
        await access_to(endpoint)
    except NoSecret as error:
        return error
    return None


def _access(endpoint: Endpoint) -> Access:
    headers = {"Authorization": f"Bearer {_key(endpoint.name, endpoint.key_file)}"} if endpoint.key_file else {}
    return Access(headers, _trust(endpoint.name, endpoint.ca_file) if endpoint.ca_file else True)


def _key(name: str, path: str) -> str:
    key = _read(name, path, MAX_KEY_BYTES).decode("utf-8", "replace").strip()
    if not _KEY.fullmatch(key):
        raise NoSecret(name, SecretReason.INVALID, f"{path} holds no key: one line of visible ASCII is one")
    return key


def _trust(name: str, path: str) -> ssl.SSLContext:
    content = _read(name, path, MAX_CA_BYTES)
    if _CERTIFICATE not in content:
        # Given nothing, Python would trust all authorities of the system instead.
        raise NoSecret(name, SecretReason.INVALID, f"{path} holds no certificate in PEM")
    try:
        return _context(content)
    except ssl.SSLError as error:
        raise NoSecret(name, SecretReason.INVALID, f"{path} cannot be read: {error}") from error


@lru_cache(maxsize=_KEPT_CONTEXTS)
def _context(ca: bytes) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca.decode("ascii", "ignore"))


def _read(name: str, path: str, most_bytes: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        said = f"{path}: {error.strerror}; make the Secret that it stands for"
        raise NoSecret(name, SecretReason.MISSING, said) from error
    if len(content) > most_bytes:
        raise NoSecret(name, SecretReason.INVALID, f"{path} has more than {most_bytes} bytes")
    return content
