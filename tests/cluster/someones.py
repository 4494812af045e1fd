"""Somebody's own cluster, named by EDGEGLM_KUBECONFIG: it is used, and never stopped, restarted or rebuilt."""

from dataclasses import dataclass
from pathlib import Path

from tests.cluster.need import skip_or_fail


@dataclass(frozen=True)
class SomeonesCluster:
    """The part of a Cluster that a test can have of a cluster that is not ours."""

    kubeconfig: Path

    def stop_apiserver(self) -> None:
        """Not ours to stop."""
        skip_or_fail("this test stops the API server", "unset EDGEGLM_KUBECONFIG for it")

    def start_apiserver(self) -> None:
        """It runs."""
