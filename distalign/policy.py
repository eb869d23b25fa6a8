"""The policy in training: log-probabilities of chosen tokens over one pack, with gradients to the adapter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from distalign.decoder import Layers
from distalign.operations import TokenLogps, likeliest
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

    def likeliest(self, row: Pack, reads: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The ``count`` likeliest next tokens at the places ``reads`` [R]: ids and log π [R, count]."""


class UpperPolicy:
    """The adapted upper layers, run over cached activations of the layers below.

    The prompts of a run are fixed, so what lies below the lowest adapted layer never
    changes: it is computed once, when the policy is made.

    Args:
        model: of a family that :mod:`distalign.decoder` knows, with its adapter.
        trie: every prompt and completion that training reads.
        start: the lowest adapted layer.
        dtype: of the upper layers' products; the layers below run in it, too.
        nodes: of the trie, those that will be packed, with their ancestors; None for all.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        trie: TokenTrie,
        start: int,
        dtype: torch.dtype,
        nodes: Sequence[int] | None = None,
    ) -> None:
        self.activations = lower_activations(model, trie, start, dtype, nodes)
        self.layers = Layers(model, start, model.config.num_hidden_layers, dtype)
        self.head = model.get_output_embeddings().weight.detach().to(dtype)

    def token_logps(self, row: Pack, reads: Tensor, places: Tensor, tokens: Tensor) -> Tensor:
        hidden = self.layers(self.activations[row.nodes], row, reads)
        return TokenLogps.apply(hidden, self.head, places, tokens)

    @torch.no_grad()
    def likeliest(self, row: Pack, reads: Tensor, count: int) -> tuple[Tensor, Tensor]:
        return likeliest(self.layers(self.activations[row.nodes], row, reads), self.head, count)


class WholePolicy:
    """All layers of any model, through transformers and PEFT."""

    def __init__(self, model: PeftModel) -> None:
        self.model = model

    def token_logps(self, row: Pack, reads: Tensor, places: Tensor, tokens: Tensor) -> Tensor:
        logits = self.logits(row, reads)
        return logits[places, tokens] - logits.logsumexp(-1)[places]

    @torch.no_grad()
    def likeliest(self, row: Pack, reads: Tensor, count: int) -> tuple[Tensor, Tensor]:
        found = self.logits(row, reads).log_softmax(-1).topk(count)
        return found.indices, found.values

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
def lower_activations(
    model: PreTrainedModel,
    trie: TokenTrie,
    count: int,
    dtype: torch.dtype,
    nodes: Sequence[int] | None = None,
) -> Tensor:
    """Activations of a trie's nodes behind the first ``count`` layers: [nodes, D] float32.

    With 0 layers these are the token embeddings. Of ``nodes``, where they are given, come all
    ancestors, too; the rows of other nodes have no meaning.
    """
    hidden = model.get_input_embeddings()(torch.tensor(trie.tokens)).float()
    if count == 0:
        return hidden
    layers = Layers(model, 0, count, dtype)
    cached = torch.empty_like(hidden)
    nodes = range(len(trie)) if nodes is None else nodes
    for first in range(0, len(nodes), CHUNK_TOKENS):
        row = pack(trie, nodes[first : first + CHUNK_TOKENS])
        cached[row.nodes] = layers(hidden[row.nodes], row)[: len(row.nodes)]
    return cached
