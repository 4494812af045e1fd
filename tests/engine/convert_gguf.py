"""convert_gguf.py DIR FILE.gguf OUT: a GGUF file as an ordinary bfloat16 model folder.

vLLM on a CPU serves ordinary folders, while small models on the package index come as GGUF. Run by the engine's Python.
"""

import sys
from pathlib import Path

import torch  # type: ignore[import-not-found]
from transformers import AutoModelForCausalLM, AutoTokenizer  # type: ignore[import-not-found]


def convert(folder: str, gguf: str, out: Path) -> None:
    """Load with the weights dequantised; save model and tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf)
    loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf, dtype=torch.bfloat16)
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    # A fresh model of the same class carries no quantisation state into save_pretrained.
    model = type(loaded)(config).to(torch.bfloat16)
    model.load_state_dict(loaded.state_dict(), strict=False)
    model.tie_weights()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    convert(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
