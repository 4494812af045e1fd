"""What an engine's `/v1/models` and `/metrics` say, cut down to what is reported. Pure, and never raises."""

import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec

_METRICS: Final = {
    "vllm:num_requests_running": "requests_running",
    "vllm:num_requests_waiting": "requests_waiting",
    "vllm:kv_cache_usage_perc": "kv_cache_usage_percent",
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:generation_tokens_total": "generation_tokens",
    "vllm:num_preemptions_total": "preemptions",
}
"""vLLM's names (0.11 and later); of another engine there are none, and nothing is said."""
_AS_PERCENT: Final = "kv_cache_usage_percent"
_MOST: Final = 2**53 - 1


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model] = []


def models(body: bytes) -> frozenset[str]:
    """The names under which the engine serves; empty when it says none."""
    try:
        return frozenset(model.id for model in msgspec.json.decode(body, type=_Models).data)
    except (msgspec.MsgspecError, RecursionError):
        return frozenset()


def figures(exposition: bytes) -> dict[str, int]:
    """The figures by their names in the report, each summed over what the engine tells apart."""
    sums: dict[str, float] = {}
    for name, value in _samples(exposition.decode("utf-8", "replace")):
        sums[name] = sums.get(name, 0.0) + value
    found = {name: min(_MOST, round(100 * n) if name == _AS_PERCENT else int(n)) for name, n in sums.items()}
    if _AS_PERCENT in found:
        found[_AS_PERCENT] = min(100, found[_AS_PERCENT])
    return found


def _samples(text: str) -> Iterator[tuple[str, float]]:
    """Lines are `name{label="…"} value`; a value that is no number, or below 0, is none."""
    for line in text.splitlines():
        name = _METRICS.get(line.partition("{")[0].partition(" ")[0])
        if name is not None and (value := _number(line.rpartition(" ")[2])) is not None:
            yield name, value


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def as_fields(models_body: bytes | None, metrics_body: bytes | None, model: str) -> dict[str, Any]:
    """What the report says of an engine that answered so; None: it did not answer."""
    return {
        "serving": models_body is not None,
        "model_present": models_body is not None and model in models(models_body),
        **(figures(metrics_body) if metrics_body is not None else {}),
    }
