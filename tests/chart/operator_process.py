"""The operator as a process of its own, under whatever identity its kubeconfig has."""

import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chart.kubectl import Kubectl
from tests.cluster.ports import LOOPBACK, free_ports
from tests.cluster.process import until

ROOT = Path(__file__).parents[2]
WITHIN_SECONDS = 60
_END_SECONDS = 30
_WRITES = ("patch", "create", "delete")


class OperatorProcess:
    """One running operator."""

    def __init__(self, port: int, log: Path) -> None:
        self._port = port
        self._log = log

    def refusals(self) -> list[str]:
        """The requests that the API server answered with 403, as the operator's own metrics count them."""
        return [line for line in self._metrics() if "_count{" in line and '="403"' in line]

    def writes(self) -> float:
        """How many requests could have changed something; the Lease alone is written by `update`."""
        verbs = [
            f'edgeglm_api_request_seconds_count{{code="{code}",verb="{verb}"}}'
            for code in (200, 201)
            for verb in _WRITES
        ]
        return sum(float(line.rpartition(" ")[2]) for line in self._metrics() if line.startswith(tuple(verbs)))

    def lists_of(self, kind: str) -> float:
        """How often all objects of a kind were listed."""
        counted = f'edgeglm_resync_total{{kind="{kind}",result="listed"}} '
        return sum(float(line.removeprefix(counted)) for line in self._metrics() if line.startswith(counted))

    def _metrics(self) -> list[str]:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=10)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return lines

    def await_that(self, holds: Callable[[], bool]) -> None:
        """Wait; the end of the log explains a failure."""
        assert until(holds, WITHIN_SECONDS), f"not within {WITHIN_SECONDS} s:\n{self._log.read_text()[-3000:]}"


@contextmanager
def running_operator(kubeconfig: Path, log: Path, *flags: str) -> Iterator[OperatorProcess]:
    """An operator, ended again in order."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "edgeglm_operator.main", f"--kubeconfig={kubeconfig}", *flags]
    with log.open("w") as output:
        process = subprocess.Popen([*command, f"--listen={LOOPBACK}:{port}"], stdout=output, stderr=output)
    try:
        yield OperatorProcess(port, log)
    finally:
        process.terminate()
        process.wait(timeout=_END_SECONDS)


@contextmanager
def edge_node(kubectl: Kubectl, name: str, *, ready: str = "True") -> Iterator[None]:
    """A node that looks like one that KubeEdge joined, and that is heard; no kubelet stands behind it.

    So after a minute it is heard no more; one whose `ready` is Unknown stays as it is.
    """
    labels = {"node-role.kubernetes.io/edge": "", "kubernetes.io/hostname": name}
    kubectl.apply([{"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}])
    said = {"type": "Ready", "status": ready, "reason": "KubeletReady", "message": ""}
    kubectl.run("patch", "node", name, "--subresource=status", "-p", json.dumps({"status": {"conditions": [said]}}))
    yield
    kubectl.run("delete", "node", name)


def our_objects(kubectl: Kubectl, namespace: str) -> list[dict[str, Any]]:
    """The custom resources of a namespace."""
    items: list[dict[str, Any]] = json.loads(kubectl.run("get", "edgeglm", "-n", namespace, "-o", "json"))["items"]
    return items


def is_observed(manifest: dict[str, Any]) -> bool:
    """Whether the operator has spoken of the present spec."""
    observed: bool = manifest.get("status", {}).get("observedGeneration") == manifest["metadata"]["generation"]
    return observed


def names(kubectl: Kubectl, kinds: str, namespace: str) -> set[str]:
    """What is there, as `deployment.apps/x`."""
    return set(kubectl.run("get", kinds, "-n", namespace, "-o", "name").split())
