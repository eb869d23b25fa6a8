"""Prompts that have nothing to do with any attribute, each with a good short answer.

They were written for this project: questions of knowledge, sums, instructions,
rewriting, code, chat, lists, translation, definitions. One half may be trained
on, to hold side effects down; the other is for measuring them only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from distalign.prompts import chat_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class UnrelatedPrompt:
    """A prompt with its reference answer; ``kind`` is what is asked for, such as "code"."""

    kind: str
    text: str
    answer: str


def unrelated_prompts(half: str) -> tuple[UnrelatedPrompt, ...]:
    """The prompts of a half: "retain" (may be trained on) or "measured" (never is).

    The kinds take turns, so that any few consecutive prompts differ.
    """
    text = files("distalign").joinpath("data", "unrelated_prompts.json").read_text("utf-8")
    by_kind = json.loads(text)[half]
    columns = [[UnrelatedPrompt(kind, *pair) for pair in pairs] for kind, pairs in by_kind.items()]
    return tuple(prompt for row in zip(*columns, strict=True) for prompt in row)


def exchange_ids(
    tokenizer: PreTrainedTokenizerBase, prompts: Iterable[UnrelatedPrompt]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """For each prompt the token ids of the chat up to the answer, and of the answer with its end of turn."""
    return [
        (
            chat_ids(tokenizer, prompt.text),
            (*tokenizer.encode(prompt.answer, add_special_tokens=False), tokenizer.eos_token_id),
        )
        for prompt in prompts
    ]
