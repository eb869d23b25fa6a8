"""A run of decoder layers over one pack, by :mod:`distalign.operations`.

It reads the weights of a transformers model and, where PEFT has put LoRA on
them, trains PEFT's own parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distalign.operations import BlockAttention, LoraLinear, RMSNorm, Rotary, SwiGLU, linear
from distalign.trie import ROW_MULTIPLE, Pack, padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Families whose decoder is: embed, equal layers of attention and SwiGLU, norm. Others
# (sliding windows by layer, scaled embeddings) run whole, through transformers.
FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
MASKED = -1e9
# Queries of a block, and what its count of keys is rounded up to; see distalign.trie.padded.
BLOCK, KEYS_MULTIPLE = 32, 32


def is_known(model: PreTrainedModel) -> bool:
    """Whether the layers of this model are of a kind that :class:`Layers` runs."""
    return model.config.model_type in FAMILIES and model.config.hidden_act == "silu"


class Projection:
    """Linears that read the same input as one product, with the LoRA pairs that some of them carry."""

    def __init__(self, linears: Sequence[nn.Module], dtype: torch.dtype) -> None:
        bases = [getattr(linear, "base_layer", linear) for linear in linears]
        self.weight = torch.cat([base.weight.detach() for base in bases]).to(dtype)
        biased = bases[0].bias is not None
        self.bias = torch.cat([base.bias.detach() for base in bases]).to(dtype) if biased else None
        adapted = [linear for linear in linears if hasattr(linear, "lora_A")]
        self.a = [linear.lora_A["default"].weight for linear in adapted]
        self.b = [linear.lora_B["default"].weight for linear in adapted]
        self.scale = adapted[0].scaling["default"] if adapted else 0.0

    def __call__(self, x: Tensor) -> Tensor:
        """[N, in] → [N, out]."""
        if not self.a:
            product = F.linear if torch.is_grad_enabled() else linear
            return product(x, self.weight, self.bias)
        a = torch.cat(self.a).to(x.dtype)
        b = torch.block_diag(*self.b).to(x.dtype)
        return LoraLinear.apply(x, self.weight, self.bias, a, b, self.scale)


class Norm:
    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        self.weight = module.weight.detach().to(dtype)
        self.eps = module.variance_epsilon

    def __call__(self, x: Tensor) -> Tensor:
        return RMSNorm.apply(x, self.weight, self.eps)


@dataclass(frozen=True)
class Sight:
    """What each block of queries attends to; see :class:`BlockAttention` for the shapes."""

    keys: Tensor
    mask: Tensor

    @classmethod
    def of(cls, attends: np.ndarray, rows: int, dtype: torch.dtype) -> Sight:
        """From attends [queries, N] bool, ``rows`` queries a block."""
        blocks = attends.reshape(-1, rows, attends.shape[1])
        seen = [np.flatnonzero(block.any(0)) for block in blocks]
        width = padded(max(map(len, seen)), KEYS_MULTIPLE)
        keys = np.zeros((len(blocks), width), dtype=np.int64)
        mask = np.full((len(blocks), 1, rows, width), MASKED, dtype=np.float32)
        for i, (block, places) in enumerate(zip(blocks, seen, strict=True)):
            keys[i, : len(places)] = places
            mask[i, 0, :, : len(places)][block[:, places]] = 0
        return cls(torch.from_numpy(keys), torch.from_numpy(mask).to(dtype))


class Layer:
    """One decoder layer."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.size, self.scale = attention.head_dim, attention.scaling
        self.qkv = Projection([attention.q_proj, attention.k_proj, attention.v_proj], dtype)
        self.out = Projection([attention.o_proj], dtype)
        self.gate_up = Projection([mlp.gate_proj, mlp.up_proj], dtype)
        self.down = Projection([mlp.down_proj], dtype)
        self.before_attention = Norm(layer.input_layernorm, dtype)
        self.before_mlp = Norm(layer.post_attention_layernorm, dtype)
        self.head_norms = (
            (Norm(attention.q_norm, dtype), Norm(attention.k_norm, dtype))
            if hasattr(attention, "q_norm")
            else None
        )
        self.queries = attention.q_proj.out_features // self.size
        self.keys = attention.k_proj.out_features // self.size

    def __call__(
        self, hidden: Tensor, cos: Tensor, sin: Tensor, sight: Sight, reads: Tensor | None = None
    ) -> Tensor:
        """hidden [N, D] float32, cos and sin [N, 1, d/2] → [N, D], or [R, D] for the places ``reads`` [R]."""
        heads = self.qkv(self.before_attention(hidden)).view(len(hidden), -1, self.size)
        turning, v = heads.split((self.queries + self.keys, self.keys), 1)
        if self.head_norms is None:
            q, k = Rotary.apply(turning, cos, sin).split((self.queries, self.keys), 1)
        else:
            parts = turning.split((self.queries, self.keys), 1)
            q, k = (Rotary.apply(n(x), cos, sin) for n, x in zip(self.head_norms, parts, strict=True))
        if reads is not None:
            hidden, q = hidden[reads], q[reads]
        attended = BlockAttention.apply(q, k, v, sight.keys, sight.mask, self.scale)
        hidden = hidden + self.out(attended)
        return hidden + self.down(SwiGLU.apply(self.gate_up(self.before_mlp(hidden))))


class Layers:
    """Layers ``start`` to ``stop`` − 1 of a model, their frozen weights in ``dtype``.

    The stream between them is float32. If ``stop`` is the last layer, the model's
    final norm follows.
    """

    def __init__(self, model: PreTrainedModel, start: int, stop: int, dtype: torch.dtype) -> None:
        decoder = model.get_decoder()
        self.dtype = dtype
        self.rotary = decoder.rotary_emb
        self.layers = [Layer(layer, dtype) for layer in decoder.layers[start:stop]]
        ends = stop == model.config.num_hidden_layers
        self.norm = Norm(decoder.norm, torch.float32) if ends else nn.Identity()

    def __call__(self, activations: Tensor, row: Pack, reads: Tensor | None = None) -> Tensor:
        """activations [nodes, D] of a pack's nodes → float32 [N, D], or [R, D] at the places ``reads``.

        The uppermost layer computes what is read, and no more.
        """
        attends = row.mask[0, 0].numpy()
        hidden = F.pad(activations.float(), (0, 0, 0, len(attends) - len(activations)))
        cos, sin = (x[0, :, None, : x.shape[-1] // 2] for x in self.rotary(hidden[None], row.positions))
        cos, sin = cos.to(self.dtype), sin.to(self.dtype)
        sight = Sight.of(attends, min(BLOCK, len(attends)), self.dtype)
        for layer in self.layers[: None if reads is None else -1]:
            hidden = layer(hidden, cos, sin, sight)
        if reads is not None:
            sight = Sight.of(attends[reads.numpy()], len(reads), self.dtype)
            hidden = self.layers[-1](hidden, cos, sin, sight, reads)
        return self.norm(hidden)


assert ROW_MULTIPLE % BLOCK == 0
