"""pytest fixtures: a real cluster, real nodes, simulated nodes, a real broker.

Each is started once per worker, under an instance name of that worker, and ended with the session.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.binaries import MissingToolchainError
from tests.cluster.broker import Broker
from tests.cluster.cache import first_free
from tests.cluster.cluster import Cluster, NeedsRootError
from tests.cluster.debian import BROKER_PACKAGES, MissingPackagesError, install
from tests.cluster.instance import claim_instance, find_instance
from tests.cluster.kwok import Kwok
from tests.cluster.need import skip_or_fail
from tests.cluster.node import Node
from tests.cluster.someones import SomeonesCluster

AnyCluster = Cluster | SomeonesCluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[AnyCluster]:
    """A real control plane: the user's own by EDGEGLM_KUBECONFIG, else one of this session."""
    theirs = os.environ.get("EDGEGLM_KUBECONFIG")
    if theirs:
        yield SomeonesCluster(Path(theirs))
        return
    yield from a_cluster("t", Cluster.up)


@pytest.fixture(scope="session")
def node_cluster() -> Iterator[Cluster]:
    """A cluster with the two real nodes cloud-1 and edge-1."""
    yield from a_cluster("n", Cluster.up_with_nodes)


@pytest.fixture(scope="session")
def nodes(node_cluster: Cluster) -> tuple[Node, Node]:
    """The two real nodes."""
    return node_cluster.nodes


@pytest.fixture(scope="session")
def kwok_nodes(cluster: AnyCluster) -> Iterator[Kwok]:
    """A simulator of nodes on the session's cluster; a test adds the nodes it wants."""
    if not isinstance(cluster, Cluster):
        skip_or_fail("simulated nodes are for the lab's own cluster", "unset EDGEGLM_KUBECONFIG")
    kwok = Kwok(cluster.control_plane)
    kwok.start()
    yield kwok
    kwok.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """A function that gives a real mosquitto on a free loopback port, not started yet; all are ended with the test."""
    try:
        install(BROKER_PACKAGES)
    except MissingPackagesError as error:
        skip_or_fail("no mosquitto", str(error))
    made: list[Broker] = []

    def make(name: str = "broker") -> Broker:
        made.append(Broker(tmp_path / name))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def a_cluster(kind: str, start: Callable[[Cluster], None]) -> Iterator[Cluster]:
    """A cluster of this worker; its name is taken while it lives, so a free name with a cluster is a left-over."""
    with first_free(kind) as name:
        left_over = find_instance(name)
        if left_over:
            Cluster(left_over).down()
        cluster = Cluster(claim_instance(name))
        try:
            start(cluster)
            yield cluster
        except MissingToolchainError as error:
            skip_or_fail("no Kubernetes to test on", f"{error}, or EDGEGLM_KUBECONFIG")
        except (NeedsRootError, MissingPackagesError) as error:
            skip_or_fail("no real nodes", str(error))
        finally:
            cluster.down()
