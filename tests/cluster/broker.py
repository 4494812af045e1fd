"""A real mosquitto, as the broker of a site: on loopback, with its sessions and queued messages kept on disk.

It has a plain listener, and a TLS one too when it is given certificates.
"""

from collections.abc import Sequence
from pathlib import Path

from tests.cluster.pki import KeyPair
from tests.cluster.ports import LOOPBACK, free_ports, listens
from tests.cluster.process import ProcessTable


class Broker:
    """One mosquitto with its files in a directory; it keeps its port when it is restarted."""

    def __init__(self, directory: Path, *, port: int | None = None, inside: Sequence[str] = ()) -> None:
        self.directory = directory
        self.port = port or free_ports(1)[0]
        self.inside = tuple(inside)
        self.max_queued_messages = 0
        """For each client that is away; 0: all."""
        self.access = ""
        """Lines of an access list; empty: everything is allowed."""
        self.tls_port = free_ports(1)[0]
        self.tls: tuple[KeyPair, Path] | None = None
        """Its own certificate, and the authority of those that clients must show; None: no TLS."""
        self.processes = ProcessTable(directory)

    @property
    def host(self) -> str:
        """Where it listens; loopback of the namespace it runs in."""
        return LOOPBACK

    @property
    def url(self) -> str:
        """For a SensorGraph or a client."""
        return f"mqtt://{self.host}:{self.port}"

    @property
    def tls_url(self) -> str:
        """The same, with TLS."""
        return f"mqtts://{self.host}:{self.tls_port}"

    def start(self) -> None:
        """Start it; sessions and queued messages of an earlier run are there again."""
        config = self.directory / "mosquitto.conf"
        config.write_text(self._config())
        argv = [*self.inside, "/usr/sbin/mosquitto", "-c", str(config)]
        self.processes.start("mosquitto", argv, ready=self._listens, bound_seconds=10)

    def stop(self) -> None:
        """End it in order; it saves what it holds."""
        self.processes.stop("mosquitto")

    def kill(self) -> None:
        """End it as a power cut would: what came since the last save is lost."""
        self.processes.kill("mosquitto")

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def _listens(self) -> bool:
        identity = self.processes.identity("mosquitto")
        ports = [self.port, self.tls_port] if self.tls else [self.port]
        return identity is not None and all(listens(identity.pid, port) for port in ports)

    def _config(self) -> str:
        lines = [
            f"listener {self.port} {self.host}",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {self.directory}/",
            # Seconds: a kill loses at most what came in the last one.
            "autosave_interval 1",
            f"max_queued_messages {self.max_queued_messages}",
            "sys_interval 1",
            "log_dest stderr",
            "log_type notice",
            "log_type warning",
            "log_type error",
            # Started as root mosquitto becomes the user `mosquitto`, who may not write here.
            "user root",
        ]
        return "\n".join(lines + self._access_list() + self._tls_listener()) + "\n"

    def _access_list(self) -> list[str]:
        if not self.access:
            return []
        path = self.directory / "access"
        path.write_text(self.access)
        path.chmod(0o600)
        return [f"acl_file {path}"]

    def _tls_listener(self) -> list[str]:
        if self.tls is None:
            return []
        own, authority = self.tls
        return [
            f"listener {self.tls_port} {self.host}",
            f"certfile {own.cert}",
            f"keyfile {own.key}",
            f"cafile {authority}",
            "require_certificate true",
        ]
