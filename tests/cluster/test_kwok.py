"""Simulated nodes behave like nodes as far as the control plane can tell."""

import pytest

from tests.cluster.kwok import Kwok
from tests.cluster.process import until

pytestmark = pytest.mark.cluster

PODS = "/api/v1/namespaces/default/pods"
# Pods of earlier tests may still wait for a node with GPUs; they must not take this one.
OURS = {"key": "edgeglm.io/test-node", "value": "ours", "effect": "NoSchedule"}


def test_a_pod_becomes_ready_after_its_delay_and_goes_when_deleted(kwok_nodes: Kwok) -> None:
    api = kwok_nodes.plane.api
    kwok_nodes.add_node("sim-1", {"kind": "simulated"}, gpus=2, taints=[OURS])
    assert until(lambda: kwok_nodes.ready("sim-1"), 60)
    limits = {"limits": {"nvidia.com/gpu": "2"}}
    spec = {
        "nodeSelector": {"kind": "simulated"},
        "tolerations": [OURS],
        "containers": [{"name": "c", "image": "none", "resources": limits}],
    }
    api.create(PODS, {"metadata": {"name": "slow", "annotations": {"edgeglm.io/test-ready-after": "2s"}}, "spec": spec})
    assert not until(lambda: api.get(f"{PODS}/slow")["status"]["phase"] == "Running", 1)
    assert until(lambda: api.get(f"{PODS}/slow")["status"]["phase"] == "Running", 60), api.get(f"{PODS}/slow")["status"]
    api.delete(f"{PODS}/slow")
    assert until(lambda: not api.exists(f"{PODS}/slow"), 60)
    kwok_nodes.remove_node("sim-1")


def test_a_node_can_fail_and_come_back(kwok_nodes: Kwok) -> None:
    kwok_nodes.add_node("sim-2")
    assert until(lambda: kwok_nodes.ready("sim-2"), 60)
    kwok_nodes.fail_node("sim-2")
    assert until(lambda: not kwok_nodes.ready("sim-2"), 60)
    kwok_nodes.recover_node("sim-2")
    assert until(lambda: kwok_nodes.ready("sim-2"), 60)
    kwok_nodes.remove_node("sim-2")
