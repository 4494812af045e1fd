"""What the demo plays on: a real cluster with two real nodes, their images, the weights, and the site's broker."""

import shutil
from pathlib import Path

from tests.cluster.broker import Broker
from tests.cluster.cluster import Cluster
from tests.cluster.debian import BROKER_PACKAGES, install
from tests.cluster.instance import claim_instance, find_instance
from tests.cluster.node import Node
from tests.engine.models import install_models
from tests.engine.setup import setup

NAME = "demo"
IMAGES = ("pause", "operator", "agent", "engine")
# Where examples/plant looks for the weights, on each node; the two nodes share this machine's disk.
HOST = Path("/var/lib/edgeglm")
MARK = HOST / "made-by-the-demo"
BROKER_PORT = 1883


class HostTakenError(RuntimeError):
    """This machine serves a site of its own; its spool and its models are not the demo's to touch."""


class Stage:
    """Sets everything up, and clears everything away."""

    def __init__(self) -> None:
        left_over = find_instance(NAME)
        if left_over:
            Cluster(left_over).down()
        self.cluster = Cluster(claim_instance(NAME))
        self.broker: Broker | None = None

    @property
    def site(self) -> Node:
        """The edge node."""
        return self.cluster.nodes[1]

    def up(self) -> None:
        """Build what is missing, and start it all."""
        take_host()
        setup()
        install(BROKER_PACKAGES)
        self.cluster.up_with_nodes(IMAGES)
        install_models(HOST / "models")
        directory = self.cluster.instance.directory / "broker"
        self.broker = Broker(directory, port=BROKER_PORT, inside=self.site.inside)
        self.broker.start()

    def down(self) -> None:
        """End what was started, and remove what was put on the nodes' disk."""
        if self.broker is not None:
            self.broker.stop()
        self.cluster.down()
        if MARK.exists():
            shutil.rmtree(HOST)


def take_host() -> None:
    """Mark the directory of the nodes as ours, to be removed with the stage; refuse one that is somebody's."""
    if HOST.exists() and not MARK.exists() and any(HOST.iterdir()):
        raise HostTakenError(f"{HOST} is in use on this machine; the demo would remove it at its end, so it stops here")
    HOST.mkdir(parents=True, exist_ok=True)
    MARK.touch()
