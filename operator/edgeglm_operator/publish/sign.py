"""Signing: key pairs, and signatures over the bytes of `bundle.json`. Keys lie in files, never in arguments."""

import base64
import os
from collections.abc import Iterable
from pathlib import Path

from nacl.signing import SigningKey

from edgeglm_api.key_pem import BadKey, key_id, private_key, private_pem, public_pem
from edgeglm_operator.offline.bad_input import BadInput


def make_key_pair(path: Path) -> str:
    """Write a private key that only its owner may read, and beside it the public one; returns the key's id."""
    key = SigningKey.generate()
    public = key.verify_key.encode()
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(private_pem(key.encode()))
        path.with_name(f"{path.name}.pub").write_text(public_pem(public))
    except OSError as error:
        raise BadInput(f"{error.filename}: {error.strerror}") from error
    return key_id(public)


def read_key(path: Path) -> SigningKey:
    """Read a private key; raises BadInput."""
    try:
        return SigningKey(private_key(path.read_text("utf-8")))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except (BadKey, UnicodeError) as error:
        raise BadInput(f"{path} {error}") from error


def sign(raw: bytes, keys: Iterable[SigningKey]) -> str:
    """The content of `ed25519`: a line for each key."""
    return "".join(f"{base64.b64encode(key.sign(raw).signature).decode()}\n" for key in keys)
