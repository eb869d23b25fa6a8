"""Steering tokens: K single, distinct tokens that open an answer, one a category.

They are chosen by a check of the model's output rows: tokens that share an
untrained row (as several spare special tokens do) cannot be told apart by the
head, so no training short of their rows could calibrate them.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from distalign.attributes import Attribute
from distalign.errors import ModelError, SpecError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

MAX_COSINE = 0.98
DIGITS = "1234567890"


@dataclass(frozen=True)
class SteeringTokens:
    """Token k opens the answers of category k.

    ``texts`` are what a decoder shows for them; ``ids`` their token ids.
    """

    texts: tuple[str, ...]
    ids: tuple[int, ...]

    def index(self, token_id: int) -> int | None:
        """Category of a token, or None if it is no steering token."""
        return self.ids.index(token_id) if token_id in self.ids else None

    def first(self, count: int) -> SteeringTokens:
        """The tokens of an attribute with ``count`` categories, where more were chosen."""
        return SteeringTokens(self.texts[:count], self.ids[:count])


def choose_steering_tokens(
    tokenizer: PreTrainedTokenizerBase,
    output_rows: Tensor,
    attribute: Attribute,
    pool: str = "visible",
    at_least: int = 0,
) -> SteeringTokens:
    """Pick the first K usable candidates of a pool.

    Args:
        tokenizer: of the base model.
        output_rows: [V, D] rows of the output head.
        attribute: gives K, and names that a token must not be mistaken for.
        pool: "visible" (digits, then letters) or "special" (spare special tokens,
            which decoders drop).
        at_least: how many to pick if K is smaller.

    Raises:
        SpecError: when the pool has too few tokens that can be told apart.
    """
    wanted = max(len(attribute), at_least)
    candidates = _visible(tokenizer, attribute) if pool == "visible" else _special(tokenizer)
    chosen: list[tuple[str, int]] = []
    rows = torch.nn.functional.normalize(output_rows.detach().float(), dim=-1)  # [V, D]
    for text, token in candidates:
        if len(chosen) == wanted:
            break
        if all(float(rows[token] @ rows[other]) < MAX_COSINE for _, other in chosen):
            chosen.append((text, token))
    if len(chosen) < wanted:
        raise SpecError(
            "steering",
            f"the pool {pool!r} of this model's tokenizer has {len(chosen)} tokens that can be told "
            f"apart, {wanted} categories need one each",
            "Use fewer categories, or the pool 'visible'",
        )
    texts, ids = zip(*chosen, strict=True)
    return SteeringTokens(texts, ids)


def _visible(tokenizer: PreTrainedTokenizerBase, attribute: Attribute) -> list[tuple[str, int]]:
    words = {word.casefold() for word in attribute.words}
    # A digit before an answer that is itself a number would be read as part of it.
    digits = "" if any(c.isdigit() for word in words for c in word) else DIGITS
    found = []
    for text in digits + string.ascii_uppercase + string.ascii_lowercase:
        ids = tokenizer.encode(text, add_special_tokens=False)
        if text.casefold() not in words and len(ids) == 1 and tokenizer.decode(ids) == text:
            found.append((text, ids[0]))
    return found


def _special(tokenizer: PreTrainedTokenizerBase) -> list[tuple[str, int]]:
    template = tokenizer.chat_template
    if not isinstance(template, str):
        raise ModelError("base_model: the tokenizer has no chat template. Use an instruction-tuned model")
    used = set(tokenizer.all_special_tokens)
    return [
        (token.content, token_id)
        for token_id, token in sorted(tokenizer.added_tokens_decoder.items())
        if token.special and token.content not in used and token.content not in template
    ]
