"""The network of two nodes on one machine: a bridge, and a site behind a link that can be cut.

    cloud-1: the machine's own namespace, 10.x.0.1 on the bridge
    edge-1:  a namespace of its own with its own loopback, 10.x.0.2 at the far end of a veth pair

Taking the near end of the pair down is what a dead uplink is to the site: packets vanish, nothing is refused.
"""

from pathlib import Path

from tests.cluster.command import run
from tests.cluster.instance import Instance

CLOUD, EDGE = 1, 2


class SiteNetwork:
    """The links of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def up(self) -> None:
        """Make what is not there yet."""
        if not self._exists(self.instance.bridge):
            self._make_bridge()
        if not self.namespace_file.exists():
            self._make_site()

    def down(self) -> None:
        """Remove the site, then the bridge; removing one end of a pair removes the other."""
        for link in (self.instance.link, self.instance.bridge, pod_bridge(self.instance, CLOUD)):
            if self._exists(link):
                run(["ip", "link", "delete", link])
        if self.namespace_file.exists():
            run(["ip", "netns", "delete", self.instance.namespace])

    def cut(self) -> None:
        """Cut the site off."""
        run(["ip", "link", "set", self.instance.link, "down"])

    def restore(self) -> None:
        """Join the site again."""
        run(["ip", "link", "set", self.instance.link, "up"])

    @property
    def namespace_file(self) -> Path:
        """Where iproute2 keeps the namespace's handle."""
        return Path("/run/netns") / self.instance.namespace

    def inside(self) -> list[str]:
        """Prefix for a command that is to run at the site.

        Not `ip netns exec`: that remounts /sys and hides the cgroups, which the kubelet and runc need.
        """
        return ["nsenter", f"--net={self.namespace_file}"]

    def _exists(self, link: str) -> bool:
        return Path("/sys/class/net", link).exists()

    def _make_bridge(self) -> None:
        bridge = self.instance.bridge
        run(["ip", "link", "add", bridge, "type", "bridge"])
        run(["ip", "address", "add", f"{node_address(self.instance, CLOUD)}/24", "dev", bridge])
        # The API server's own address, which is the ClusterIP of the `kubernetes` service.
        run(["ip", "address", "add", f"{self.instance.api_address}/32", "dev", bridge])
        run(["ip", "link", "set", bridge, "up"])

    def _make_site(self) -> None:
        near, far = self.instance.link, self.instance.far_link
        run(["ip", "netns", "add", self.instance.namespace])
        run(["ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", self.instance.namespace])
        run(["ip", "link", "set", near, "master", self.instance.bridge, "up"])
        self._inside("link", "set", "lo", "up")
        self._inside("address", "add", f"{node_address(self.instance, EDGE)}/24", "dev", far)
        self._inside("link", "set", far, "up")
        self._inside("route", "add", "default", "via", node_address(self.instance, CLOUD))
        route = [pod_subnet(self.instance, EDGE), "via", node_address(self.instance, EDGE)]
        run(["ip", "route", "replace", *route])

    def _inside(self, *words: str) -> None:
        run([*self.inside(), "ip", *words])


def node_address(instance: Instance, number: int) -> str:
    """The address of a node."""
    return instance.address(0, number)


def pod_subnet(instance: Instance, number: int) -> str:
    """The range that a node's pods get their addresses from."""
    return f"{instance.address(number, 0)}/24"


def pod_bridge(instance: Instance, number: int) -> str:
    """The link that joins the pods of a node."""
    return f"eg-{instance.name}-p{number}"
