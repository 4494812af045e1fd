"""Free ports on loopback."""

import contextlib
import itertools
import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
# The state as /proc/net/tcp writes it.
LISTEN = "0A"
# A port that the kernel gives to outgoing connections (from 32768 on) may be gone before a slow server binds it.
BELOW_EPHEMERAL = range(20000, 32000)


def free_ports(count: int) -> list[int]:
    """As many different ports as asked; all are held until the last is known."""
    with contextlib.ExitStack() as held:
        candidates = random.sample(BELOW_EPHEMERAL, len(BELOW_EPHEMERAL))
        return list(itertools.islice((port for port in candidates if _bind(port, held)), count))


def _bind(port: int, held: contextlib.ExitStack) -> bool:
    """Hold a port, if it is free."""
    try:
        held.enter_context(socket.socket()).bind((LOOPBACK, port))
    except OSError:
        return False
    return True


def listens(pid: int, port: int) -> bool:
    """Tell whether a port is listened on in the network namespace of a process, which may not be ours."""
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == LISTEN for line in lines)


def answers(host: str, port: int) -> bool:
    """Tell whether something accepts a connection there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
