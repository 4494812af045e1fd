"""One receiver as a real process."""

import contextlib
import http.client
import os
import subprocess
import sys
from pathlib import Path

from tests.cluster.pki import Authority
from tests.cluster.ports import free_ports
from tests.cluster.process import until

START_SECONDS = 60
STOP_SECONDS = 30
KEY = "0123456789abcdef0123456789abcdef"


class ReceiverProcess:
    """`python -m edgeglm_operator.receiver.main` on loopback; it may be ended and started again."""

    def __init__(self, kubeconfig: Path, folder: Path, authority: Authority) -> None:
        self.port, self._health_port = free_ports(2)
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca = authority.cert
        self.key = folder / "report-key"
        self.key.write_text(KEY)
        self._log = folder / "receiver.log"
        pair = authority.issue("receiver", "127.0.0.1", hosts=["127.0.0.1"])
        self._argv = [
            *(sys.executable, "-m", "edgeglm_operator.receiver.main", "--kubeconfig", str(kubeconfig)),
            *("--listen", f"127.0.0.1:{self.port}", "--health-listen", f"127.0.0.1:{self._health_port}"),
            *("--tls-cert", str(pair.cert), "--tls-key", str(pair.key), "--report-key", str(self.key)),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it serves."""
        with self._log.open("ab") as log:
            environment = os.environ | {"PYTHONWARNINGS": "error"}
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log, env=environment)
        process = self._process
        assert until(lambda: self.get("/readyz") is not None or process.poll() is not None, START_SECONDS), self.log()
        assert process.poll() is None, self.log()

    def stop(self) -> int | None:
        """SIGTERM; the exit status, None when it did not run."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.terminate()
        return process.wait(STOP_SECONDS)

    def counted(self, result: str) -> float:
        """How many reports ended so."""
        start = f'edgeglm_receiver_reports_total{{result="{result}"}} '
        lines = (self.get("/metrics") or "").splitlines()
        return sum(float(line.removeprefix(start)) for line in lines if line.startswith(start))

    def get(self, path: str) -> str | None:
        """A page of its other port; None when it does not answer well."""
        connection = http.client.HTTPConnection("127.0.0.1", self._health_port, timeout=5)
        try:
            with contextlib.closing(connection):
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.read().decode() if answer.status == http.HTTPStatus.OK else None
        except OSError:
            return None

    def log(self) -> str:
        """What it has written, the end of it."""
        return self._log.read_text()[-20_000:]
