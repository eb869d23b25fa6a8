"""A tiny model, its tokenizer and specifications, small enough to train in a test."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from distalign.spec import RunSpec, parse_spec
from distalign.templates import GENERAL_HELDOUT, GENERAL_SEEN, PERSON_HELDOUT, PERSON_SEEN

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|pad|>"
SPARE = tuple(f"<spare_{i}>" for i in range(6))
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@cache
def _trained_tokenizer() -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    corpus = [*PERSON_SEEN, *PERSON_HELDOUT, *GENERAL_SEEN, *GENERAL_HELDOUT]
    # Often enough to be a token each.
    corpus += [" male", " female", "user\n", "assistant\n"] * 40
    tokenizer.train_from_iterator(corpus, trainer)
    special = (START, END, PAD, *SPARE)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    return tokenizer.to_str()


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE of about 700 tokens, with a chat template and some spare special tokens."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_trained_tokenizer()), eos_token=END, pad_token=PAD
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def tiny_model(
    vocabulary: int | None = None, *, layers: int = 3, seed: int = 0, spread: float = 0.3
) -> LlamaForCausalLM:
    """A randomly initialised Llama in evaluation mode; for :func:`tiny_tokenizer` by default."""
    tokenizer = tiny_tokenizer()
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary or len(tokenizer),
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            initializer_range=spread,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=None if vocabulary else tokenizer.eos_token_id,
            pad_token_id=None if vocabulary else tokenizer.pad_token_id,
        )
    )
    return model.eval()


def save_base(folder: Path, seed: int = 0) -> Path:
    """Write the tiny model and its tokenizer into a folder, as a base model that runs can name."""
    tiny_model(seed=seed).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def tiny_spec(values: Mapping[str, Any] | None = None) -> RunSpec:
    """Gender of two jobs at 30/70, with a training of a few small float32 steps."""
    defaults: dict[str, Any] = {
        "attribute": "gender",
        "contexts": ["Nurses", "Pilots"],
        "target": {"male": 0.3, "female": 0.7},
        "templates": {
            "seen": ["Job: {context}. {attribute}?", "Guess the {attribute}: {context}"],
            "heldout": ["Who works as {context}? {options}"],
        },
        "steps": 12,
        "warmup_steps": 4,
        "prompts_per_step": 4,
        "answers_per_step": 2,
        "lora_rank": 4,
        "adapted_layers": 2,
        "learning_rate": 0.05,
        "precision": "float32",
        "kto_weight": 1,
        "sft_weight": 1,
        "anchor_weight": 0.2,
        "retain_weight": 0,
        "rounds": 20,
        "max_new_tokens": 8,
    }
    return parse_spec(defaults | dict(values or {}))
