"""One operator as a real process."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cluster.ports import free_ports
from tests.cluster.process import until

START_SECONDS = 60
STOP_SECONDS = 30


class OperatorProcess:
    """`python -m edgeglm_operator.main`, its log and its endpoints."""

    def __init__(self, kubeconfig: Path, log: Path, *arguments: str, name: str = "operator-0") -> None:
        self._log = log
        self.name = name
        (self.port,) = free_ports(1)
        self._argv = [
            # As in a container: a user that has no name. A user namespace leaves the files its own.
            *("unshare", "--map-user=10001", "--"),
            *(sys.executable, "-m", "edgeglm_operator.main"),
            *("--kubeconfig", str(kubeconfig), "--listen", f"127.0.0.1:{self.port}"),
            *arguments,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The running process."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start it, and wait until it has listed everything."""
        self.launch()
        assert until(lambda: self.answers("/readyz") or not self.is_running, START_SECONDS), self.log()
        assert self.is_running, self.log()

    @contextlib.contextmanager
    def restarted_when_it_ends(self) -> Iterator[None]:
        """As the kubelet does it: an operator ends by itself where it could not renew its Lease."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(1):
                if not self.is_running:
                    self.launch()

        watcher = threading.Thread(target=watch, name=f"restarts {self.name}")
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def launch(self) -> None:
        """Start it."""
        # A pod's name, as the chart passes it: the same again after a restart.
        environment = os.environ | {"POD_NAME": self.name, "PYTHONWARNINGS": "error"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log, env=environment)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(STOP_SECONDS)

    def wait(self, seconds: float) -> int:
        """The exit status, once it has ended by itself."""
        return self.process.wait(seconds)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def leads(self) -> bool:
        """Whether it acts."""
        return self.metric("edgeglm_leader") == 1

    def answers(self, path: str) -> bool:
        """Whether a probe succeeds."""
        try:
            return self._ask(path)[0] == http.HTTPStatus.OK
        except OSError:
            return False

    def metric(self, name: str, labels: Sequence[str] = ()) -> float:
        """The sum of a metric's samples that have these labels (`kind="Node"`)."""
        lines = self._ask("/metrics")[1].splitlines()
        samples = (line.rpartition(" ") for line in lines if line.startswith((f"{name} ", f"{name}{{")))
        return sum(float(value) for sample, _, value in samples if all(label in sample for label in labels))

    def is_quiet(self) -> bool:
        """Whether nothing waits and nobody works, and so a moment later."""
        before = self._busy()
        time.sleep(0.3)
        return not before and not self._busy()

    def log(self) -> str:
        """What it has written, the end of it."""
        return self._log.read_text()[-20_000:]

    def _busy(self) -> float:
        return self.metric("edgeglm_workqueue_depth") + self.metric("edgeglm_workers_busy")

    def _ask(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
