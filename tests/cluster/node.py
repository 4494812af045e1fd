"""A real node: containerd, a kubelet and a cgroup, in the machine's network namespace or in the site's."""

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.cluster.api import ApiError
from tests.cluster.cache import locked
from tests.cluster.cgroups import kill_cgroup, make_cgroup, remove_cgroup
from tests.cluster.command import CommandError
from tests.cluster.containerd import Containerd, PodNetwork
from tests.cluster.controlplane import ControlPlane
from tests.cluster.debian import cni_plugins
from tests.cluster.image_store import ImageStore, image_of
from tests.cluster.kubelet import Kubelet
from tests.cluster.mounts import remove_tree
from tests.cluster.network import CLOUD, EDGE, SiteNetwork, node_address, pod_bridge, pod_subnet
from tests.cluster.process import Identity, ProcessTable, until
from tests.cluster.progress import step

READY_SECONDS = 60
LOG_LINKS = Path("/var/log/containers")
CNI_RESULTS = Path("/var/lib/cni/results")


@dataclass(frozen=True)
class NodeKind:
    """What makes a node what it is."""

    name: str
    number: int
    labels: Mapping[str, str]


CLOUD_1 = NodeKind("cloud-1", CLOUD, {})
# The labels that KubeEdge gives to the nodes it joins.
EDGE_1 = NodeKind("edge-1", EDGE, {"node-role.kubernetes.io/edge": "", "node-role.kubernetes.io/agent": ""})


class Node:
    """One of the two real nodes of an instance."""

    def __init__(self, kind: NodeKind, plane: ControlPlane, network: SiteNetwork) -> None:
        self.kind = kind
        self.plane = plane
        self.network = network
        self.instance = plane.instance
        self.directory = self.instance.directory / kind.name
        self.processes = ProcessTable(self.directory / "processes")

    @property
    def name(self) -> str:
        """The node's name in the cluster."""
        return self.kind.name

    @property
    def inside(self) -> tuple[str, ...]:
        """Prefix for a command that is to run in the node's network."""
        return tuple(self.network.inside()) if self.kind.number == EDGE else ()

    @property
    def cgroup(self) -> str:
        """The cgroup of the node's pods."""
        return f"eg-{self.instance.name}-{self.name}"

    @cached_property
    def containerd(self) -> Containerd:
        """The node's container runtime."""
        number = self.kind.number
        pods = PodNetwork(pod_bridge(self.instance, number), pod_subnet(self.instance, number), cni_plugins())
        return Containerd("containerd", self.directory, pods, self.inside)

    @cached_property
    def kubelet(self) -> Kubelet:
        """The node's kubelet."""
        address = node_address(self.instance, self.kind.number)
        return Kubelet(self.name, self.directory, address, self.containerd.socket, self.cgroup, self.inside)

    def stock(self, archives: Sequence[Path]) -> None:
        """Give a node that never ran its images; needs no cluster yet."""
        if not self.containerd.root.exists():
            store = ImageStore(image_of(archive.name) for archive in archives)
            store.copy_into(self.containerd.root, archives)
            self._remember(archives)

    def start(self, archives: Sequence[Path] = ()) -> None:
        """Start the runtime with these images and the kubelet, and wait until the cluster calls the node ready."""
        self.stock(archives)
        with step(f"starting node {self.name}"):
            self._register()
            make_cgroup(self.cgroup)
            self.containerd.start(self.processes)
            self._start_kubelet()
        self.load([archive for archive in archives if archive.name not in self._loaded()])

    def _start_kubelet(self) -> None:
        """One after the other: every kubelet clears /var/lib/kubelet/device-plugins, and then listens there.

        The directory is a constant of the kubelet. One that runs does not mind losing its socket; of two that start at
        once, one finds the other's in its way and stays without a container manager.
        """
        argv = self.kubelet.argv(self.plane)
        with locked("kubelet"):
            self.processes.start("kubelet", argv, ready=self.ready, bound_seconds=READY_SECONDS)

    def stop(self) -> None:
        """End the node with all its pods, and remove what it left on the machine."""
        self.processes.stop("kubelet")
        shims = self._shims()
        kill_cgroup(self.cgroup)
        for shim in shims:
            shim.signal(signal.SIGKILL)
        self.processes.stop("containerd")
        until(lambda: not any(shim.alive() for shim in shims), 5)
        remove_cgroup(self.cgroup)
        self._remove_strays()
        remove_tree(self.directory)

    def ready(self) -> bool:
        """Tell whether the cluster calls the node ready."""
        conditions = self._object().get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def load(self, archives: Sequence[Path]) -> None:
        """Import images into the running node."""
        for archive in archives:
            with step(f"importing {archive.name} into {self.name}"):
                self.containerd.ctr("images", "import", archive, bound_seconds=600)
            self._remember([archive])

    def images(self) -> list[str]:
        """The names of the images that the node has."""
        return self.containerd.ctr("images", "list", "--quiet").split()

    def _loaded(self) -> list[str]:
        record = self.directory / "archives.txt"
        return record.read_text().split() if record.exists() else []

    def _remember(self, archives: Sequence[Path]) -> None:
        names = [*self._loaded(), *(archive.name for archive in archives)]
        (self.directory / "archives.txt").write_text("\n".join(names))

    def _register(self) -> None:
        """Make the node with its labels beforehand: a kubelet may not give itself node-role labels."""
        manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name, "labels": self.kind.labels}}
        with contextlib.suppress(ApiError):
            self.plane.api.create("/api/v1/nodes", manifest)

    def _object(self) -> Any:
        with contextlib.suppress(ApiError, OSError):
            return self.plane.api.get(f"/api/v1/nodes/{self.name}")
        return {}

    def _shims(self) -> list[Identity]:
        """The shims that this containerd started; they outlive it, and name its socket on their command line."""
        found = []
        for directory in Path("/proc").iterdir():
            with contextlib.suppress(OSError, CommandError):
                words = (directory / "cmdline").read_bytes().split(b"\0") if directory.name.isdigit() else []
                if os.fsencode(self.containerd.socket) in words and b"shim" in words[0]:
                    found.append(Identity.of(int(directory.name)))
        return found

    def _remove_strays(self) -> None:
        """Remove what kubelet and CNI leave in places that are the same for every node."""
        for link in _entries(LOG_LINKS):
            if link.is_symlink() and link.readlink().is_relative_to(self.directory):
                link.unlink()
        sandboxes = [each.name for each in _entries(self.containerd.state / "io.containerd.grpc.v1.cri" / "sandboxes")]
        for result in _entries(CNI_RESULTS):
            if any(sandbox in result.name for sandbox in sandboxes):
                result.unlink()


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.exists() else []
