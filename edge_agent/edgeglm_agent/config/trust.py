"""Whose bundles are taken: with keys, only what one of them signed; without, whatever the way in brings."""

import base64
import binascii
from pathlib import Path
from typing import Final

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from edgeglm_agent.config.problem import BadSetup, BundleRejected, Problem, Verdict
from edgeglm_api.bundle import MAX_SIGNATURES, SIGNATURE_FILE
from edgeglm_api.key_pem import BadKey, key_id, public_keys

_MAX_KEYS: Final = 16
_MAX_KEY_FILE_BYTES: Final = 64 * 1024


class Trust(msgspec.Struct, frozen=True):
    """The public keys of those who may sign; empty: nobody has to."""

    keys: tuple[bytes, ...] = ()

    def signer_of(self, raw: bytes, signatures: str) -> str:
        """Return the id of the key that signed, empty when nobody has to; raises BundleRejected."""
        if not self.keys:
            return ""
        given = signatures.split()
        if not given:
            raise _rejected(Verdict.UNSIGNED, f"is empty or not there; sign for one of the keys {self._ids()}")
        if len(given) > MAX_SIGNATURES:
            raise _rejected(Verdict.WRONG_SIGNATURE, f"has {len(given)} signatures; at most {MAX_SIGNATURES} are read")
        signer = next((key for key in self.keys for each in given if _signed(key, raw, each)), None)
        if signer is None:
            raise _rejected(Verdict.WRONG_SIGNATURE, f"is not over this content by any of the keys {self._ids()}")
        return key_id(signer)

    def _ids(self) -> str:
        return ", ".join(map(key_id, self.keys))


def load_trust(path: Path) -> Trust:
    """Read the trusted public keys, PEM one after the other; raises BadSetup."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_KEY_FILE_BYTES).decode("utf-8", "replace")
        keys = public_keys(text)
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error
    except BadKey as error:
        raise BadSetup(f"{path} {error}") from error
    if len(keys) > _MAX_KEYS:
        raise BadSetup(f"{path} has {len(keys)} keys; at most {_MAX_KEYS} are taken")
    return Trust(tuple(dict.fromkeys(keys)))


def _signed(key: bytes, raw: bytes, signature: str) -> bool:
    try:
        VerifyKey(key).verify(raw, base64.b64decode(signature, validate=True))
    except (BadSignatureError, binascii.Error, ValueError):
        return False
    return True


def _rejected(verdict: Verdict, message: str) -> BundleRejected:
    return BundleRejected(verdict, [Problem(SIGNATURE_FILE, message)])
