"""How many replicas there were to be, at every moment."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chart.kubectl import Kubectl
from tests.cluster.process import until


@contextmanager
def every_number_of_replicas(kubectl: Kubectl, namespace: str, output: Path) -> Iterator[Callable[[], list[str]]]:
    """All that the Deployment llm says meanwhile, as `kubectl get --watch` sees it."""
    command = kubectl.command(
        "get", "deployment", "llm", "-w", "-n", namespace, "-o", r"jsonpath={.spec.replicas}{'\n'}"
    )
    with output.open("w") as file:
        process = subprocess.Popen(command, stdout=file)
        try:
            assert until(lambda: bool(output.read_text().split()), 30)
            yield lambda: output.read_text().split()
        finally:
            process.terminate()
            process.wait(10)
