"""Attention of tokens that each end a prefix of their own behind one of several prompts.

With it what puts it, and faster products, into a transformers model for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from distalign.operations import linear

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "distalign_prefixes"
# Keys and values of one layer.
KeysValues = tuple[Tensor, Tensor]
Ints = NDArray[np.int64]


@contextmanager
def attending(model: PreTrainedModel, attention: Callable[..., tuple[Tensor, None]]) -> Iterator[None]:
    """Within the block the model's layers attend by another function."""
    config, kept = model.config, model.config._attn_implementation
    ALL_ATTENTION_FUNCTIONS[NAME] = attention
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = kept
        del ALL_ATTENTION_FUNCTIONS[NAME]


@contextmanager
def multiplying(model: nn.Module) -> Iterator[None]:
    """Within the block the model's linears multiply by :func:`distalign.operations.linear`: without gradients."""
    linears = [module for module in model.modules() if type(module) is nn.Linear]
    for module in linears:
        module.forward = partial(_product, module)
    try:
        yield
    finally:
        for module in linears:
            del module.forward


def _product(module: nn.Linear, x: Tensor) -> Tensor:
    return linear(x, module.weight, module.bias)


class PrefixAttention:
    """The attention of n new tokens, called by each layer in place of transformers' own function.

    A token attends to what all prompts begin with, to the rest of its own prompt,
    and to its own prefix, which it ends. No prompt is copied for each of its prefixes.

    Args:
        prompts: [n] the prompt of each token.
        length: tokens of each prefix, the new one included.
        common: of each layer keys and values [KV, C, D] of the common beginning.
        own: of each layer [P, KV, L, D], the rest of each prompt.
        padding: [P, L], −inf behind a prompt's end.
        mine: of each layer [n, KV, ≥ length, D]; those of the new tokens are written here.
    """

    def __init__(
        self,
        prompts: Ints,
        length: int,
        common: Sequence[KeysValues],
        own: Sequence[KeysValues],
        padding: Tensor,
        mine: Sequence[KeysValues],
    ) -> None:
        self.count, self.length = len(prompts), length
        self.common, self.own, self.mine = common, own, mine
        self.padding = padding[torch.from_numpy(prompts)][:, None, None]  # [n, 1, 1, L]
        self.blocks = Blocks(prompts)

    def __call__(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        softcap: float | None = None,
        **_: object,
    ) -> tuple[Tensor, None]:
        """query [1, H, ≥ n, D], key and value [1, KV, ≥ n, D] → [1, ≥ n, H, D]; behind n is padding."""
        count, layer = self.count, module.layer_idx
        keys, values = (x[:, :, : self.length] for x in self.mine[layer])  # [n, KV, T, D]
        keys[:, :, -1] = key[0, :, :count].transpose(0, 1)
        values[:, :, -1] = value[0, :, :count].transpose(0, 1)
        common_keys, common_values = self.common[layer]
        own_keys, own_values = (x[self.blocks.prompts] for x in self.own[layer])
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        # Query heads that share a key-value head lie side by side: [n, KV, G, D].
        q = (query[0, :, :count].float() * scale).transpose(0, 1).unflatten(1, (key.shape[1], -1))
        parts = [
            _with_all(q, common_keys.transpose(-1, -2)),
            self.blocks.matmul(q, own_keys.transpose(-1, -2)),
            q @ keys.transpose(-1, -2),
        ]
        if softcap is not None:
            parts = [softcap * torch.tanh(part / softcap) for part in parts]
        parts[1] += self.padding
        sizes = [part.shape[-1] for part in parts]
        weights = torch.cat(parts, dim=-1).softmax(-1).split(sizes, dim=-1)
        mixed = _with_all(weights[0], common_values)
        mixed += self.blocks.matmul(weights[1], own_values)
        mixed += weights[2] @ values
        unused = query.shape[2] - count
        return F.pad(mixed.flatten(1, 2), (0, 0, 0, 0, 0, unused))[None].to(query.dtype), None


def _with_all(x: Tensor, y: Tensor) -> Tensor:
    """[n, KV, G, A] @ [KV, A, B] → [n, KV, G, B]."""
    product = x.transpose(0, 1).flatten(1, 2) @ y
    return product.unflatten(1, (x.shape[0], x.shape[2])).transpose(0, 1)


class Blocks:
    """Tokens grouped by prompt, so that those of one prompt are multiplied with it at once.

    A block has places for equally many tokens of one prompt; ``prompts`` are those
    of the B blocks, as a slice where that saves a copy.
    """

    def __init__(self, prompts: Ints) -> None:
        found, group, counts = np.unique(prompts, return_inverse=True, return_counts=True)
        mean = -(-len(prompts) // len(found))
        # One block a prompt, unless few prompts have most of the tokens.
        self.height = int(counts.max()) if counts.max() <= 2 * mean else mean
        blocks = -(-counts // self.height)
        order = np.argsort(group, kind="stable")
        rank = np.empty_like(group)
        rank[order] = np.arange(len(group)) - np.repeat(counts.cumsum() - counts, counts)
        place = (blocks.cumsum() - blocks)[group] * self.height + rank
        token = np.zeros(blocks.sum() * self.height, dtype=np.int64)
        token[place] = np.arange(len(group))
        self.place, self.token = torch.from_numpy(place), torch.from_numpy(token)
        consecutive = len(found) == blocks.sum() and found[-1] - found[0] == len(found) - 1
        self.prompts = (
            slice(found[0], found[-1] + 1) if consecutive else torch.from_numpy(found.repeat(blocks))
        )

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        """[n, KV, G, A] @ [B, KV, A, C], a token with its prompt's block → [n, KV, G, C]."""
        laid = x[self.token].unflatten(0, (-1, self.height))  # [B, height, KV, G, A]
        product = laid.transpose(1, 2).flatten(2, 3) @ y
        product = product.unflatten(2, (self.height, x.shape[2])).transpose(1, 2)
        return product.flatten(0, 1)[self.place]
