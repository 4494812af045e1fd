"""KEDA for real, beside a control plane: its operator, and its metrics API, which Kubernetes' own autoscaler asks."""

import base64
import shutil
from pathlib import Path
from typing import Any

from tests.chart.kubectl import Kubectl
from tests.cluster.binaries import ensure, program
from tests.cluster.controlplane import ControlPlane
from tests.cluster.crds import crds_of_keda
from tests.cluster.ports import LOOPBACK, answers, free_ports

NAMESPACE = "keda"
NAME = "keda-adapter"
API = "v1beta1.external.metrics.k8s.io"


class Keda:
    """Both of its programs, on loopback."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self._kubectl = Kubectl(plane.kubeconfig)
        self._directory = plane.instance.directory / "keda"
        self._probes, self._grpc, self._metrics = free_ports(3)

    def start(self) -> None:
        """Install its CRDs, start it, and let the API server serve its figures."""
        ensure(["keda-operator", NAME])
        self._write_certificates()
        self._kubectl.install(crds_of_keda())
        self._kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
        self._start_operator()
        self._start_adapter()
        self._kubectl.apply([self._service(), self._api_service()])
        self._kubectl.run("wait", "--for=condition=Available", "--timeout=60s", "apiservice", API)

    def stop(self) -> None:
        """End it, and leave nothing. The API goes first: while one does not answer, no namespace can end."""
        self._kubectl.run("delete", "apiservice", API, "--ignore-not-found")
        self._kubectl.run("delete", "-f", str(crds_of_keda()), "--ignore-not-found", "--timeout=60s")
        for name in (NAME, "keda-operator"):
            self.plane.processes.stop(name)
        self._kubectl.run("delete", "namespace", NAMESPACE, "--wait=false", "--ignore-not-found")

    def _start_operator(self) -> None:
        argv: list[str | Path] = [
            program("keda-operator"),
            f"--kubeconfig={self.plane.kubeconfig}",
            f"--cert-dir={self._directory}",
            f"--health-probe-bind-address={LOOPBACK}:{self._probes}",
            f"--metrics-service-bind-address={LOOPBACK}:{self._grpc}",
            "--enable-prometheus-metrics=false",
            "--enable-webhook-patching=false",
            "--enable-apiservice-patching=false",
        ]
        environment = dict.fromkeys(("POD_NAMESPACE", "KEDA_CLUSTER_OBJECT_NAMESPACE"), NAMESPACE) | {
            "WATCH_NAMESPACE": ""
        }
        self._start("keda-operator", argv, environment, self._grpc)

    def _start_adapter(self) -> None:
        kubeconfig = self.plane.kubeconfig
        argv: list[str | Path] = [
            program(NAME),
            *(f"--{who}-kubeconfig={kubeconfig}" for who in ("lister", "authentication", "authorization")),
            f"--cert-dir={self._directory}",
            f"--tls-cert-file={self._directory / 'tls.crt'}",
            f"--tls-private-key-file={self._directory / 'tls.key'}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self._metrics}",
            f"--metrics-service-address={LOOPBACK}:{self._grpc}",
        ]
        self._start(NAME, argv, {"POD_NAMESPACE": NAMESPACE}, self._metrics)

    def _start(self, name: str, argv: list[str | Path], environment: dict[str, str], port: int) -> None:
        self.plane.processes.start(
            name, argv, ready=lambda: answers(LOOPBACK, port), env=environment, bound_seconds=120
        )

    def _write_certificates(self) -> None:
        hosts = ["localhost", f"{NAME}.{NAMESPACE}.svc", LOOPBACK]
        pair = self.plane.authority.issue("keda", "keda", hosts=hosts)
        self._directory.mkdir(exist_ok=True)
        shutil.copyfile(pair.cert, self._directory / "tls.crt")
        shutil.copyfile(pair.key, self._directory / "tls.key")
        shutil.copyfile(self.plane.authority.cert, self._directory / "ca.crt")

    def _service(self) -> dict[str, Any]:
        """A name outside of the cluster: an endpoint on loopback would be refused."""
        metadata = {"name": NAME, "namespace": NAMESPACE}
        spec = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": self._metrics}]}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}

    def _api_service(self) -> dict[str, Any]:
        return {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": API},
            "spec": {
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "service": {"name": NAME, "namespace": NAMESPACE, "port": self._metrics},
                "caBundle": base64.b64encode(self.plane.authority.cert.read_bytes()).decode(),
            },
        }
