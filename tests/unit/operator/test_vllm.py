"""From the spec to vLLM: each typed field to its flag, keys out of sight, probes where they reach the engine."""

from pathlib import Path
from typing import Any

import pytest

from edgeglm_api.inference_service import Engine
from edgeglm_api.model import read
from edgeglm_operator.resources.cloud_deployment import PRE_STOP_SECONDS, make_cloud_deployment
from edgeglm_operator.resources.edge_deployment import make_edge_deployment
from edgeglm_operator.resources.engine_flags import engine_flags
from edgeglm_operator.resources.vllm import literal
from edgeglm_operator.resources.weights import mounted_weights, node_path
from edgeglm_operator.settings import Settings
from tests.unit.operator.builders import a_target, an_inference_service

SETTINGS = Settings()
KNOWN_FLAGS = frozenset(Path(__file__).with_name("vllm-0.32-flags.txt").read_text(encoding="utf-8").split())

FLAGS = [
    ("maxModelLen", 8192, "--max-model-len=8192"),
    ("maxNumSeqs", 64, "--max-num-seqs=64"),
    ("maxNumBatchedTokens", 4096, "--max-num-batched-tokens=4096"),
    ("gpuMemoryUtilizationPercent", 90, "--gpu-memory-utilization=0.90"),
    ("gpuMemoryUtilizationPercent", 5, "--gpu-memory-utilization=0.05"),
    ("gpuMemoryUtilizationPercent", 100, "--gpu-memory-utilization=1.00"),
    ("dtype", "bfloat16", "--dtype=bfloat16"),
    ("quantization", "awq", "--quantization=awq"),
    ("kvCacheDtype", "fp8", "--kv-cache-dtype=fp8"),
    ("prefixCaching", True, "--enable-prefix-caching"),
    ("prefixCaching", False, "--no-enable-prefix-caching"),
    ("trustRemoteCode", True, "--trust-remote-code"),
    ("trustRemoteCode", False, "--no-trust-remote-code"),
    ("reasoningParser", "glm45", "--reasoning-parser=glm45"),
    ("toolCallParser", "glm45", "--enable-auto-tool-choice --tool-call-parser=glm45"),
    ("chatTemplate", "{{messages}}", "--chat-template={{messages}}"),
    ("scheduling", {"policy": "Priority"}, "--scheduling-policy=priority"),
    ("scheduling", {"policy": "FCFS"}, "--scheduling-policy=fcfs"),
    ("scheduling", {"maxQueuedRequests": 512}, "--max-num-queued-reqs=512"),
    ("scheduling", {}, ""),
    ("parallelism", {"tensor": 4}, "--tensor-parallel-size=4"),
    ("parallelism", {"pipeline": 2, "data": 3}, "--pipeline-parallel-size=2 --data-parallel-size=3"),
    ("parallelism", {"expert": True}, "--enable-expert-parallel"),
    ("parallelism", {"expert": False}, "--no-enable-expert-parallel"),
]


def in_cloud(**spec: Any) -> dict[str, Any]:
    service = an_inference_service(**{"cloud": {}, **spec})
    return pod_of(make_cloud_deployment(service, SETTINGS))


def at_edge(target: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    service = an_inference_service(edge=[target or a_target()], **spec)
    return pod_of(make_edge_deployment(service, service.spec.edge[0], "box-1", SETTINGS))


def pod_of(deployment: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


def engine_of(pod: dict[str, Any]) -> dict[str, Any]:
    engine: dict[str, Any] = pod["containers"][0]
    return engine


def env_of(pod: dict[str, Any]) -> dict[str, Any]:
    return {
        variable["name"]: variable.get("value", variable.get("valueFrom", "")) for variable in engine_of(pod)["env"]
    }


@pytest.mark.parametrize(("field", "value", "flags"), FLAGS)
def test_each_typed_field_has_its_flag(field: str, value: object, flags: str) -> None:
    found = engine_flags(read({field: value}, Engine))
    assert found == flags.split()
    assert {flag.partition("=")[0] for flag in found} <= KNOWN_FLAGS


def test_every_typed_field_is_in_the_table_above() -> None:
    others = {"image", "imagePullSecrets", "extraArgs", "env"}
    assert {field for field, _, _ in FLAGS} | others == set(Engine.__struct_encode_fields__)


def test_what_is_not_asked_for_is_left_to_vllm() -> None:
    assert engine_of(in_cloud())["args"] == [
        "/cache/model",
        "--served-model-name",
        "llm",
        "--host=0.0.0.0",
        "--port=8000",
        "--shutdown-timeout=60",
    ]


def test_names_and_extra_args_have_their_places() -> None:
    pod = in_cloud(
        model={"uri": "hf://a/b", "revision": "v1", "name": "glm", "aliases": ["open-autoglm", "chat"]},
        engine={"extraArgs": ["--enforce-eager", "--seed=3"]},
        timeouts={"drainSeconds": 30},
    )
    assert engine_of(pod)["args"] == [
        "/cache/model",
        "--served-model-name",
        "glm",
        "open-autoglm",
        "chat",
        "--host=0.0.0.0",
        "--port=8000",
        "--shutdown-timeout=30",
        "--enforce-eager",
        "--seed=3",
    ]


def test_at_the_edge_it_listens_on_loopback_only() -> None:
    pod = at_edge(a_target(port=8004))
    assert {"--host=127.0.0.1", "--port=8004"} <= set(engine_of(pod)["args"])
    assert engine_of(pod)["ports"] == [
        {"name": "http", "containerPort": 8004, "protocol": "TCP", "hostPort": 8004, "hostIP": "127.0.0.1"}
    ]
    assert env_of(pod)["VLLM_HOST_IP"] == "127.0.0.1"


def test_probes_reach_an_engine_on_loopback() -> None:
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert engine_of(at_edge())[probe]["httpGet"]["host"] == "127.0.0.1"
        # Pod Security refuses a host in the probes of any other pod.
        assert "host" not in engine_of(in_cloud())[probe]["httpGet"]


@pytest.mark.parametrize(("seconds", "attempts"), [(1800, 360), (10, 2), (11, 3)])
def test_the_startup_probe_lasts_as_long_as_loading_may_take(seconds: int, attempts: int) -> None:
    probe = engine_of(in_cloud(timeouts={"startupSeconds": seconds}))["startupProbe"]
    assert probe["failureThreshold"] == attempts
    assert probe["failureThreshold"] * probe["periodSeconds"] >= seconds


def test_a_cloud_replica_leaves_the_service_before_it_drains() -> None:
    pod = in_cloud(timeouts={"drainSeconds": 40})
    assert engine_of(pod)["lifecycle"] == {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}}
    assert pod["terminationGracePeriodSeconds"] == PRE_STOP_SECONDS + 40 + 15


def test_an_edge_replica_has_no_service_to_leave() -> None:
    pod = at_edge(timeouts={"drainSeconds": 40})
    assert "lifecycle" not in engine_of(pod)
    assert pod["terminationGracePeriodSeconds"] == 40 + 15


def test_keys_come_from_secrets_and_stand_nowhere_else() -> None:
    pod = in_cloud(auth={"apiKeySecretRef": {"name": "keys", "key": "llm"}})
    assert env_of(pod)["VLLM_API_KEY"] == {"secretKeyRef": {"name": "keys", "key": "llm"}}
    assert not any("keys" in argument for argument in engine_of(pod)["args"])


@pytest.mark.parametrize("uri", ["hf://a/b", "pvc://weights/glm"])
def test_the_engine_asks_no_hub_and_knows_no_token(uri: str) -> None:
    pod = in_cloud(model={"uri": uri, "credentialsSecretRef": {"name": "hub"}, "revision": "v1"})
    assert env_of(pod)["HF_HUB_OFFLINE"] == "1"
    assert "HF_TOKEN" not in env_of(pod)
    assert not any("v1" in argument or "hub" in argument for argument in engine_of(pod)["args"])


@pytest.mark.parametrize(
    ("uri", "model", "source"),
    [
        ("pvc://weights", "/models", {"persistentVolumeClaim": {"claimName": "weights", "readOnly": True}}),
        ("pvc://weights/a/b/", "/models/a/b", {"persistentVolumeClaim": {"claimName": "weights", "readOnly": True}}),
        ("file:///srv/glm", "/models", {"hostPath": {"path": "/srv/glm", "type": "Directory"}}),
        ("file:////srv//glm/", "/models", {"hostPath": {"path": "/srv/glm", "type": "Directory"}}),
    ],
)
def test_weights_are_mounted_read_only_where_they_are_not_downloaded(
    uri: str, model: str, source: dict[str, Any]
) -> None:
    weights = mounted_weights(uri)
    assert weights.model == model
    assert weights.volume == {"name": "weights", **source}
    assert weights.mount["readOnly"] is True
    assert weights.preparing == ()


@pytest.mark.parametrize("uri", ["file:///", "file:////", "file:///.", "file:///./"])
def test_the_nodes_root_is_seen_as_such(uri: str) -> None:
    assert node_path(uri) == "/"


def test_the_users_variables_win_over_ours() -> None:
    pod = in_cloud(engine={"env": [{"name": "VLLM_NO_USAGE_STATS", "value": "0"}, {"name": "EMPTY"}]})
    assert env_of(pod)["VLLM_NO_USAGE_STATS"] == "0"
    names = [variable["name"] for variable in engine_of(pod)["env"]]
    assert len(names) == len(set(names))
    # The API server drops an empty value.
    assert {"name": "EMPTY"} in engine_of(pod)["env"]


def test_text_of_the_user_is_never_expanded_by_the_kubelet() -> None:
    pod = in_cloud(
        engine={"extraArgs": ["--x=$(VLLM_API_KEY)"], "env": [{"name": "COPY", "value": "$(VLLM_API_KEY)"}]},
        auth={"apiKeySecretRef": {"name": "keys", "key": "llm"}},
    )
    assert "--x=$$(VLLM_API_KEY)" in engine_of(pod)["args"]
    assert env_of(pod)["COPY"] == "$$(VLLM_API_KEY)"
    assert literal("plain $HOME {x}") == "plain $HOME {x}"


def test_all_accelerators_of_a_replica_are_used() -> None:
    pod = in_cloud(cloud={"accelerator": {"count": 4}})
    assert "--tensor-parallel-size=4" in engine_of(pod)["args"]
    assert engine_of(pod)["resources"] == {"limits": {"nvidia.com/gpu": "4"}}


@pytest.mark.parametrize(
    ("asked", "tensor"), [({"pipeline": 2}, 2), ({"data": 2}, 2), ({"pipeline": 4}, None), ({"expert": True}, 4)]
)
def test_tensor_parallelism_takes_the_accelerators_that_are_left(asked: dict[str, Any], tensor: int | None) -> None:
    pod = in_cloud(cloud={"accelerator": {"count": 4}}, engine={"parallelism": asked})
    sizes = [argument for argument in engine_of(pod)["args"] if argument.startswith("--tensor-parallel-size")]
    assert sizes == ([] if tensor is None else [f"--tensor-parallel-size={tensor}"])


def test_extra_args_may_say_how_accelerators_are_used() -> None:
    pod = in_cloud(cloud={"accelerator": {"count": 4}}, engine={"extraArgs": ["--prefill-context-parallel-size=4"]})
    assert not any(argument.startswith("--tensor-parallel-size") for argument in engine_of(pod)["args"])


def test_the_images_registry_is_opened_with_the_secrets_of_all_levels() -> None:
    own = a_target(engine={"imagePullSecrets": [{"name": "site"}, {"name": "shared"}]})
    pod = at_edge(own, engine={"imagePullSecrets": [{"name": "cloud"}, {"name": "shared"}]})
    assert pod["imagePullSecrets"] == [{"name": "cloud"}, {"name": "site"}, {"name": "shared"}]
    assert "imagePullSecrets" not in at_edge()


def test_the_image_is_the_targets_or_the_services_or_the_installations() -> None:
    engine = {"image": "registry.example/vllm@sha256:1"}
    own = {"image": "registry.example/jetson:1"}
    assert engine_of(in_cloud())["image"] == SETTINGS.engine_image
    assert engine_of(at_edge(engine=engine))["image"] == "registry.example/vllm@sha256:1"
    assert engine_of(at_edge(a_target(engine=own), engine=engine))["image"] == "registry.example/jetson:1"


def test_a_targets_model_is_served_under_the_services_name() -> None:
    target = a_target(model={"uri": "file:///srv/awq"})
    pod = at_edge(target, model={"uri": "hf://a/b", "name": "glm", "revision": "v1"})
    args = engine_of(pod)["args"]
    assert args[:3] == ["/models", "--served-model-name", "glm"]
    assert not any(argument.startswith("--revision") for argument in args)


def test_replicas_absent_means_one_and_zero_means_zero() -> None:
    for cloud, replicas in (({}, 1), ({"replicas": 0}, 0), ({"replicas": 3}, 3)):
        deployment = make_cloud_deployment(an_inference_service(cloud=cloud), SETTINGS)
        assert deployment["spec"]["replicas"] == replicas
