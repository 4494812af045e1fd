"""Simulated nodes for scale: KWOK keeps them ready and moves their pods along; nothing runs there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cluster.api import MERGE
from tests.cluster.binaries import ensure, program
from tests.cluster.controlplane import ControlPlane

STAGES = Path(__file__).parent / "kwok-stages.yaml"
MANAGED = "kwok.x-k8s.io/node"
# KWOK renews a lease well before it ends; the controller manager waits 20 s.
LEASE_SECONDS = 20
FOREVER_SECONDS = 1_000_000
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
ROOM = {"cpu": "64", "memory": "512Gi", "pods": "250"}


class Kwok:
    """The simulator of one control plane."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane

    def start(self) -> None:
        """Start it; it looks after every node that is added."""
        ensure(["kwok"])
        argv: list[str | Path] = [
            program("kwok"),
            f"--kubeconfig={self.plane.kubeconfig}",
            f"--config={STAGES}",
            f"--manage-nodes-with-annotation-selector={MANAGED}=fake",
            f"--node-lease-duration-seconds={LEASE_SECONDS}",
        ]
        self.plane.processes.start("kwok", argv, ready=lambda: True)

    def stop(self) -> None:
        """End it; its nodes are lost 20 s later."""
        self.plane.processes.stop("kwok")

    def add_node(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        *,
        gpus: int = 0,
        devices: Mapping[str, int] | None = None,
        taints: Sequence[Any] = (),
    ) -> None:
        """Add a node that becomes ready at once. `devices` is how many it has of other extended resources."""
        extended = {**(devices or {}), **({"nvidia.com/gpu": gpus} if gpus else {})}
        room = ROOM | {resource: str(count) for resource, count in extended.items()}
        metadata = {"name": name, "labels": dict(labels or {}), "annotations": {MANAGED: "fake"}}
        status = {"allocatable": room, "capacity": room}
        self.plane.api.create("/api/v1/nodes", {"metadata": metadata, "spec": {"taints": [*taints]}, "status": status})

    def remove_node(self, name: str) -> None:
        """Remove a node."""
        self.plane.api.delete(f"/api/v1/nodes/{name}")

    def fail_node(self, name: str) -> None:
        """Let a node fall silent: the real node controller calls it lost after 20 s.

        KWOK renews the lease of a node it ever managed, so the lease goes to a holder who never renews it.
        """
        self._manage(name, None)
        lost = {"spec": {"holderIdentity": "nobody", "leaseDurationSeconds": FOREVER_SECONDS}}
        self.plane.api.call("PATCH", f"{LEASES}/{name}", lost, MERGE)

    def recover_node(self, name: str) -> None:
        """Let it report again."""
        self.plane.api.delete(f"{LEASES}/{name}")
        self._manage(name, "fake")

    def ready(self, name: str) -> bool:
        """Tell whether the cluster calls the node ready."""
        conditions = self.plane.api.get(f"/api/v1/nodes/{name}")["status"].get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def _manage(self, name: str, value: str | None) -> None:
        patch = {"metadata": {"annotations": {MANAGED: value}}}
        self.plane.api.call("PATCH", f"/api/v1/nodes/{name}", patch, MERGE)
