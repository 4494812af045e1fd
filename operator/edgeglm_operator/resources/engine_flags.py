"""Each typed field of `engine` as the flag that vLLM 0.32 knows for it."""

from typing import Final

from edgeglm_api.inference_service import Engine, Parallelism, Scheduling

_VALUE_FLAGS: Final = (
    ("max_model_len", "--max-model-len"),
    ("max_num_seqs", "--max-num-seqs"),
    ("max_num_batched_tokens", "--max-num-batched-tokens"),
    ("dtype", "--dtype"),
    ("quantization", "--quantization"),
    ("kv_cache_dtype", "--kv-cache-dtype"),
    ("reasoning_parser", "--reasoning-parser"),
    ("chat_template", "--chat-template"),
)
_PARALLEL_FLAGS: Final = (
    ("tensor", "--tensor-parallel-size"),
    ("pipeline", "--pipeline-parallel-size"),
    ("data", "--data-parallel-size"),
)


def engine_flags(engine: Engine) -> list[str]:
    """The flags of the typed fields that are set."""
    flags = _values(engine, _VALUE_FLAGS)
    if engine.gpu_memory_utilization_percent is not None:
        flags.append(f"--gpu-memory-utilization={engine.gpu_memory_utilization_percent / 100:.2f}")
    flags += _switch("enable-prefix-caching", on=engine.prefix_caching)
    flags += _switch("trust-remote-code", on=engine.trust_remote_code)
    if engine.tool_call_parser is not None:
        # vLLM asks the parser only where the switch is on.
        flags += ["--enable-auto-tool-choice", f"--tool-call-parser={engine.tool_call_parser}"]
    return flags + _scheduling_flags(engine.scheduling) + _parallel_flags(engine.parallelism)


def _scheduling_flags(scheduling: Scheduling | None) -> list[str]:
    if scheduling is None:
        return []
    flags = [] if scheduling.policy is None else [f"--scheduling-policy={scheduling.policy.lower()}"]
    return flags + _values(scheduling, (("max_queued_requests", "--max-num-queued-reqs"),))


def _parallel_flags(parallelism: Parallelism | None) -> list[str]:
    if parallelism is None:
        return []
    return _values(parallelism, _PARALLEL_FLAGS) + _switch("enable-expert-parallel", on=parallelism.expert)


def _values(settings: object, table: tuple[tuple[str, str], ...]) -> list[str]:
    return [f"{flag}={value}" for name, flag in table if (value := getattr(settings, name)) is not None]


def _switch(name: str, *, on: bool | None) -> list[str]:
    if on is None:
        return []
    return [f"--{name}" if on else f"--no-{name}"]
