"""One kubelet for each node, with every setting that two of them on one small machine need."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.binaries import program
from tests.cluster.controlplane import ControlPlane

PORT = 10250


@dataclass(frozen=True)
class Kubelet:
    """A kubelet with its files in one directory."""

    node: str
    directory: Path
    address: str
    socket: Path
    cgroup: str
    inside: tuple[str, ...] = ()

    def argv(self, plane: ControlPlane) -> list[str | Path]:
        """Write the configuration; return the command."""
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "kubelet.json"
        config.write_text(json.dumps(self._config(plane), indent=1))
        (self.directory / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        return [
            *self.inside,
            program("kubelet"),
            f"--config={config}",
            f"--kubeconfig={plane.client(f'kubelet-{self.node}', f'system:node:{self.node}', 'system:nodes')}",
            f"--hostname-override={self.node}",
            # The kubelet refuses loopback here; hence the bridge.
            f"--node-ip={self.address}",
            f"--root-dir={self.root}",
            f"--cert-dir={self.directory}/pki",
        ]

    @property
    def root(self) -> Path:
        """Volumes and pods."""
        return self.directory / "kubelet"

    @property
    def pod_logs(self) -> Path:
        """What the containers print."""
        return self.directory / "pod-logs"

    def _config(self, plane: ControlPlane) -> dict[str, Any]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            **self._identity(plane),
            **self._places(),
            **self._cgroups(),
            **SMALL_MACHINE,
        }

    def _identity(self, plane: ControlPlane) -> dict[str, Any]:
        """Where it listens, and whom it lets in: the API server, for logs and exec."""
        serving = plane.authority.issue(f"kubelet-{self.node}-serving", self.node, hosts=[self.node, self.address])
        return {
            "address": self.address,
            "port": PORT,
            "healthzPort": 0,
            "tlsCertFile": str(serving.cert),
            "tlsPrivateKeyFile": str(serving.key),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(plane.authority.cert)},
            },
            "authorization": {"mode": "Webhook"},
        }

    def _places(self) -> dict[str, Any]:
        """Everything that two kubelets on one machine would otherwise share."""
        return {
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            # No resolver runs here: a lookup is refused at once instead of timing out.
            "resolvConf": str(self.directory / "resolv.conf"),
            "clusterDNS": ["127.0.0.1"],
            "clusterDomain": "cluster.local",
            "podLogsDir": str(self.pod_logs),
            "volumePluginDir": str(self.directory / "volume-plugins"),
            "staticPodPath": "",
        }

    def _cgroups(self) -> dict[str, Any]:
        return {
            # Does not depend on systemd; containerd is told the same.
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.cgroup}",
            "cgroupsPerQOS": True,
            "enforceNodeAllocatable": [],
            # Current kubelets refuse cgroup v1 unless told.
            "failCgroupV1": False,
        }


SMALL_MACHINE: dict[str, Any] = {
    "failSwapOn": False,
    # No iptables rules are made anywhere.
    "makeIPTablesUtilChains": False,
    # Images that were imported must not be collected, and a full disk of a developer is no reason to evict.
    "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    "imageGCHighThresholdPercent": 100,
    "imageGCLowThresholdPercent": 99,
    "nodeStatusUpdateFrequency": "5s",
    "shutdownGracePeriod": "0s",
    "maxPods": 60,
}
