"""Running a part of a decoder's layers, and caching what lies below the adapted ones.

The prompts of a run are fixed, so the activations below the lowest adapted
layer never change: they are computed once, and a training step runs the upper
layers only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from distalign.trie import TokenTrie, pack

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Families whose decoder is: embed, equal layers, norm. Others (sliding windows
# by layer, scaled embeddings) run whole.
SLICEABLE = ("llama", "mistral", "qwen2", "qwen3")
CHUNK_TOKENS = 768


def is_sliceable(model: PreTrainedModel) -> bool:
    return model.config.model_type in SLICEABLE


@contextmanager
def only_layers(model: PreTrainedModel, start: int, stop: int) -> Iterator[None]:
    """Within the block the decoder has layers start to stop − 1 only, and its norm if they end it."""
    decoder = model.get_decoder()
    layers, norm, count = decoder.layers, decoder.norm, model.config.num_hidden_layers
    decoder.layers = nn.ModuleList(layers[start:stop])
    model.config.num_hidden_layers = stop - start
    if stop < count:
        decoder.norm = nn.Identity()
    try:
        yield
    finally:
        decoder.layers, decoder.norm = layers, norm
        model.config.num_hidden_layers = count


@contextmanager
def weights_in(model: nn.Module, dtype: torch.dtype, *, frozen_only: bool = False) -> Iterator[None]:
    """Within the block the parameters (or those that need no gradient) have another dtype."""
    kept = {
        parameter: parameter.data
        for parameter in model.parameters()
        if parameter.is_floating_point() and not (frozen_only and parameter.requires_grad)
    }
    for parameter in kept:
        parameter.data = parameter.data.to(dtype)
    try:
        yield
    finally:
        for parameter, data in kept.items():
            parameter.data = data


@torch.no_grad()
def lower_activations(model: PreTrainedModel, trie: TokenTrie, layers: int) -> Tensor:
    """Activations of every node of a trie behind the first ``layers`` layers: [nodes, D].

    With 0 layers these are the token embeddings.
    """
    embedding = model.get_input_embeddings()
    if layers == 0:
        return embedding(torch.tensor(trie.tokens))
    cached = torch.empty(len(trie), model.config.hidden_size, dtype=embedding.weight.dtype)
    with only_layers(model, 0, layers):
        for first in range(0, len(trie), CHUNK_TOKENS):
            nodes = range(first, min(first + CHUNK_TOKENS, len(trie)))
            row = pack(trie, nodes)
            hidden = model.get_decoder()(
                input_ids=row.tokens,
                position_ids=row.positions,
                attention_mask=row.mask,
                use_cache=False,
            ).last_hidden_state[0]
            cached[row.nodes] = hidden[: len(row.nodes)]
    return cached
