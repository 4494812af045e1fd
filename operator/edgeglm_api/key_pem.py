"""Ed25519 keys as OpenSSL writes them: PEM by RFC 8410.

A key of this kind has but one encoding, so all of its ASN.1 is a fixed prefix.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import Final

_PUBLIC: Final = bytes.fromhex("302a300506032b6570032100")
_PRIVATE: Final = bytes.fromhex("302e020100300506032b657004220420")
_KEY_BYTES: Final = 32
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,64})-----([A-Za-z0-9+/=\s]*)-----END \1-----")


class BadKey(ValueError):  # noqa: N818 - names what it is about
    """The text holds no key of this kind."""


def public_keys(text: str) -> tuple[bytes, ...]:
    """All public keys of a text, 32 bytes each; raises BadKey when there is none, or anything else among them."""
    keys = tuple(_unwrapped(text, "PUBLIC KEY", _PUBLIC))
    if not keys:
        raise BadKey("has no PUBLIC KEY in PEM; make one with `edgeglm bundle keygen` or openssl")
    return keys


def private_key(text: str) -> bytes:
    """The one private key of a text, 32 bytes; raises BadKey."""
    keys = tuple(_unwrapped(text, "PRIVATE KEY", _PRIVATE))
    if len(keys) != 1:
        raise BadKey(f"has {len(keys)} PRIVATE KEYs in PEM; one is needed")
    return keys[0]


def public_pem(key: bytes) -> str:
    """A public key as PEM."""
    return _wrapped("PUBLIC KEY", _PUBLIC + key)


def private_pem(key: bytes) -> str:
    """A private key as PEM, not encrypted."""
    return _wrapped("PRIVATE KEY", _PRIVATE + key)


def key_id(key: bytes) -> str:
    """A short name of a public key: `openssl pkey -pubin -in FILE -outform DER | sha256sum` begins with it."""
    return hashlib.sha256(_PUBLIC + key).hexdigest()[:16]


def _unwrapped(text: str, label: str, prefix: bytes) -> Iterator[bytes]:
    for found, body in _BLOCK.findall(text):
        if found != label:
            raise BadKey(f"has a {found}, where an ed25519 {label}, not encrypted, is needed")
        try:
            der = base64.b64decode("".join(body.split()), validate=True)
        except binascii.Error as error:
            raise BadKey(f"has a {label} that is not base64: {error}") from error
        if not der.startswith(prefix) or len(der) != len(prefix) + _KEY_BYTES:
            raise BadKey(f"has a {label} of another kind than ed25519")
        yield der[len(prefix) :]


def _wrapped(label: str, der: bytes) -> str:
    return f"-----BEGIN {label}-----\n{base64.b64encode(der).decode()}\n-----END {label}-----\n"
