"""One containerd for each node, with its own store, state, socket and pod network."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.binaries import program
from tests.cluster.command import CommandError, run
from tests.cluster.process import ProcessTable

PAUSE_IMAGE = "edgeglm.local/pause:1"
# A Unix socket's path has at most 107 bytes.
SOCKET_PATH_BYTES = 107


@dataclass(frozen=True)
class PodNetwork:
    """Where pods get their addresses."""

    bridge: str
    subnet: str
    plugins: Path


@dataclass(frozen=True)
class Containerd:
    """A containerd with its files in one directory; `inside` runs it in a network namespace."""

    name: str
    directory: Path
    network: PodNetwork | None = None
    inside: tuple[str, ...] = ()

    @property
    def socket(self) -> Path:
        """Where the kubelet and ctr find it."""
        return self.directory / "containerd.sock"

    @property
    def root(self) -> Path:
        """Images and snapshots."""
        return self.directory / "root"

    @property
    def state(self) -> Path:
        """Running containers."""
        return self.directory / "state"

    def start(self, processes: ProcessTable) -> None:
        """Write the configuration and start it."""
        if len(str(self.socket)) + len(".ttrpc") > SOCKET_PATH_BYTES:
            raise ValueError(f"{self.socket} is too long for a socket: choose a shorter --state directory")
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "containerd.toml"
        config.write_text(self._config())
        if self.network:
            self._write_network(self.network)
        argv: list[str | Path] = [*self.inside, program("containerd"), "--config", config]
        # containerd finds its shim beside itself only when that is on the path.
        env = {"PATH": f"{program('containerd').parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        processes.start(self.name, argv, env=env, ready=self.answers, bound_seconds=60)

    def answers(self) -> bool:
        """Tell whether it can be asked."""
        try:
            self.ctr("version", bound_seconds=5)
        except CommandError:
            return False
        return True

    def ctr(self, *words: str | Path, bound_seconds: float = 60) -> str:
        """Run containerd's own client in the namespace that Kubernetes uses."""
        argv = [program("ctr"), "--address", self.socket, "--namespace", "k8s.io", *words]
        # The warning about cgroup v1 would be read as an answer.
        quiet = {"CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS": "1"}
        return run(argv, env=quiet, bound_seconds=bound_seconds)

    def _config(self) -> str:
        disabled = [f'"io.containerd.{name}"' for name in DISABLED]
        network = (
            f"""
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['{self.network.plugins}']
  conf_dir = '{self.directory}/cni'
"""
            if self.network
            else ""
        )
        return f"""version = 3
root = '{self.root}'
state = '{self.state}'
disabled_plugins = [{", ".join(disabled)}]

[grpc]
  address = '{self.socket}'

[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{PAUSE_IMAGE}'

[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE nobody may lower an oom_score_adj, and runc dies of the attempt with
  # "can't get final child's PID from pipe: EOF".
  restrict_oom_score_adj = true
  enable_selinux = false
  disable_apparmor = true
  netns_mounts_under_state_dir = true
{network}
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  # The same choice as the kubelet's cgroupDriver.
  SystemdCgroup = false

[plugins.'io.containerd.internal.v1.opt']
  path = '{self.directory}/opt'
"""

    def _write_network(self, network: PodNetwork) -> None:
        bridge = {
            "type": "bridge",
            "bridge": network.bridge,
            "isGateway": True,
            "ipMasq": False,  # nothing leaves the machine
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.directory / "addresses"),
                "ranges": [[{"subnet": network.subnet}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        content = {"cniVersion": "1.0.0", "name": "edgeglm", "plugins": [bridge]}
        path = self.directory / "cni" / "10-edgeglm.conflist"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=1))


# Snapshotters and extras that are not used; containerd warns about each that it cannot load.
DISABLED = (
    "snapshotter.v1.blockfile",
    "snapshotter.v1.erofs",
    "differ.v1.erofs",
    "nri.v1.nri",
    "tracing.processor.v1.otlp",
    "internal.v1.tracing",
)
