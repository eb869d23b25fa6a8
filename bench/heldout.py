"""The held-out exact error E of a model in training: mean over prompts and categories of |q_k − π(s_k|x)|."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.workbench import Workbench
from distalign.layers import is_sliceable, lower_activations, only_layers, weights_in
from distalign.prompts import split_prompts
from distalign.trie import Pack, TokenTrie, pack

PROMPTS_AT_ONCE = 50


@dataclass(frozen=True)
class _Group:
    """Some prompts as one pack: its tokens' lower activations [N, D] (None: all layers run), and the leaves."""

    pack: Pack
    hidden: Tensor | None
    places: Tensor
    target: Tensor


class HeldOut:
    """Measures E over every held-out template and context, in float32, the softmax over the whole vocabulary.

    Build it before training, from the base model. Layers below the lowest
    adapted one give the same as long as training lasts, so they run once.

    Args:
        lowest: index of the lowest layer that training changes.
    """

    def __init__(self, bench: Workbench, lowest: int) -> None:
        spec, self.model = bench.spec, bench.model
        self.lowest = lowest if is_sliceable(self.model) else 0
        self.layers = self.model.config.num_hidden_layers
        self.steering_ids = list(bench.steering.ids)
        prompts = split_prompts(spec, bench.tokenizer, "heldout_templates")
        trie = TokenTrie()
        leaves = [trie.insert(prompt.ids)[-1] for prompt in prompts]
        target = torch.tensor([spec.target.rows[p.context] for p in prompts], dtype=torch.float64)
        known = None
        if self.lowest:
            with weights_in(self.model, torch.float32):
                known = lower_activations(self.model, trie, self.lowest)
        self.groups = []
        for first in range(0, len(leaves), PROMPTS_AT_ONCE):
            chosen = slice(first, first + PROMPTS_AT_ONCE)
            row = pack(trie, leaves[chosen])
            hidden = None if known is None else _padded(known[row.nodes], row)
            self.groups.append(_Group(row, hidden, row.places(leaves[chosen]), target[chosen]))

    @torch.no_grad()
    def error(self) -> float:
        """E of the model as it stands. Weights, layers and mode are as before when it returns."""
        total = count = 0.0
        with self._ready():
            for group in self.groups:
                probs = self._probs(group)
                total += float((group.target - probs).abs().sum())
                count += probs.numel()
        return total / count

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """Float32 arithmetic, and the upper layers only; a trainer may have cut the lower ones off already."""
        start = self.lowest
        if len(self.model.get_decoder().layers) != self.layers:
            start = 0
        with (
            torch.autocast("cpu", enabled=False),
            weights_in(self.model, torch.float32),
            only_layers(self.model, start, self.model.config.num_hidden_layers),
        ):
            yield

    def _probs(self, group: _Group) -> Tensor:
        """π(s_k|x) of a group's prompts: [P, K]."""
        row = group.pack
        known = {"input_ids": row.tokens} if group.hidden is None else {"inputs_embeds": group.hidden[None]}
        logits = self.model(
            **known,
            position_ids=row.positions,
            attention_mask=row.mask,
            logits_to_keep=group.places,
            use_cache=False,
        ).logits[0]
        return logits.double().softmax(-1)[:, self.steering_ids]


def _padded(hidden: Tensor, row: Pack) -> Tensor:
    return F.pad(hidden, (0, 0, 0, row.tokens.shape[1] - len(hidden)))
