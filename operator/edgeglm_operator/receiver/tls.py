"""The receiver's certificate, followed when its files are renewed."""

import asyncio
import hashlib
import logging
import ssl
from pathlib import Path
from typing import Final

LOOK_SECONDS: Final = 30.0

log = logging.getLogger(__name__)


class Certificate:
    """Owner of the TLS context; connections that are there keep the certificate that they began with."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._loaded = self._load()

    def renew(self) -> bool:
        """Load the files if they have changed; tells whether they had."""
        if self._digest() == self._loaded:
            return False
        self._loaded = self._load()
        log.info("the certificate has been renewed")
        return True

    async def follow(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self.renew()
            except (OSError, ssl.SSLError) as error:  # met half renewed, say; the next look will do
                log.warning("the certificate cannot be renewed, the one before stays: %s", error)

    def _load(self) -> bytes:
        digest = self._digest()
        self.context.load_cert_chain(*self._files)
        return digest

    def _digest(self) -> bytes:
        return hashlib.sha256(b"\0".join(file.read_bytes() for file in self._files)).digest()
