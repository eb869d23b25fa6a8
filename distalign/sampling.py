"""Tree sampling: N independent rounds from a prompt at the cost of its distinct prefixes.

At a prefix that n rounds have reached, the counts of the next token are drawn
from Multinomial(n, p), and sampling goes on with the distinct children only.
This is exactly the law of N independent samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache

from distalign.spec import Sampling
from distalign.trie import TokenTrie, pack, padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Prompts whose prefixes are computed together, and prefixes that grow together:
# large enough for the processor, small enough for attention and memory.
PROMPTS_AT_ONCE = 48
PREFIXES_AT_ONCE = 160
PREFIX_MULTIPLE = 16


@dataclass(frozen=True)
class Answer:
    """A distinct completion and how many rounds gave it. ``ids`` has no end-of-turn token."""

    prompt: int
    ids: tuple[int, ...]
    count: int


@dataclass(frozen=True)
class _Prefixes:
    """M distinct prefixes that are about to grow, with the keys and values of N cached tokens.

    ``attends`` [M, N] says which cached tokens each may attend to; ``logits``
    [M, V] predict the next token.
    """

    prompts: list[int]
    ids: list[tuple[int, ...]]
    counts: list[int]
    positions: list[int]
    logits: Tensor
    cache: DynamicCache
    attends: Tensor


def next_token_probs(logits: Tensor, sampling: Sampling) -> Tensor:
    """[M, V] probabilities after temperature, top-k and top-p, in that order."""
    probs = (logits.float() / sampling.temperature).softmax(-1)
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


@torch.inference_mode()
def sample_answers(
    model: PreTrainedModel,
    prompts: Sequence[tuple[int, ...]],
    counts: Sequence[int],
    sampling: Sampling,
    stop_ids: frozenset[int],
    seed: int,
    on_first: Callable[[int, Tensor], None] | None = None,
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

    Yields:
        the answers of one chunk of prompts, in the order of the prompts.
    """
    generator = np.random.default_rng(seed)
    for first in range(0, len(prompts), PROMPTS_AT_ONCE):
        chunk = range(first, min(first + PROMPTS_AT_ONCE, len(prompts)))
        start = _read_prompts(model, prompts, counts, chunk)
        if on_first is not None:
            for row, prompt in enumerate(chunk):
                on_first(prompt, start.logits[row].double().softmax(-1))
        answers: list[Answer] = []
        pending = [_subset(start, [row for row, p in enumerate(chunk) if counts[p]])]
        while pending:
            prefixes = pending.pop()
            if len(prefixes.ids) > PREFIXES_AT_ONCE:
                half = len(prefixes.ids) // 2
                rows = range(len(prefixes.ids))
                pending += [_subset(prefixes, rows[half:]), _subset(prefixes, rows[:half])]
                continue
            grown = _grow(model, prefixes, sampling, stop_ids, generator, answers)
            if grown is not None:
                pending.append(grown)
        yield sorted(answers, key=lambda answer: answer.prompt)


def _read_prompts(
    model: PreTrainedModel, prompts: Sequence[tuple[int, ...]], counts: Sequence[int], chunk: range
) -> _Prefixes:
    """Run a chunk of prompts as one pack; their common beginnings are computed once."""
    trie = TokenTrie()
    leaves = [trie.insert(prompts[p])[-1] for p in chunk]
    row = pack(trie, leaves)
    places = row.places(leaves)
    cache = DynamicCache()
    logits = model(
        input_ids=row.tokens,
        position_ids=row.positions,
        attention_mask=row.mask,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=places,
    ).logits[0]
    return _Prefixes(
        prompts=list(chunk),
        ids=[()] * len(chunk),
        counts=[counts[p] for p in chunk],
        positions=[len(prompts[p]) for p in chunk],
        logits=logits,
        cache=cache,
        attends=row.mask[0, 0][places],
    )


def _subset(prefixes: _Prefixes, rows: Sequence[int]) -> _Prefixes:
    """Some of the prefixes, with only those cached tokens that they attend to."""
    rows = list(rows)
    attends = prefixes.attends[rows]
    kept = attends.any(0).nonzero()[:, 0]
    cache = DynamicCache()
    for index, layer in enumerate(prefixes.cache.layers):
        cache.update(layer.keys[:, :, kept], layer.values[:, :, kept], index)
    return _Prefixes(
        [prefixes.prompts[r] for r in rows],
        [prefixes.ids[r] for r in rows],
        [prefixes.counts[r] for r in rows],
        [prefixes.positions[r] for r in rows],
        prefixes.logits[rows],
        cache,
        attends[:, kept],
    )


def _draw(probs: Tensor, counts: list[int], generator: np.random.Generator) -> Iterator[tuple[int, int, int]]:
    """Multinomial counts of the next token: (row, token, count) for each that occurs."""
    for row, count in enumerate(counts):
        cumulative = np.cumsum(probs[row].numpy(), dtype=np.float64)
        points = generator.random(count) * cumulative[-1]
        tokens, times = np.unique(np.searchsorted(cumulative, points, side="right"), return_counts=True)
        yield from ((row, int(t), int(n)) for t, n in zip(tokens, times, strict=True))


def _grow(
    model: PreTrainedModel,
    prefixes: _Prefixes,
    sampling: Sampling,
    stop_ids: frozenset[int],
    generator: np.random.Generator,
    answers: list[Answer],
) -> _Prefixes | None:
    """One more token for each prefix; ended ones go to ``answers``, None when all have ended."""
    rows, tokens, counts = [], [], []
    probs = next_token_probs(prefixes.logits, sampling)
    for row, token, count in _draw(probs, prefixes.counts, generator):
        ids = prefixes.ids[row] if token in stop_ids else (*prefixes.ids[row], token)
        if token in stop_ids or len(ids) == sampling.max_new_tokens:
            answers.append(Answer(prefixes.prompts[row], ids, count))
        else:
            rows.append(row)
            tokens.append(token)
            counts.append(count)
    if not rows:
        return None
    return _advance(model, prefixes, rows, tokens, counts)


def _advance(
    model: PreTrainedModel, prefixes: _Prefixes, rows: list[int], tokens: list[int], counts: list[int]
) -> _Prefixes:
    """Run one more token behind some of the prefixes; a prefix may grow several ways."""
    parents = sorted(set(rows))
    kept = prefixes if len(parents) == len(prefixes.ids) else _subset(prefixes, parents)
    at = {row: i for i, row in enumerate(parents)}
    grown, width = len(rows), padded(len(rows), PREFIX_MULTIPLE)
    # Each new token attends to what its parent attends to, and to itself; padding to itself only.
    before = F.pad(kept.attends[[at[r] for r in rows]], (0, 0, 0, width - grown))
    attends = torch.cat([before, torch.eye(width, dtype=torch.bool)], dim=1)
    positions = [prefixes.positions[r] for r in rows]
    padding = [0] * (width - grown)
    logits = model(
        input_ids=torch.tensor([tokens + padding]),
        position_ids=torch.tensor([positions + padding]),
        attention_mask=attends[None, None],
        past_key_values=kept.cache,
        use_cache=True,
    ).logits[0]
    return _Prefixes(
        prompts=[prefixes.prompts[r] for r in rows],
        ids=[(*prefixes.ids[r], t) for r, t in zip(rows, tokens, strict=True)],
        counts=counts,
        positions=[p + 1 for p in positions],
        logits=logits[:grown],
        cache=kept.cache,
        attends=attends[:grown],
    )
