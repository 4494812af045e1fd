"""One test cluster: a control plane, and two real nodes if asked for."""

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from images.make import archives
from tests.cluster.api import Api
from tests.cluster.binaries import ensure
from tests.cluster.controlplane import ControlPlane
from tests.cluster.debian import NODE_PACKAGES, install
from tests.cluster.instance import Instance, release_instance
from tests.cluster.network import SiteNetwork
from tests.cluster.node import CLOUD_1, EDGE_1, Node
from tests.cluster.pki import KeyPair
from tests.cluster.process import stop_all_below
from tests.cluster.progress import step

# What every node has: the image that holds pods together, and a small Debian with Python.
NODE_IMAGES = ("pause", "base")
NODE_PROGRAMS = ("kubelet", "containerd", "containerd-shim-runc-v2", "ctr")


class NeedsRootError(RuntimeError):
    """Real nodes need root: they make network namespaces, mounts and cgroups."""


class Cluster:
    """What `python -m tests.cluster` and the pytest fixtures work with."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.control_plane = ControlPlane(instance)
        self.network = SiteNetwork(instance)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.control_plane.kubeconfig

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self.control_plane.server

    @property
    def api(self) -> Api:
        """The administrator's client."""
        return self.control_plane.api

    @property
    def admin(self) -> KeyPair:
        """The administrator's certificate and key."""
        return self.control_plane.admin

    def stop_apiserver(self) -> None:
        """Stop only the API server, as an upgrade does."""
        self.control_plane.stop_apiserver()

    def start_apiserver(self) -> None:
        """Start it again, where it was."""
        self.control_plane.start_apiserver()

    @cached_property
    def nodes(self) -> tuple[Node, Node]:
        """The cloud node and the edge node, running or not."""
        return tuple(Node(kind, self.control_plane, self.network) for kind in (CLOUD_1, EDGE_1))  # type: ignore[return-value]

    def up(self) -> None:
        """Start the control plane, where it does not run yet."""
        self.control_plane.start()

    def up_with_nodes(self, images: Sequence[str] = NODE_IMAGES) -> None:
        """Start the control plane and the two nodes, which have these images (`python -m images` names them)."""
        self._prepare_nodes()
        made = archives(images)
        with ThreadPoolExecutor() as pool:
            # The nodes' images are links to be made on the disk while the control plane starts.
            stocked = [pool.submit(node.stock, made) for node in self.nodes]
            self.up()
            for each in stocked:
                each.result()
            list(pool.map(lambda node: node.start(made), self.nodes))

    def down(self) -> None:
        """End everything and leave nothing behind."""
        with step(f"stopping the cluster {self.instance.name}"):
            with ThreadPoolExecutor() as pool:
                list(pool.map(Node.stop, [node for node in self.nodes if node.directory.exists()]))
            self.control_plane.stop()
            stop_all_below(self.instance.directory)
            self.network.down()
            shutil.rmtree(self.instance.directory)
            release_instance(self.instance)

    def cut_link(self) -> None:
        """Cut the site edge-1 off."""
        self.network.cut()

    def restore_link(self) -> None:
        """Join the site again."""
        self.network.restore()

    def status(self) -> list[str]:
        """One line a process."""
        tables = [self.control_plane.processes, *(node.processes for node in self.nodes if node.directory.exists())]
        return [
            f"{table.directory.parent.name}/{name}: {'running' if table.alive(name) else 'ended'}"
            for table in tables
            for name in table.names()
        ]

    def _prepare_nodes(self) -> None:
        if os.geteuid() != 0:
            raise NeedsRootError("real nodes need root: they make network namespaces, mounts and cgroups")
        install(NODE_PACKAGES)
        ensure(NODE_PROGRAMS)
        self.network.up()
        self.control_plane.listen_for_pods()
