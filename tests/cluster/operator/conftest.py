"""The operator as a real process, with the rights that the chart grants, on a real API server."""

import base64
import contextlib
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.kubectl import Kubectl
from tests.cluster.fixtures import AnyCluster
from tests.cluster.operator.chart import SYSTEM, install_without_operator
from tests.cluster.operator.objects import a_fake_node
from tests.cluster.operator.process import OperatorProcess
from tests.cluster.operator.proxy import Proxy

ACCOUNT = "edgeglm"


@pytest.fixture(scope="session")
def kubectl(cluster: AnyCluster) -> Kubectl:
    """As the administrator."""
    return Kubectl(cluster.kubeconfig)


@pytest.fixture(scope="module")
def installed(kubectl: Kubectl) -> Kubectl:
    """The chart, but for the operator's own Deployment: the process of the test stands for its pod."""
    install_without_operator(kubectl)
    return kubectl


@pytest.fixture
def namespace(installed: Kubectl) -> Iterator[str]:
    """A new namespace, open to edge pods."""
    name = f"op-{secrets.token_hex(3)}"
    labels = {"edgeglm.io/edge": "allowed", "pod-security.kubernetes.io/enforce": "privileged"}
    installed.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}])
    yield name
    installed.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def edge_node(installed: Kubectl) -> Iterator[str]:
    """An edge node that nobody runs."""
    name = f"box-{secrets.token_hex(3)}"
    installed.apply([a_fake_node(name)])
    yield name
    installed.run("delete", "node", name, "--ignore-not-found")


class Launch:
    """Makes operators that reach the API server through one proxy, as the ServiceAccount that the chart makes."""

    def __init__(self, proxy: Proxy, kubeconfig: Path) -> None:
        self.proxy = proxy
        self._kubeconfig = kubeconfig
        self._made: list[OperatorProcess] = []

    def __call__(self, *arguments: str, name: str = "operator-0") -> OperatorProcess:
        """One, not started yet."""
        log = self._kubeconfig.with_name(f"{name}.log")
        made = OperatorProcess(self._kubeconfig, log, "--namespace", SYSTEM, *arguments, name=name)
        self._made.append(made)
        return made

    def end(self) -> None:
        """End those that run; in good order, or the test fails."""
        for each in self._made:
            sys.stdout.write(each.log())  # pytest shows it where a test failed
            if each.is_running:
                _end(each)


@contextlib.contextmanager
def launching(cluster: AnyCluster, kubectl: Kubectl, directory: Path, *, account: str = ACCOUNT) -> Iterator[Launch]:
    """With a proxy of its own."""
    server, ca = address_of(cluster.kubeconfig, directory)
    token = kubectl.token(account, SYSTEM)
    with Proxy(server, ca) as proxy:
        kubeconfig = directory / "operator.kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(kubeconfig_for(f"http://127.0.0.1:{proxy.port}", token)))
        launch = Launch(proxy, kubeconfig)
        try:
            yield launch
        finally:
            launch.end()


@pytest.fixture
def launch(cluster: AnyCluster, installed: Kubectl, tmp_path: Path) -> Iterator[Launch]:
    """For a test that starts, kills or disturbs operators of its own."""
    with launching(cluster, installed, tmp_path) as ready:
        yield ready


@pytest.fixture(scope="module")
def shared_operator(
    cluster: AnyCluster, installed: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """One that runs undisturbed through all tests of a module."""
    with launching(cluster, installed, tmp_path_factory.mktemp("operator")) as ready:
        running = ready()
        running.start()
        yield running


def _end(operator: OperatorProcess) -> None:
    try:
        assert operator.stop() == 0, operator.log()
    except subprocess.TimeoutExpired:
        operator.kill()
        raise


def address_of(kubeconfig: Path, directory: Path) -> tuple[str, Path]:
    """The server's URL, and the file with its CA."""
    command = ["kubectl", f"--kubeconfig={kubeconfig}", "config", "view", "--raw", "--flatten", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    cluster = json.loads(done.stdout)["clusters"][0]["cluster"]
    return cluster["server"], _decoded(cluster["certificate-authority-data"], directory / "ca.crt")


def _decoded(data: str, path: Path) -> Path:
    path.write_bytes(base64.b64decode(data))
    return path


def kubeconfig_for(server: str, token: str) -> dict[str, Any]:
    """For somebody with a token."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
