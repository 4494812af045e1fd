"""What rules and dashboard ask of vLLM. tests/edge/test_real_engine.py holds the names against a real one."""

from collections.abc import Mapping
from typing import Final

_OF_MODEL: Final = frozenset({"model_name", "engine"})

ENGINE_METRICS: Final[Mapping[str, frozenset[str]]] = {
    "vllm:num_requests_running": _OF_MODEL,
    "vllm:num_requests_waiting": _OF_MODEL,
    "vllm:kv_cache_usage_perc": _OF_MODEL,
    "vllm:prompt_tokens_total": _OF_MODEL,
    "vllm:generation_tokens_total": _OF_MODEL,
    "vllm:num_preemptions_total": _OF_MODEL,
    "vllm:admission_rejections_total": frozenset({"model_name", "reason"}),
    "vllm:time_to_first_token_seconds_bucket": _OF_MODEL | {"le"},
    "vllm:inter_token_latency_seconds_bucket": _OF_MODEL | {"le"},
}
"""With their labels."""
