"""A door before a real broker: what comes in is let through, or not, by who stands there."""

import contextlib
import socket
import threading

from tests.cluster.ports import LOOPBACK


class Front:
    """Listens on a free port until closed."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._door = socket.create_server((LOOPBACK, 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._open, daemon=True).start()

    def close(self) -> None:
        self._door.close()

    def admit(self, client: socket.socket) -> None:
        """Do with one connection what this door is for; on a thread of its own."""
        raise NotImplementedError

    def to_broker(self) -> socket.socket:
        """Connect to the broker behind it."""
        return socket.create_connection((LOOPBACK, self._broker_port))

    def _open(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._door.accept()
                threading.Thread(target=self.admit, args=(client,), daemon=True).start()


def pass_on(source: socket.socket, to: socket.socket) -> None:
    """Until one of them has enough; then neither gets more."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            to.sendall(data)
    for end in (source, to):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
