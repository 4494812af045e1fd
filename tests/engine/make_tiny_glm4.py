"""make_tiny_glm4.py OUT: a GLM-4 with 1.35 million random weights, for real vLLM. Run by the engine's Python."""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import torch  # type: ignore[import-not-found]
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # type: ignore[import-not-found]
from transformers import GenerationConfig, Glm4Config, Glm4ForCausalLM, PreTrainedTokenizerFast  # type: ignore[import-not-found]

VOCABULARY = 4096
CONTEXT = 4096
STOP_TOKENS = ("<|endoftext|>", "<|user|>", "<|observation|>")
SPECIAL_TOKENS = [
    "<|endoftext|>",
    *("[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>"),
    *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
]
# GLM-4's form of a conversation, text parts only.
CHAT_TEMPLATE = (
    "[gMASK]<sop>"
    "{%- for m in messages %}<|{{ 'observation' if m.role == 'tool' else m.role }}|>{{ '\\n' }}"
    "{%- if m.content is string %}{{ m.content }}"
    "{%- elif m.content %}{%- for c in m.content %}{%- if c.type == 'text' %}{{ c.text }}{%- endif %}{%- endfor %}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}<|assistant|>{{ '\\n' }}{%- endif %}"
)


def make(out: Path) -> None:
    """Write the model folder."""
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(out)
    stop_ids = [tokenizer.convert_tokens_to_ids(token) for token in STOP_TOKENS]
    make_model(len(tokenizer), stop_ids).save_pretrained(out)
    sampling = {"do_sample": True, "temperature": 0.8, "top_p": 0.8}
    GenerationConfig(eos_token_id=stop_ids, pad_token_id=stop_ids[0], **sampling).save_pretrained(out)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Train a byte-level BPE and give it GLM-4's special tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(training_text(), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=STOP_TOKENS[0],
        pad_token=STOP_TOKENS[0],
        additional_special_tokens=SPECIAL_TOKENS[1:],
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def training_text() -> Iterator[str]:
    """The descriptions of the installed packages, for words, and sensor records, for digits and JSON."""
    packages = Path(torch.__file__).parents[1]
    for path in sorted(packages.glob("*.dist-info/METADATA")):
        yield path.read_text(errors="ignore")
    rnd = random.Random(0)  # noqa: S311 - repeatable, not secret
    for number in range(2000):
        record = {
            "node": f"sensor-{rnd.randint(0, 99):02d}",
            "edge": ["motor", "pump", "valve"][number % 3],
            "temp_c": round(rnd.uniform(10, 90), 2),
            "alarm": bool(number % 2),
        }
        yield json.dumps(record)


def make_model(vocabulary: int, stop_ids: list[int]) -> Glm4ForCausalLM:
    """Random weights, the same each time."""
    torch.manual_seed(0)
    config = Glm4Config(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        eos_token_id=stop_ids,
        pad_token_id=stop_ids[0],
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    return Glm4ForCausalLM(config).to(torch.bfloat16)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
