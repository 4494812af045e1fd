"""Which flags and variables of vLLM 0.32 belong to fields of the API, so that extraArgs and env cannot go round them.

vLLM reads flags with argparse and adds to it: an unambiguous beginning of a flag stands for it (`--api-k`), underscores
are dashes, `--flag.key=value` sets one key of a flag, and a file named by --config may hold anything.
"""

from collections.abc import Mapping
from typing import Final

_PLAIN_HTTP: Final = "nothing yet: probes and endpoints speak plain HTTP on the port that the operator set"
_RESERVED: Final = "the operator"

OWNED_FLAGS: Final[Mapping[str, str]] = {
    "--model": "spec.model.uri",
    "--model-tag": "spec.model.uri",
    "--served-model-name": "spec.model.name and spec.model.aliases",
    "--revision": "spec.model.revision",
    "--hf-token": "spec.model.credentialsSecretRef",
    "--api-key": "spec.auth.apiKeySecretRef",
    "--max-model-len": "engine.maxModelLen",
    "--max-num-seqs": "engine.maxNumSeqs",
    "--max-num-batched-tokens": "engine.maxNumBatchedTokens",
    "--gpu-memory-utilization": "engine.gpuMemoryUtilizationPercent",
    "--device-memory-utilization": "engine.gpuMemoryUtilizationPercent",
    "--dtype": "engine.dtype",
    "--quantization": "engine.quantization",
    "--kv-cache-dtype": "engine.kvCacheDtype",
    "--enable-prefix-caching": "engine.prefixCaching",
    "--scheduling-policy": "engine.scheduling.policy",
    "--max-num-queued-reqs": "engine.scheduling.maxQueuedRequests",
    "--tensor-parallel-size": "engine.parallelism.tensor",
    "--pipeline-parallel-size": "engine.parallelism.pipeline",
    "--data-parallel-size": "engine.parallelism.data",
    "--enable-expert-parallel": "engine.parallelism.expert",
    "--reasoning-parser": "engine.reasoningParser",
    "--tool-call-parser": "engine.toolCallParser",
    "--enable-auto-tool-choice": "engine.toolCallParser",
    "--chat-template": "engine.chatTemplate",
    "--trust-remote-code": "engine.trustRemoteCode",
    "--shutdown-timeout": "spec.timeouts.drainSeconds",
    "--port": "spec.edge[].port",
    "--host": _RESERVED,
    "--config": _RESERVED,
    "--headless": _RESERVED,
    "--uds": _PLAIN_HTTP,
    "--grpc": _PLAIN_HTTP,
    "--grpc-port": _PLAIN_HTTP,
    "--ssl-keyfile": _PLAIN_HTTP,
    "--ssl-certfile": _PLAIN_HTTP,
    "--ssl-ca-certs": _PLAIN_HTTP,
    "--ssl-cert-reqs": _PLAIN_HTTP,
    "--ssl-ciphers": _PLAIN_HTTP,
    "--enable-ssl-refresh": _PLAIN_HTTP,
}
"""By flag: the field that sets it, or who else does."""

FLAGS_OF_GROUPS: Final[Mapping[str, str]] = dict.fromkeys(
    ("--nnodes", "--node-rank", "--master-addr"), "spec.cloud.nodesPerReplica"
)
"""The same, of replicas over several nodes."""

OWNED_VARIABLES: Final[Mapping[str, str]] = {
    "VLLM_API_KEY": "spec.auth.apiKeySecretRef",
    "HF_TOKEN": "spec.model.credentialsSecretRef",
    "HUGGING_FACE_HUB_TOKEN": "spec.model.credentialsSecretRef",
    "VLLM_HOST_IP": _RESERVED,
    "VLLM_PORT": _RESERVED,
}


FLAGS_OF_ADAPTERS: Final[Mapping[str, str]] = dict.fromkeys(("--enable-lora", "--lora-modules"), "spec.model.adapters")
"""Those that are owned as well where there are adapters."""


def owner_of_flag(argument: str, owned: Mapping[str, str] = OWNED_FLAGS) -> tuple[str, str] | None:
    """The owned flag that vLLM would take an argument for, and its field; None when it is free."""
    name = "--" + argument.partition("=")[0].partition(".")[0].replace("_", "-").lstrip("-")
    for flag, field in owned.items():
        if flag.startswith(name) or _negated(flag).startswith(name):
            return flag, field
    return None


def _negated(flag: str) -> str:
    return "--no-" + flag.removeprefix("--")
