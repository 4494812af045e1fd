"""Argo CD's part, played against a real API server."""

import pytest

from tests.chart.kubectl import Kubectl
from tests.cluster.fixtures import AnyCluster


@pytest.fixture(scope="session")
def kubectl(cluster: AnyCluster) -> Kubectl:
    """As the administrator of the cluster."""
    return Kubectl(cluster.kubeconfig)
