"""One replica over two nodes: the arguments that the operator makes, in two processes that share nothing but loopback.

On CPUs and by gloo. A pipeline, the operator's first choice, cannot be shown so: vLLM 0.32 fails on it without a GPU.
"""

from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from edgeglm_operator.resources.cloud_deployment import make_cloud_deployment
from edgeglm_operator.resources.leader_worker_set import in_its_kind
from edgeglm_operator.settings import Settings
from tests.cluster.need import skip_or_fail
from tests.cluster.ports import LOOPBACK, free_ports
from tests.cluster.process import until
from tests.engine.engine import ENVIRONMENT, HEALTHY_SECONDS, Engine
from tests.engine.place import environment, is_set_up, models
from tests.unit.operator.builders import an_inference_service

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

MODEL = "tiny-glm4"
GONE_SECONDS = 120


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Engine]:
    """Both pods, the worker first; the engine is the leader."""
    if not is_set_up() or not (models() / MODEL / "config.json").exists():
        skip_or_fail("no vLLM for the CPU", "make engine sets it up (3 GB)")
    leader = Engine(MODEL, tmp_path)
    templates = the_templates(*free_ports(1))
    try:
        for name, which, rank in (("worker", "workerTemplate", 1), ("vllm", "leaderTemplate", 0)):
            ready = leader.healthy if name == "vllm" else lambda: True
            vllm = environment() / "bin" / "vllm"
            argv: list[str | Path] = [vllm, "serve", *arguments(templates[which], rank, leader.port)]
            leader.processes.start(name, argv, env=ENVIRONMENT, ready=ready, bound_seconds=HEALTHY_SECONDS)
        yield leader
    finally:
        for name in ("vllm", "worker"):
            leader.processes.kill_group(name)


def test_two_pods_answer_as_one_and_end_as_one(group: Engine) -> None:
    """Of a worker that is gone the first pod learns by the next request: its health is not to be trusted till then."""
    assert group.chat("Which machine is failing?", max_tokens=8)

    group.processes.kill_group("worker")
    with pytest.raises((RuntimeError, OSError, HTTPException)):
        group.chat("Which machine is failing?", max_tokens=8)
    assert until(lambda: not group.healthy(), GONE_SECONDS)


def the_templates(master_port: int) -> dict[str, Any]:
    """Of a replica whose layers are split over one accelerator on each of two nodes."""
    for_a_cpu = ["--enforce-eager", "--kv-cache-memory-bytes=64M", f"--master-port={master_port}"]
    service = an_inference_service(
        engine={"maxModelLen": 512, "parallelism": {"tensor": 2}, "dtype": "bfloat16", "extraArgs": for_a_cpu},
        model={"uri": "pvc://models", "name": MODEL},
        cloud={"nodesPerReplica": 2, "accelerator": {"count": 1}},
    )
    found: dict[str, Any] = in_its_kind(make_cloud_deployment(service, Settings()), service)["spec"]
    return dict(found["leaderWorkerTemplate"])


def arguments(template: dict[str, Any], rank: int, port: int) -> list[str]:
    """As LeaderWorkerSet and the kubelet fill them in, but for where the model lies and who may ask."""
    told = {
        "$(LWS_WORKER_INDEX)": str(rank),
        "$(LWS_LEADER_ADDRESS)": LOOPBACK,
        "--host=0.0.0.0": f"--host={LOOPBACK}",
        "--port=8000": f"--port={port}",
    }
    _, *filled = template["spec"]["containers"][0]["args"]
    for words, value in told.items():
        filled = [argument.replace(words, value) for argument in filled]
    return [str(models() / MODEL), *filled]
