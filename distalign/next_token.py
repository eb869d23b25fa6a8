"""The distribution of the next token, and drawing many rounds from it at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from distalign.sampling_config import Sampling

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Tokens are drawn in two stages, a block of the vocabulary and a token in it.
BLOCK = 128


def next_token_probs(logits: Tensor, sampling: Sampling) -> Tensor:
    """[M, V] probabilities after temperature, top-k and top-p, in that order."""
    scaled = logits.float() if sampling.temperature == 1 else logits.float() / sampling.temperature
    probs = scaled.softmax(-1)
    if not sampling.top_k and sampling.top_p == 1:
        return probs
    if sampling.top_k:
        least = probs.topk(min(sampling.top_k, probs.shape[-1]), dim=-1).values[:, -1:]
        probs = probs.masked_fill(probs < least, 0)
    if sampling.top_p < 1:
        ordered, order = probs.sort(dim=-1, descending=True)
        total = ordered.cumsum(-1)
        # The token that crosses top_p is still kept.
        beyond = (total - ordered) >= sampling.top_p * total[:, -1:]
        probs = probs.masked_fill(torch.zeros_like(beyond).scatter(-1, order, beyond), 0)
    return probs / probs.sum(-1, keepdim=True)


def restricted(logits: Tensor, tokens: Sequence[int]) -> Tensor:
    """[M, V] logits with all but some tokens ruled out."""
    found = torch.full_like(logits, -torch.inf)
    found[:, tokens] = logits[:, tokens]
    return found


def generator_of(seed: int, prompt: int, ids: tuple[int, ...]) -> np.random.Generator:
    """A stream of its own for each prefix: what is drawn depends on nothing that runs beside it."""
    key = hashlib.blake2b(np.array([seed, prompt, *ids], dtype=np.int64).tobytes(), digest_size=16)
    return np.random.default_rng(int.from_bytes(key.digest()))


def draw_tokens(
    probs: Tensor, counts: Ints, generators: Sequence[np.random.Generator]
) -> tuple[Ints, Ints, Ints]:
    """Counts of the next token, Multinomial(n, p) in each row.

    Args:
        probs: [M, V].
        counts: [M] draws of each row, at least one.
        generators: [M] the stream of each row.

    Returns:
        row, token and count of each token that was drawn, rows ascending.
    """
    blocks = F.pad(probs, (0, -probs.shape[1] % BLOCK)).unflatten(1, (-1, BLOCK))  # [M, V / 128, 128]
    masses = blocks.sum(-1, dtype=torch.float64).numpy()
    within = blocks.numpy()
    rows, tokens, times = [], [], []
    for row, (count, generator) in enumerate(zip(counts, generators, strict=True)):
        drawn = _multinomial(count, masses[row], generator)
        (chosen,) = drawn.nonzero()
        inside = _multinomial(drawn[chosen], within[row, chosen].astype(np.float64), generator)
        block, place = inside.nonzero()
        rows.append(np.full(len(block), row))
        tokens.append(chosen[block] * BLOCK + place)
        times.append(inside[block, place])
    return np.concatenate(rows), np.concatenate(tokens), np.concatenate(times)


def _multinomial(count: int | Ints, weights: Floats, generator: np.random.Generator) -> Ints:
    """Multinomial counts for weights [..., K]; the heaviest takes what rounding leaves over."""
    weights = weights / weights.sum(-1, keepdims=True)
    heaviest = weights.argmax(-1)[..., None]
    last = weights[..., -1:].copy()
    weights[..., -1:] = np.take_along_axis(weights, heaviest, -1)
    np.put_along_axis(weights, heaviest, last, -1)
    drawn = generator.multinomial(count, weights)
    last = drawn[..., -1:].copy()
    drawn[..., -1:] = np.take_along_axis(drawn, heaviest, -1)
    np.put_along_axis(drawn, heaviest, last, -1)
    return drawn
