"""The policy in training: log-probabilities of chosen tokens over one pack, with gradients to the adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from distalign.decoder import Layers
from distalign.operations import TokenLogps
from distalign.trie import Pack, TokenTrie, pack

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

CHUNK_TOKENS = 768


class Policy(Protocol):
    def token_logps(self, row: Pack, reads: Tensor, places: Tensor, tokens: Tensor) -> Tensor:
        """log π of tokens [T], each predicted at ``reads[places]``: [T] float32, in nats.

        ``reads`` [R] are places of the pack, ``places`` [T] indices into them.
        """

    def likeliest(self, row: Pack, reads: Tensor, count: int) -> Tensor:
        """Ids of the ``count`` likeliest next tokens at the places ``reads`` [R]: [R, count]."""


class UpperPolicy:
    """The adapted upper layers, run over cached activations of the layers below.

    The prompts of a run are fixed, so what lies below the lowest adapted layer never
    changes: it is computed once, when the policy is made.

    Args:
        model: of a family that :mod:`distalign.decoder` knows, with its adapter.
        trie: every prompt and completion that training reads.
        start: the lowest adapted layer.
        dtype: of the upper layers' products; the layers below run in it, too.
    """

    def __init__(self, model: PreTrainedModel, trie: TokenTrie, start: int, dtype: torch.dtype) -> None:
        self.activations = lower_activations(model, trie, start, dtype)
        self.layers = Layers(model, start, model.config.num_hidden_layers, dtype)
        self.head = model.get_output_embeddings().weight.detach().to(dtype)

    def token_logps(self, row: Pack, reads: Tensor, places: Tensor, tokens: Tensor) -> Tensor:
        hidden = self.layers(self.activations[row.nodes], row, reads)
        return TokenLogps.apply(hidden, self.head, places, tokens)

    @torch.no_grad()
    def likeliest(self, row: Pack, reads: Tensor, count: int) -> Tensor:
        hidden = self.layers(self.activations[row.nodes], row, reads)
        return F.linear(hidden.to(self.head.dtype), self.head).topk(count).indices


class WholePolicy:
    """All layers of any model, through transformers and PEFT."""

    def __init__(self, model: PeftModel) -> None:
        self.model = model

    def token_logps(self, row: Pack, reads: Tensor, places: Tensor, tokens: Tensor) -> Tensor:
        logits = self.logits(row, reads)
        return logits[places, tokens] - logits.logsumexp(-1)[places]

    @torch.no_grad()
    def likeliest(self, row: Pack, reads: Tensor, count: int) -> Tensor:
        return self.logits(row, reads).topk(count).indices

    def logits(self, row: Pack, reads: Tensor) -> Tensor:
        """Those of the next tokens at the places ``reads`` [R]: [R, V] float32."""
        output = self.model(
            input_ids=row.tokens,
            position_ids=row.positions,
            attention_mask=row.mask,
            logits_to_keep=reads,
            use_cache=False,
        )
        return output.logits[0].float()


@torch.no_grad()
def lower_activations(model: PreTrainedModel, trie: TokenTrie, count: int, dtype: torch.dtype) -> Tensor:
    """Activations of every node of a trie behind the first ``count`` layers: [nodes, D] float32.

    With 0 layers these are the token embeddings.
    """
    hidden = model.get_input_embeddings()(torch.tensor(trie.tokens)).float()
    if count == 0:
        return hidden
    layers = Layers(model, 0, count, dtype)
    cached = torch.empty_like(hidden)
    for first in range(0, len(trie), CHUNK_TOKENS):
        row = pack(trie, range(first, min(first + CHUNK_TOKENS, len(trie))))
        cached[row.nodes] = layers(hidden[row.nodes], row)[: len(row.nodes)]
    return cached
