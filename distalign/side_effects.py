"""Side effects: how far a tuned model moved on prompts that have nothing to do with its target.

Base and tuned model read the same reference answers (teacher forcing). They
differ by the adapter only, so the base model is the tuned one with its adapter
scaled to nothing.

Shapes: R places whose next token is read, V vocabulary, D hidden size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from peft.helpers import rescale_adapter_scale
from torch import Tensor

from distalign.adapter import lowest_adapted
from distalign.decoder import Layers, is_known
from distalign.metrics import COVERAGE, RESAMPLES
from distalign.operations import linear
from distalign.policy import WholePolicy, lower_activations
from distalign.precision import training_dtype
from distalign.results import Interval, SideEffects
from distalign.trie import Pack, TokenTrie, pack
from distalign.unrelated import exchange_ids, unrelated_prompts

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

    from distalign.steering import SteeringTokens
    from distalign.training_config import TrainingConfig

# Places whose logits are in memory at once, of both models: 2 · 128 · 49,152 numbers are 50 MB.
READS_AT_ONCE = 128


@dataclass(frozen=True)
class Answer:
    """A reference answer in a trie: the places that predict its tokens, and the tokens' ids."""

    parents: tuple[int, ...]
    tokens: tuple[int, ...]


@dataclass
class _Sums:
    """What the answers add up to, an entry a prompt: nats, tokens, probabilities, whether it changed."""

    tokens: list[int]
    base: list[float]
    tuned: list[float]
    kl: list[float]
    leaks: list[tuple[float, float]]
    changed: list[bool]


@torch.no_grad()
def measure_side_effects(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    steering: SteeringTokens | None,
    config: TrainingConfig,
    seed: int = 0,
) -> SideEffects:
    """Compare a tuned model with its base model on the bundled prompts that are kept for measuring.

    The layers below the adapter are shared and run once, in the arithmetic of
    training; all others run in float32, so that rounding adds nothing to the divergence.

    Args:
        model: with its adapter, not merged; left as it was.
        steering: None where the method has no steering tokens: then nothing can leak.
        config: tells where the adapter begins.
        seed: of the bootstrap.
    """
    trie = TokenTrie()
    answers = []
    for prompt, answer in exchange_ids(tokenizer, unrelated_prompts("measured")):
        nodes = trie.insert(prompt)
        behind = trie.insert(answer[:-1], nodes[-1])
        answers.append(Answer((nodes[-1], *behind), answer))
    groups = _groups(answers)
    pairs = _upper_pairs if is_known(model) else _whole_pairs
    sums = _Sums([], [], [], [], [], [])
    for group, (base, tuned) in zip(groups, pairs(model, trie, groups, config), strict=True):
        _add(sums, group, base, tuned, [] if steering is None else list(steering.ids))
    return _summarised(sums, seed)


def _groups(answers: Sequence[Answer]) -> list[list[Answer]]:
    """Consecutive answers of at most :data:`READS_AT_ONCE` tokens together."""
    groups: list[list[Answer]] = [[]]
    for answer in answers:
        if groups[-1] and sum(len(a.tokens) for a in groups[-1]) + len(answer.tokens) > READS_AT_ONCE:
            groups.append([])
        groups[-1].append(answer)
    return groups


Pairs = Iterator[tuple[Tensor, Tensor]]


def _packed(trie: TokenTrie, group: Sequence[Answer]) -> tuple[Pack, Tensor]:
    """The pack of a group, and the places [R] that predict its answers' tokens, in their order."""
    row = pack(trie, [answer.parents[-1] for answer in group])
    return row, row.places([node for answer in group for node in answer.parents])


def _upper_pairs(
    model: PeftModel, trie: TokenTrie, groups: Sequence[Sequence[Answer]], config: TrainingConfig
) -> Pairs:
    """Logits [R, V] of each group's places: of the base, of the tuned model.

    What is kept of a model is the state before the head: [R, D] in place of [R, V].
    """
    start, stop = lowest_adapted(model, config), model.config.num_hidden_layers
    activations = lower_activations(model, trie, start, training_dtype(config))

    def states() -> list[Tensor]:
        layers = Layers(model, start, stop, torch.float32)
        packed = (_packed(trie, group) for group in groups)
        return [layers(activations[row.nodes], row, reads) for row, reads in packed]

    with rescale_adapter_scale(model, 0):
        base = states()
    tuned = states()
    head = model.get_output_embeddings().weight
    for one, other in zip(base, tuned, strict=True):
        yield linear(one, head), linear(other, head)


def _whole_pairs(
    model: PeftModel, trie: TokenTrie, groups: Sequence[Sequence[Answer]], config: TrainingConfig
) -> Pairs:
    """The same for any model, through transformers."""
    policy = WholePolicy(model)
    for group in groups:
        row, reads = _packed(trie, group)
        with rescale_adapter_scale(model, 0):
            base = policy.logits(row, reads)
        yield base, policy.logits(row, reads)


def _add(sums: _Sums, group: Sequence[Answer], base: Tensor, tuned: Tensor, steering: list[int]) -> None:
    """Add a group's answers; base and tuned [R, V] are logits, which are used up."""
    for logits in (base, tuned):
        logits.sub_(logits.logsumexp(-1, keepdim=True))
    labels = torch.tensor([token for answer in group for token in answer.tokens])[:, None]  # [R, 1]
    chosen = [logps.gather(-1, labels)[:, 0] for logps in (base, tuned)]
    counts = [len(answer.tokens) for answer in group]
    first = torch.tensor([0, *counts[:-1]]).cumsum(0)
    leaks = [logps[first][:, steering].exp().sum(-1).tolist() for logps in (base, tuned)]
    sums.changed += (base[first].argmax(-1) != tuned[first].argmax(-1)).tolist()
    # KL(base‖tuned) in place, so that no third table of the vocabulary is made.
    kl = tuned.neg_().add_(base).mul_(base.exp_()).sum(-1)
    sums.tokens += counts
    for kept, values in ((sums.base, chosen[0]), (sums.tuned, chosen[1]), (sums.kl, kl)):
        kept += [float(part.double().sum()) for part in values.split(counts)]
    # Where there are no steering tokens, a sum over none is no measurement.
    sums.leaks += zip(*leaks, strict=True) if steering else [(math.nan, math.nan)] * len(group)


def _summarised(sums: _Sums, seed: int) -> SideEffects:
    tokens, kl = np.array(sums.tokens), np.array(sums.kl)
    leaks = np.array(sums.leaks).mean(0)
    return SideEffects(
        prompts=len(tokens),
        tokens=int(tokens.sum()),
        perplexity_before=math.exp(-sum(sums.base) / tokens.sum()),
        perplexity_after=math.exp(-sum(sums.tuned) / tokens.sum()),
        kl=_per_token(kl, tokens, seed),
        leak_before=float(leaks[0]),
        leak_after=float(leaks[1]),
        first_token_changed=float(np.mean(sums.changed)),
    )


def _per_token(nats: np.ndarray, tokens: np.ndarray, seed: int) -> Interval:
    """Nats [P] over tokens [P] with a 95 % bootstrap interval: whole prompts are drawn anew."""
    drawn = np.random.default_rng(seed).integers(len(nats), size=(RESAMPLES, len(nats)))
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(nats[drawn].sum(-1) / tokens[drawn].sum(-1), [tail, 1 - tail])
    # The divergence cannot be negative; rounding may leave it a little below.
    value, low, high = (max(0.0, float(x)) for x in (nats.sum() / tokens.sum(), low, high))
    return Interval(value, low, high)
