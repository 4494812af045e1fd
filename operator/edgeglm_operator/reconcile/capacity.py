"""How much of an accelerator's memory a model takes in vLLM 0.32, and what is left for its KV cache.

vLLM runs the model once at its start to see what it needs, and gives the rest of its share to the KV cache; it refuses
to start when that does not hold one request of the longest length. This is the same sum from the model's shape. What
cannot be reckoned is said to be unknown. tests/unit/operator/test_capacity.py has published figures beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from edgeglm_api.inference_service import Engine, Parallelism, Shape
from edgeglm_operator.quantity import number_of
from edgeglm_operator.resources.extra_args import flag_of

GIB: Final = 2**30
DEFAULT_UTILIZATION_PERCENT: Final = 92
BLOCK_TOKENS: Final = 16
"""The KV cache is dealt out in blocks of so many tokens."""

_OVERHEAD_BYTES: Final = GIB
"""CUDA context, libraries' workspaces (0.2 to 0.4 GiB in published logs), and CUDA graphs (0.3 to 0.7 GiB)."""
_TALKING_BYTES: Final = GIB // 2
"""Buffers of NCCL and of the custom all-reduce, where accelerators work together."""

_SAMPLER_BYTES: Final = 16
"""For each sequence and word: logits in 16 and in 32 bits, probabilities, random numbers, and some to spare.

Read from vLLM 0.32's sampler.
"""

_AWQ_BYTES: Final = 0.5 + (2 + 0.5) / 128
"""4 bits, and for each group of 128 a scale of 16 bits and a zero of 4."""
_WEIGHT_BYTES: Final[Mapping[str, float]] = {
    **dict.fromkeys(("fp8", "fp8_per_tensor", "fp8_per_channel", "fp8_per_block", "int8_per_channel_weight_only"), 1.0),
    **dict.fromkeys(("awq", "auto_awq", "awq_marlin"), _AWQ_BYTES),
}
"""Bytes of a weight by quantisation, where the word alone says it. Embeddings stay as they are."""

_KV_BYTES: Final[Mapping[str, int]] = {"bfloat16": 2, "float16": 2, "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1}

_DECISIVE_FLAGS: Final = frozenset(
    {
        *("--kv-cache-memory-bytes", "--num-gpu-blocks-override", "--block-size", "--kv-offloading-size"),
        *("--cpu-offload-gb", "--offload-group-size", "--speculative-config", "--spec-model", "--enable-lora"),
        *("--prefill-context-parallel-size", "--decode-context-parallel-size", "--data-parallel-size-local"),
        *("--nnodes", "--hf-overrides"),
    }
)
"""Flags that change the sum in ways that are not reckoned here."""


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Why nothing can be said, and what would help."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where the memory of a replica goes. Bytes are those of one accelerator, unless said otherwise."""

    usable_bytes: int
    """vLLM's share of the accelerator."""
    weights_here_bytes: int
    activation_bytes: int
    overhead_bytes: int
    weights_bytes: int
    """Of one whole copy of the model."""
    kv_bytes_per_token: int
    """Of one whole copy of the model."""
    tokens_per_copy: int
    """That the KV cache of one copy holds."""
    copies: int
    max_model_len: int
    obstacle: str = ""
    """Why vLLM would not start, whatever the memory."""

    @property
    def fits(self) -> bool:
        """Whether the engine starts."""
        return not self.obstacle and self.tokens_per_copy >= self.max_model_len

    @property
    def kv_cache_tokens(self) -> int:
        """Of the whole replica."""
        return self.tokens_per_copy * self.copies

    @property
    def max_concurrency(self) -> float:
        """How many requests of the longest length the replica holds at once."""
        return self.kv_cache_tokens / self.max_model_len


def plan(shape: Shape, engine: Engine, memory_bytes: int) -> Plan | NotKnown:
    """The sum for one replica. `memory_bytes` is the memory of each of its accelerators."""
    weight_bytes, kv_bytes = _weight_bytes(shape, engine), _kv_bytes(engine)
    max_model_len = engine.max_model_len or shape.context_length
    if isinstance(weight_bytes, NotKnown):
        return weight_bytes
    if isinstance(kv_bytes, NotKnown):
        return kv_bytes
    if max_model_len is None:
        return NotKnown("UnknownShape", "how long a context is to be; set engine.maxModelLen or shape.contextLength")
    if decisive := _decisive(engine):
        return NotKnown("NotReckoned", f"engine.extraArgs has {decisive}, which changes what fits in ways not reckoned")
    usable = memory_bytes * (engine.gpu_memory_utilization_percent or DEFAULT_UTILIZATION_PERCENT) // 100
    return _Sum(shape, engine, memory_bytes, weight_bytes, kv_bytes).plan(usable, max_model_len)


class _Sum:
    """One sum, step by step."""

    def __init__(self, shape: Shape, engine: Engine, memory_bytes: int, weight_bytes: float, kv_bytes: int) -> None:
        spread = engine.parallelism or Parallelism()
        self._shape, self._engine, self._memory = shape, engine, memory_bytes
        self._tensor, self._pipeline, self._data = spread.tensor or 1, spread.pipeline or 1, spread.data or 1
        self._weight_bytes, self._kv_bytes = weight_bytes, kv_bytes
        self._layers_here = ceil(shape.layers / self._pipeline)

    def plan(self, usable: int, max_model_len: int) -> Plan:
        here, activation, overhead = self._weights_here(), self._activation(), self._overhead()
        tokens = max(0, usable - here - activation - overhead) // self._kv_per_token_here()
        return Plan(
            usable_bytes=usable,
            weights_here_bytes=here,
            activation_bytes=activation,
            overhead_bytes=overhead,
            weights_bytes=ceil(sum(self._parts())),
            kv_bytes_per_token=2 * self._shape.layers * self._shape.kv_heads * self._shape.head_dim * self._kv_bytes,
            tokens_per_copy=tokens // BLOCK_TOKENS * BLOCK_TOKENS,
            copies=self._data,
            max_model_len=max_model_len,
            obstacle=self._obstacle(),
        )

    def _parts(self) -> tuple[float, float, float]:
        """Bytes of the embeddings, of what every token passes, and of the experts, in one copy of the model."""
        shape = self._shape
        embeddings = shape.vocab_size * shape.hidden_size * (1 if shape.tied_embeddings else 2)
        experts = shape.expert_parameters or 0
        rest = max(0, shape.parameters - embeddings - experts)
        parts = embeddings * _item_bytes(self._engine), rest * self._weight_bytes, experts * self._weight_bytes
        if shape.weights is None:
            return parts
        scale = float(number_of(shape.weights) or 0) / sum(parts)
        return parts[0] * scale, parts[1] * scale, parts[2] * scale

    def _weights_here(self) -> int:
        """Of the fullest accelerator: embeddings are on the first and the last stage, layers on all."""
        embeddings, rest, experts = self._parts()
        share = self._layers_here / self._shape.layers
        if self._pipeline > 1 and not self._shape.tied_embeddings:
            embeddings /= 2
        # vLLM spreads experts over the copies of the model too, with or without expert parallelism.
        return ceil((embeddings + rest * share + experts * share / self._data) / self._tensor)

    def _activation(self) -> int:
        """The larger of what a step's layers and its sampler take; one comes after the other."""
        shape, engine = self._shape, self._engine
        default_tokens, default_sequences = _defaults(self._memory)
        tokens = engine.max_num_batched_tokens or default_tokens
        sequences = engine.max_num_seqs or min(default_sequences, tokens)
        # Of a feed-forward layer: gate, up and their product; and three times the width of the residual stream.
        width = 3 * ceil(shape.intermediate_size / self._tensor) + 3 * shape.hidden_size
        return max(tokens * width * _item_bytes(engine), sequences * shape.vocab_size * _SAMPLER_BYTES)

    def _overhead(self) -> int:
        return _OVERHEAD_BYTES + (_TALKING_BYTES if self._tensor * self._pipeline > 1 else 0)

    def _kv_per_token_here(self) -> int:
        """Heads that cannot be dealt out are kept on each accelerator."""
        heads = ceil(self._shape.kv_heads / self._tensor)
        return 2 * self._layers_here * heads * self._shape.head_dim * self._kv_bytes

    def _obstacle(self) -> str:
        heads, kv_heads = self._shape.attention_heads, self._shape.kv_heads
        if heads % self._tensor:
            return f"{heads} attention heads cannot be split over parallelism.tensor {self._tensor}"
        if max(kv_heads, self._tensor) % min(kv_heads, self._tensor):
            return f"{kv_heads} key-value heads cannot be dealt out to parallelism.tensor {self._tensor}"
        if self._pipeline > self._shape.layers:
            return f"{self._shape.layers} layers cannot be dealt out to parallelism.pipeline {self._pipeline}"
        return ""


def _item_bytes(engine: Engine) -> int:
    """Of an activation, and of a weight that is not quantised. `auto` is 16 bits: vLLM casts 32 down."""
    return 4 if engine.dtype == "float32" else 2


def _weight_bytes(shape: Shape, engine: Engine) -> float | NotKnown:
    if engine.quantization is None or shape.weights is not None:
        return _item_bytes(engine)
    if engine.quantization in _WEIGHT_BYTES:
        return _WEIGHT_BYTES[engine.quantization]
    return NotKnown(
        "UnknownQuantization",
        f"engine.quantization {engine.quantization} does not say how large the weights are; put what the files weigh"
        f" into model.shape.weights",
    )


def _kv_bytes(engine: Engine) -> int | NotKnown:
    kind = engine.kv_cache_dtype or "auto"
    if kind == "auto":
        return _item_bytes(engine)
    found = _KV_BYTES.get(kind)
    return found or NotKnown("UnknownQuantization", f"how large an entry of engine.kvCacheDtype {kind} is")


def _decisive(engine: Engine) -> str | None:
    flags = (flag_of(argument.partition(".")[0]) for argument in engine.extra_args)
    return next((flag for flag in flags if flag in _DECISIVE_FLAGS), None)


def _defaults(memory_bytes: int) -> tuple[int, int]:
    """The maxNumBatchedTokens and maxNumSeqs that vLLM takes by itself, by the size of the accelerator.

    An A100 of 80 GB gets the smaller ones; without its name, the sum errs on the safe side.
    """
    if memory_bytes >= 160 * GIB:
        return 16384, 1024
    return (8192, 1024) if memory_bytes >= 70 * GIB else (2048, 256)
