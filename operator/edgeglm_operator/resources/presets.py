"""Engine settings that are known to suit a family of models. A preset never changes: what is better gets a new number.

Nothing here depends on the hardware; accelerators, replicas and quantisation are the user's to say.
"""

from collections.abc import Mapping
from typing import Final

from edgeglm_api.inference_service import Engine

PRESETS: Final[Mapping[str, Engine]] = {
    # The repository brings its tokenizer as code. The model can do 131072 tokens; 32768 fit into 24 GB.
    # huggingface.co/zai-org/glm-4-9b-chat
    "glm-4-9b-chat@1": Engine(dtype="bfloat16", max_model_len=32768, trust_remote_code=True),
    # The same weights for Transformers' own class, so that no code of the repository runs.
    # huggingface.co/zai-org/glm-4-9b-chat-hf
    "glm-4-9b-chat-hf@1": Engine(dtype="bfloat16", max_model_len=32768),
    # 32768 tokens are all that it was made for. huggingface.co/zai-org/GLM-4-9B-0414
    "glm-4-9b-0414@1": Engine(dtype="bfloat16", max_model_len=32768),
    # As its README says, but for the number of GPUs. It thinks by default, which is what the parser is for.
    # github.com/zai-org/GLM-4.5
    "glm-4.5-air@1": Engine(reasoning_parser="glm45", tool_call_parser="glm45"),
    # Both sizes, 1.5B and 4B: 8192 tokens are all that they were made for. huggingface.co/zai-org/glm-edge-4b-chat
    "glm-edge@1": Engine(dtype="bfloat16", max_model_len=8192),
    # Its README asks to follow these strictly, and they are all here but --allowed-local-media-path=/, by which whoever
    # may ask could read every file of the pod. github.com/zai-org/Open-AutoGLM
    "autoglm-phone-9b@1": Engine(
        max_model_len=25480,
        extra_args=(
            "--mm-encoder-tp-mode=data",
            "--mm-processor-cache-type=shm",
            # Not of the README: by itself the cache would grow to 4 GiB, and the pod's /dev/shm ends at 2.
            "--mm-processor-cache-gb=1",
            '--mm-processor-kwargs={"max_pixels":5000000}',
            "--chat-template-content-format=string",
            '--limit-mm-per-prompt={"image":10}',
        ),
    ),
    # Nothing about a family. vLLM's own 92 percent leave little for what its profile of memory does not see.
    "generic@1": Engine(gpu_memory_utilization_percent=90, prefix_caching=True),
}
