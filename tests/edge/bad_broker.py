"""A broker that lets everybody in, takes every subscription, and then sends what the test wants."""

import contextlib
import socket
import threading
from typing import BinaryIO, Final

from tests.cluster.ports import LOOPBACK

_CONNACK: Final = b"\x20\x03\x00\x00\x00"
_SUBSCRIBE: Final = 0x82


class BadBroker:
    """Listens on a free port until closed; each connection gets the next of the scripts, and what follows gets none."""

    def __init__(self, *scripts: bytes) -> None:
        self._scripts = list(scripts)
        self._door = socket.create_server((LOOPBACK, 0))
        self.port: int = self._door.getsockname()[1]
        self.let_in = 0
        threading.Thread(target=self._open, daemon=True).start()

    def close(self) -> None:
        self._door.close()

    def _open(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._door.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, EOFError):
            stream = client.makefile("rb")
            _packet(stream)
            self.let_in += 1
            client.sendall(_CONNACK)
            script = self._scripts.pop(0) if self._scripts else b""
            while True:
                first, body = _packet(stream)
                if first == _SUBSCRIBE:
                    client.sendall(b"\x90\x04" + body[:2] + b"\x00\x01" + script)
                    script = b""


def _packet(stream: BinaryIO) -> tuple[int, bytes]:
    first = _exactly(stream, 1)[0]
    length = shift = 0
    while True:
        byte = _exactly(stream, 1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return first, _exactly(stream, length)


def _exactly(stream: BinaryIO, number: int) -> bytes:
    data = stream.read(number)
    if len(data) < number:
        raise EOFError
    return bytes(data)
