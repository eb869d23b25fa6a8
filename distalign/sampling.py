"""Tree sampling: N independent rounds from a prompt at the cost of its distinct prefixes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from distalign.exact import Expansion
from distalign.prefixes import Ids, bytes_per_token, common_length
from distalign.sampling_config import Sampling
from distalign.tree import Answer, Walk

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Prompts that are walked together: many, so that passes are full.
PROMPTS_AT_ONCE = 128
PROMPT_BYTES = 64 * 2**20


@torch.inference_mode()
def sample_answers(
    model: PreTrainedModel,
    prompts: Sequence[Ids],
    counts: Sequence[int],
    sampling: Sampling,
    stop_ids: frozenset[int],
    seed: int,
    on_first: Callable[[int, Tensor], None] | None = None,
    expansion: Expansion | None = None,
    on_rounds: Callable[[int], None] | None = None,
    opening: Ids = (),
) -> Iterator[list[Answer]]:
    """Draw ``counts[i]`` independent completions of each prompt.

    Args:
        model: in evaluation mode; sampled in the precision of its weights.
        prompts: token ids.
        counts: rounds a prompt; 0 only reports the first distribution.
        stop_ids: tokens that end a completion.
        seed: makes the draw repeatable.
        on_first: called with a prompt's index and the [V] probabilities of its
            first token at temperature 1, free of truncation.
        expansion: how far to expand the tree for the exact distribution. What is
            drawn stays the same.
        on_rounds: called before each yield with the rounds that are drawn, also those of prompts
            that are not finished; a round under way counts by its length.
        opening: tokens that a completion may begin with, their probabilities scaled up to 1; empty for
            any token. What ``on_first`` is told stays the same.

    Yields:
        the answers of some prompts, in the order of the prompts; none after a step that finished none.
    """
    walk = Walk(model, sampling, stop_ids, seed, expansion, opening)

    def report(index: int, logits: Tensor) -> None:
        if on_first is not None:
            for row, values in enumerate(logits):
                on_first(index + row, values.double().softmax(-1))

    first = 0
    while first < len(prompts):
        chunk = _next_chunk(prompts, first, bytes_per_token(model))
        for answers in walk.run([prompts[p] for p in chunk], [counts[p] for p in chunk], first, report):
            if on_rounds is not None:
                on_rounds(int(walk.reached))
            yield answers
        first = chunk.stop


def _next_chunk(prompts: Sequence[Ids], first: int, token_bytes: int) -> range:
    """Prompts from ``first`` on whose keys and values fit into memory together."""
    stop = min(first + PROMPTS_AT_ONCE, len(prompts))
    while stop > first + 1:
        some = prompts[first:stop]
        longest = max(map(len, some)) - common_length(some)
        if longest * len(some) * token_bytes <= PROMPT_BYTES:
            break
        stop = first + (stop - first) // 2
    return range(first, stop)
