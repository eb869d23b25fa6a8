"""Steering tokens: K single, distinct tokens that open an answer, one a category.

They are chosen by a check of the model's output rows: tokens that share an
untrained row (as several spare special tokens do) cannot be told apart by the
head, so no training short of their rows could calibrate them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from distalign.attributes import Attribute
from distalign.errors import SpecError
from distalign.steering_pools import SteeringTokens, candidates

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

MAX_COSINE = 0.98


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
    chosen: list[tuple[str, int]] = []
    rows = torch.nn.functional.normalize(output_rows.detach().float(), dim=-1)  # [V, D]
    for text, token in candidates(tokenizer, attribute, pool):
        if len(chosen) == wanted:
            break
        if all(float(rows[token] @ rows[other]) < MAX_COSINE for _, other in chosen):
            chosen.append((text, token))
    if len(chosen) < wanted:
        remedy = "the pool 'visible'"
        if pool == "visible":
            # A category that is a letter or a digit cannot have it as its token.
            remedy = "longer names than a letter or a digit, or the pool 'special'"
        raise SpecError(
            "steering",
            f"the pool {pool!r} of this model's tokenizer has {len(chosen)} tokens that can be told "
            f"apart, {wanted} categories need one each",
            f"Use fewer categories, {remedy}",
        )
    texts, ids = zip(*chosen, strict=True)
    return SteeringTokens(texts, ids)
