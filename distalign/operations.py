"""Operations of a decoder layer as few, large steps, with gradients written by hand.

Through the layers of transformers and PEFT a training step of some hundred
tokens spends most of its time on small operations: casts, rotations, norms, three
projections where one would do, attention of every token to every other. Each
function here has a backward pass as large as its forward one. Values and
gradients are those of plain torch; tests hold them to it.

Shapes: N tokens, D hidden size, V vocabulary, H query heads, G key-value heads, d head size.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# Rows of logits that are in float32 at once: few enough to stay in the processor's cache.
HEAD_ROWS = 8


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b, without a gradient: x [N, in], W [out, in], b [out] or None → [N, out].

    By oneDNN on a processor, through the operator that torch.compile calls it by. torch's own float32 product
    is MKL's, which takes twice as long on AMD's processors, and longer for wide products; its product
    of bfloat16 matrices takes twice as long where the inner side is long (docs/speed.md).
    """
    if x.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return F.linear(x, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class LoraLinear(torch.autograd.Function):
    """x W^T + b + scale · (x A^T) B^T with W and b frozen.

    x [N, in], W [out, in], b [out] or None, A [r, in], B [out, r] → [N, out].
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        low = F.linear(x, a)  # [N, r]
        ctx.save_for_backward(x, weight, a, b, low)
        ctx.scale = scale
        return linear(x, weight, bias).addmm_(low, b.T, alpha=scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, low = ctx.saved_tensors
        grad_low = (grad @ b).mul_(ctx.scale)  # [N, r]
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = linear(grad, weight.T).addmm_(grad_low, a)
        return grad_x, None, None, grad_low.T @ x, (grad.T @ low).mul_(ctx.scale), None


class RMSNorm(torch.autograd.Function):
    """x / rms(x) · w, computed in float32: x [..., D], frozen w [D] → [..., D] in the type of w."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        wide = x.float()
        inverse = torch.rsqrt(wide.square().mean(-1, keepdim=True).add_(eps))
        ctx.save_for_backward(x, weight, inverse)
        return (wide * inverse).mul_(weight).to(weight.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, inverse = ctx.saved_tensors
        normed = x.float() * inverse
        scaled = grad.float() * weight
        along = (scaled * normed).mean(-1, keepdim=True)
        return scaled.addcmul_(normed, along, value=-1).mul_(inverse).to(x.dtype), None, None


class SwiGLU(torch.autograd.Function):
    """silu(gate) · up of [gate, up]: [N, 2·F] → [N, F]."""

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        ctx.save_for_backward(both)
        gate, up = both.chunk(2, -1)
        return F.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (both,) = ctx.saved_tensors
        gate, up = both.chunk(2, -1)
        out = torch.empty_like(both)
        grad_gate, grad_up = out.chunk(2, -1)
        torch.mul(grad, F.silu(gate), out=grad_up)
        grad_gate.copy_(torch.ops.aten.silu_backward(grad * up, gate))
        return out


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding: x [N, heads, d] by cos and sin [N, 1, d/2]; with −sin it turns back."""
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


class Rotary(torch.autograd.Function):
    """:func:`rotated` with its gradient, the rotation back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return rotated(x, cos, sin)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        return rotated(grad, cos, -sin), None, None


class BlockAttention(torch.autograd.Function):
    """Attention by blocks of queries, each to the few keys that any of its queries sees.

    The query heads that share a key-value head are rows of one product.

    Args:
        q: [blocks · B, H, d], rotated, B queries a block.
        k, v: [N, G, d], the keys rotated.
        keys: [blocks, M] places in k and v of each block's keys.
        mask: [blocks, 1, B, M] added to the scores.
        scale: of the scores.

    Returns:
        [blocks · B, H · d].
    """

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, keys: Tensor, mask: Tensor, scale: float
    ) -> Tensor:
        blocks, _, rows, width = mask.shape
        tokens, groups, size = k.shape
        q = q * scale
        q = q.view(blocks, rows, groups, -1, size).permute(0, 2, 3, 1, 4).reshape(blocks * groups, -1, size)
        k, v = (x[keys].transpose(1, 2).reshape(blocks * groups, width, size) for x in (k, v))
        scores = torch.bmm(q, k.transpose(1, 2))  # [blocks · G, H/G · B, M]
        scores.view(blocks, -1, rows, width).add_(mask)
        probs = torch.softmax(scores, -1)
        ctx.save_for_backward(q, k, v, probs, keys)
        ctx.tokens, ctx.blocks, ctx.scale = tokens, blocks, scale
        out = torch.bmm(probs, v).view(blocks, groups, -1, rows, size)
        return out.permute(0, 3, 1, 2, 4).reshape(blocks * rows, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, probs, keys = ctx.saved_tensors
        batch, width, size = k.shape
        groups, rows = batch // ctx.blocks, len(grad) // ctx.blocks
        grad = grad.view(ctx.blocks, rows, groups, -1, size).permute(0, 2, 3, 1, 4)
        grad = grad.reshape(batch, -1, size)
        grad_probs = torch.bmm(grad, v.transpose(1, 2))
        grad_scores = torch._softmax_backward_data(grad_probs, probs, -1, probs.dtype)
        grad_q = torch.bmm(grad_scores, k).mul_(ctx.scale).view(ctx.blocks, groups, -1, rows, size)
        grad_keys = torch.stack(
            (torch.bmm(grad_scores.transpose(1, 2), q), torch.bmm(probs.transpose(1, 2), grad))
        )
        spread = grad_keys.view(2, ctx.blocks, groups, width, size).permute(1, 3, 0, 2, 4)
        # In float32: a token of a common beginning is a key of every block.
        summed = torch.zeros(ctx.tokens, 2 * groups * size)
        summed.index_add_(0, keys.flatten(), spread.reshape(ctx.blocks * width, -1).float())
        grad_k, grad_v = summed.to(k.dtype).view(-1, 2, groups, size).unbind(1)
        return grad_q.permute(0, 3, 1, 2, 4).reshape(ctx.blocks * rows, -1, size), grad_k, grad_v, *[None] * 3


class TokenLogps(torch.autograd.Function):
    """log-probabilities of chosen tokens at chosen places, normalised over the vocabulary, in nats.

    The logits of the chosen tokens are computed in float32: bfloat16 would round a
    logit near 20 to a multiple of 0.125. The others enter by the normaliser only.

    hidden [R, D] float32, weight [V, D], places [T] into hidden, tokens [T] → [T] float32.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, places: Tensor, tokens: Tensor) -> Tensor:
        logits = linear(hidden.to(weight.dtype), weight)  # [R, V]
        logps = _normalised(logits, hidden, weight, places, tokens)
        ctx.save_for_backward(logits, weight, places, tokens, logps)
        return logps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        shares, weight, places, tokens, logps = ctx.saved_tensors
        weights = grad.new_zeros(len(shares)).index_add_(0, places, grad)  # [R]
        grad_logits = shares * -weights.to(shares.dtype)[:, None]
        # A chosen token may be chosen twice; its gradient is a difference, and so made in float32.
        spots, which = (places * len(weight) + tokens).unique(return_inverse=True)  # [U], [T]
        exact = -weights[places] * logps.exp()
        exact = grad.new_empty(len(spots)).scatter_(0, which, exact).index_add_(0, which, grad)
        grad_logits.view(-1)[spots] = exact.to(grad_logits.dtype)
        return linear(grad_logits, weight.T).float(), None, None, None


def likeliest(hidden: Tensor, weight: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` likeliest next tokens, and their log-probabilities as :class:`TokenLogps` has them.

    hidden [R, D] float32, weight [V, D] → ids and log-probabilities [R, count].
    """
    logits = linear(hidden.to(weight.dtype), weight)
    tokens = logits.topk(count).indices
    places = torch.arange(len(hidden)).repeat_interleave(count)
    return tokens, _normalised(logits, hidden, weight, places, tokens.flatten()).view(-1, count)


def _normalised(logits: Tensor, hidden: Tensor, weight: Tensor, places: Tensor, tokens: Tensor) -> Tensor:
    """The chosen tokens' log-probabilities [T]; the logits become probabilities, a few rows at a time in float32."""
    chosen = (hidden[places] * weight[tokens].float()).sum(-1)
    normaliser = torch.empty(len(logits))
    for first in range(0, len(logits), HEAD_ROWS):
        rows = slice(first, first + HEAD_ROWS)
        mine = ((places >= first) & (places < first + HEAD_ROWS)).nonzero()[:, 0]
        chunk = logits[rows].float()
        chunk[places[mine] - first, tokens[mine]] = chosen[mine]
        top = chunk.amax(-1, keepdim=True)
        total = chunk.sub_(top).exp_().sum(-1, keepdim=True)
        normaliser[rows] = (top + total.log())[:, 0]
        logits[rows] = chunk.div_(total)
    return chosen - normaliser[places]
