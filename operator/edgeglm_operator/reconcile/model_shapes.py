"""The shapes of GLM models, from their published configurations.

The number of parameters is that of Transformers' model made from the configuration, without weights; it agrees with
what the hub shows, and with the size of the files. Layers for multi-token prediction are left out: vLLM loads them only
for speculative decoding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edgeglm_api.inference_service import Shape
from edgeglm_operator.resources.weights import HUB, MODELSCOPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A model that is known."""

    shape: Shape
    quantization: str | None = None
    """How its files are quantised."""


# huggingface.co/zai-org/glm-4-9b-chat, config.json: 40 layers, multi_query_group_num 2, kv_channels 128, ffn 13696.
_GLM_4_9B_CHAT: Final = Shape(
    parameters=9_399_951_360,
    layers=40,
    hidden_size=4096,
    intermediate_size=13696,
    attention_heads=32,
    kv_heads=2,
    head_dim=128,
    vocab_size=151552,
    context_length=131072,
)
# huggingface.co/zai-org/glm-4-9b-chat-1m, config.json: as above with multi_query_group_num 4.
_GLM_4_9B_CHAT_1M: Final = Shape(
    parameters=9_483_857_920,
    layers=40,
    hidden_size=4096,
    intermediate_size=13696,
    attention_heads=32,
    kv_heads=4,
    head_dim=128,
    vocab_size=151552,
    context_length=1048576,
)
# huggingface.co/zai-org/GLM-4-9B-0414, config.json (Glm4ForCausalLM: two more norms a layer).
_GLM_4_9B_0414: Final = Shape(
    parameters=9_400_279_040,
    layers=40,
    hidden_size=4096,
    intermediate_size=13696,
    attention_heads=32,
    kv_heads=2,
    head_dim=128,
    vocab_size=151552,
    context_length=32768,
)
# huggingface.co/zai-org/GLM-4-32B-0414, config.json.
_GLM_4_32B_0414: Final = Shape(
    parameters=32_566_081_536,
    layers=61,
    hidden_size=6144,
    intermediate_size=23040,
    attention_heads=48,
    kv_heads=2,
    head_dim=128,
    vocab_size=151552,
    context_length=32768,
)
# huggingface.co/zai-org/glm-edge-1.5b-chat, config.json; 1.59B parameters, 3.19 GB of files.
_GLM_EDGE_1_5B: Final = Shape(
    parameters=1_593_427_968,
    layers=28,
    hidden_size=2048,
    intermediate_size=6144,
    attention_heads=16,
    kv_heads=4,
    head_dim=128,
    vocab_size=59264,
    context_length=8192,
)
# huggingface.co/zai-org/glm-edge-4b-chat, config.json; 4.33B parameters, 8.66 GB of files.
_GLM_EDGE_4B: Final = Shape(
    parameters=4_327_984_128,
    layers=40,
    hidden_size=3072,
    intermediate_size=8192,
    attention_heads=24,
    kv_heads=6,
    head_dim=128,
    vocab_size=59264,
    context_length=8192,
)
# huggingface.co/zai-org/GLM-4.5-Air, config.json: 128 experts of 1408, of which 8 and a shared one a token.
_GLM_4_5_AIR: Final = Shape(
    parameters=106_852_245_504,
    expert_parameters=99_656_663_040,
    layers=46,
    hidden_size=4096,
    intermediate_size=9 * 1408,
    attention_heads=96,
    kv_heads=8,
    head_dim=128,
    vocab_size=151552,
    context_length=131072,
)
# huggingface.co/zai-org/GLM-4.5, config.json: 160 experts of 1536, of which 8 and a shared one a token.
_GLM_4_5: Final = Shape(
    parameters=352_797_814_784,
    expert_parameters=335_963_750_400,
    layers=92,
    hidden_size=5120,
    intermediate_size=9 * 1536,
    attention_heads=96,
    kv_heads=8,
    head_dim=128,
    vocab_size=151552,
    context_length=131072,
)

_OWNERS: Final[Mapping[str, frozenset[str]]] = {
    HUB: frozenset({"zai-org", "thudm"}),
    MODELSCOPE: frozenset({"zhipuai"}),
}
"""The organisation by hub; on one of them it took another name.

The READMEs of github.com/zai-org/GLM-4 and GLM-4.5 name each model on both hubs; ModelScope's has the same files under
the same name, as modelscope.cn/models/ZhipuAI/NAME.
"""

_BY_REPOSITORY: Final[Mapping[str, Known]] = {
    "glm-4-9b-chat": Known(shape=_GLM_4_9B_CHAT),
    "glm-4-9b-chat-hf": Known(shape=_GLM_4_9B_CHAT),
    "glm-4-9b-chat-1m": Known(shape=_GLM_4_9B_CHAT_1M),
    "glm-4-9b-chat-1m-hf": Known(shape=_GLM_4_9B_CHAT_1M),
    "glm-4-9b-0414": Known(shape=_GLM_4_9B_0414),
    "glm-z1-9b-0414": Known(shape=_GLM_4_9B_0414),
    "glm-4-32b-0414": Known(shape=_GLM_4_32B_0414),
    "glm-z1-32b-0414": Known(shape=_GLM_4_32B_0414),
    "glm-edge-1.5b-chat": Known(shape=_GLM_EDGE_1_5B),
    "glm-edge-4b-chat": Known(shape=_GLM_EDGE_4B),
    "glm-4.5-air": Known(shape=_GLM_4_5_AIR),
    "glm-4.5-air-fp8": Known(shape=_GLM_4_5_AIR, quantization="fp8"),
    "glm-4.5": Known(shape=_GLM_4_5),
    "glm-4.5-fp8": Known(shape=_GLM_4_5, quantization="fp8"),
}

_BY_PRESET: Final[Mapping[str, Known]] = {
    "glm-4-9b-chat@1": Known(shape=_GLM_4_9B_CHAT),
    "glm-4-9b-chat-hf@1": Known(shape=_GLM_4_9B_CHAT),
    "glm-4-9b-0414@1": Known(shape=_GLM_4_9B_0414),
    "glm-4.5-air@1": Known(shape=_GLM_4_5_AIR),
}
"""Presets of one model: none of several sizes, and none that sees, since what a picture takes is unknown."""


def known_by_uri(uri: str) -> Known | None:
    """The model of a repository of either hub."""
    for hub, owners in _OWNERS.items():
        owner, _, name = uri.removeprefix(hub).lower().partition("/")
        if uri.startswith(hub) and owner in owners:
            return _BY_REPOSITORY.get(name)
    return None


def known_by_preset(preset: str | None) -> Known | None:
    """The model that a preset is for."""
    return _BY_PRESET.get(preset or "")
