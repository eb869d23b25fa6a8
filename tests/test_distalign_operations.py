"""The hand-written operations have the values and the gradients of plain torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from distalign import operations
from distalign.decoder import BLOCK, MASKED, Sight
from distalign.operations import (
    BlockAttention,
    LoraLinear,
    RMSNorm,
    Rotary,
    SwiGLU,
    TokenLogps,
    likeliest,
    linear,
)
from distalign.trie import TokenTrie, pack

NEAR = {"atol": 2e-5, "rtol": 1e-4}


def random(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, generator=generator) * scale


def assert_same(
    ours: Callable[..., Tensor], plain: Callable[..., Tensor], inputs: Sequence[Tensor], **near: float
) -> None:
    """Equal values, and equal gradients of a random sum of them, for every input."""
    mine = [x.clone().requires_grad_() for x in inputs]
    others = [x.clone().requires_grad_() for x in inputs]
    value, expected = ours(*mine), plain(*others)
    torch.testing.assert_close(value, expected, **(near or NEAR))
    weights = random(*value.shape, seed=9)
    got = torch.autograd.grad((value * weights).sum(), mine)
    wanted = torch.autograd.grad((expected * weights).sum(), others)
    for one, other in zip(got, wanted, strict=True):
        assert other.abs().max() > 0
        torch.testing.assert_close(one, other, **(near or NEAR))


@pytest.mark.parametrize("biased", [False, True])
def test_lora_linear(biased: bool) -> None:
    weight, bias = random(10, 6), random(10, seed=1) if biased else None
    assert_same(
        lambda x, a, b: LoraLinear.apply(x, weight, bias, a, b, 2.0),
        lambda x, a, b: F.linear(x, weight, bias) + 2.0 * F.linear(F.linear(x, a), b),
        [random(7, 6), random(3, 6), random(10, 3)],
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("outputs", [8, 3000])
@pytest.mark.parametrize("biased", [False, True])
def test_the_product_by_another_library_is_the_product(
    outputs: int, biased: bool, dtype: torch.dtype
) -> None:
    x, weight, bias = random(5, 6), random(outputs, 6), random(outputs, seed=1) if biased else None
    x, weight, bias = (None if part is None else part.to(dtype) for part in (x, weight, bias))
    near = NEAR if dtype == torch.float32 else {}
    torch.testing.assert_close(linear(x, weight, bias), F.linear(x, weight, bias), **near)
    back = random(5, outputs).to(dtype)
    torch.testing.assert_close(linear(back, weight.T), back @ weight, **near)


def test_without_that_library_the_product_is_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    x, weight = random(5, 6), random(8, 6)
    assert torch.equal(linear(x, weight), F.linear(x, weight))


def test_the_likeliest_tokens_come_with_their_log_probabilities() -> None:
    hidden, weight = random(4, 6), random(50, 6)
    logps = F.linear(hidden, weight).log_softmax(-1)
    expected = logps.topk(3)

    ids, values = likeliest(hidden, weight, 3)

    torch.testing.assert_close(ids, expected.indices)
    torch.testing.assert_close(values, expected.values, **NEAR)


def test_the_input_of_the_lowest_layer_needs_no_gradient() -> None:
    x, a, b = random(7, 6), random(3, 6).requires_grad_(), random(10, 3).requires_grad_()
    out = LoraLinear.apply(x, random(10, 6), None, a, b, 2.0)

    assert all(g.abs().max() > 0 for g in torch.autograd.grad(out.sum(), [a, b]))


def test_rms_norm() -> None:
    weight = random(8).abs() + 0.5
    assert_same(
        lambda x: RMSNorm.apply(x, weight, 1e-3), lambda x: F.rms_norm(x, (8,), weight, 1e-3), [random(5, 8)]
    )


def test_rms_norm_gives_the_type_of_its_weight() -> None:
    assert RMSNorm.apply(random(5, 8), torch.ones(8, dtype=torch.bfloat16), 1e-6).dtype == torch.bfloat16


def test_swiglu() -> None:
    assert_same(SwiGLU.apply, lambda x: F.silu(x[:, :6]) * x[:, 6:], [random(5, 12)])


def test_rotary_turns_pairs_of_a_head_and_its_gradient_back() -> None:
    angles = random(5, 1, 4)
    cos, sin = angles.cos(), angles.sin()

    def plain(x: Tensor) -> Tensor:
        first, second = x[..., :4], x[..., 4:]
        return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)

    assert_same(lambda x: Rotary.apply(x, cos, sin), plain, [random(5, 3, 8)])


def tree_mask(tokens: int, seed: int = 0) -> np.ndarray:
    """[N, N]: each token attends to its ancestors in a random tree, and to itself."""
    generator = np.random.default_rng(seed)
    mask = np.eye(tokens, dtype=bool)
    for i in range(1, tokens):
        mask[i] |= mask[generator.integers(max(0, i - 4), i)]
    return mask


@pytest.mark.parametrize("rows", [4, 12, 24], ids=["six blocks", "two blocks", "one block"])
def test_block_attention_equals_masked_attention_of_all_to_all(rows: int) -> None:
    attends = tree_mask(24)
    sight = Sight.of(attends, rows, torch.float32)

    def plain(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        k, v = (x.repeat_interleave(2, 1).transpose(0, 1) for x in (k, v))
        out = F.scaled_dot_product_attention(
            q.transpose(0, 1)[None], k[None], v[None], torch.from_numpy(attends), scale=0.3
        )
        return out[0].transpose(0, 1).reshape(24, -1)

    assert_same(
        lambda q, k, v: BlockAttention.apply(q, k, v, sight.keys, sight.mask, 0.3),
        plain,
        [random(24, 4, 8), random(24, 2, 8), random(24, 2, 8, seed=1)],
    )


def test_blocks_see_few_keys_where_branches_are_many() -> None:
    trie = TokenTrie()
    leaves = [trie.insert([1, 2, 3, *range(10 + 20 * i, 30 + 20 * i)])[-1] for i in range(20)]
    row = pack(trie, leaves)
    sight = Sight.of(row.mask[0, 0].numpy(), BLOCK, torch.float32)

    assert row.mask.shape[-1] > 400
    assert sight.keys.shape[1] <= 128
    seen = (sight.mask > MASKED / 2).sum((1, 2, 3))
    assert int(seen.sum()) == int(row.mask.sum())


@pytest.mark.parametrize("rows", [1, 3, 64])
def test_token_logps_are_log_probabilities_of_the_whole_vocabulary(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "HEAD_ROWS", rows)
    weight = random(50, 6)
    # One place read twice, one token read twice at one place, and a place that nobody reads.
    places, tokens = torch.tensor([0, 0, 2, 3, 0]), torch.tensor([4, 7, 4, 49, 7])
    assert_same(
        lambda hidden: TokenLogps.apply(hidden, weight, places, tokens),
        lambda hidden: F.linear(hidden, weight).log_softmax(-1)[places, tokens],
        [random(5, 6)],
    )


def test_logits_of_chosen_tokens_keep_float32_beside_bfloat16() -> None:
    hidden, weight = random(4, 64, scale=3), random(30, 64).bfloat16()
    places, tokens = torch.arange(4).repeat_interleave(2), torch.tensor([1, 2] * 4)
    exact = F.linear(hidden, weight.float())
    gap = exact[:, 1] - exact[:, 2]
    logps = TokenLogps.apply(hidden, weight, places, tokens).view(4, 2)
    rounded = F.linear(hidden.bfloat16(), weight).float()

    torch.testing.assert_close(logps[:, 0] - logps[:, 1], gap, atol=1e-4, rtol=0)
    assert (rounded[:, 1] - rounded[:, 2] - gap).abs().max() > 0.02


def test_the_gradient_beside_bfloat16_weights_is_that_of_float32_even_where_little_is_left() -> None:
    hidden, weight = random(4, 64), random(30, 64).bfloat16()
    places, tokens = torch.arange(4).repeat_interleave(2), torch.tensor([1, 2] * 4)
    # Almost calibrated: what is wanted differs from what is there by little.
    wanted = F.linear(hidden, weight.float()).softmax(-1)[places, tokens] * 1.02

    def gradient(weight: Tensor, logps: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        x = hidden.clone().requires_grad_()
        (found,) = torch.autograd.grad((logps(x, weight) * wanted).sum(), [x])
        return found

    near = gradient(weight, lambda x, w: TokenLogps.apply(x, w, places, tokens))
    exact = gradient(weight.float(), lambda x, w: F.linear(x, w).log_softmax(-1)[places, tokens])
    assert (near - exact).norm() < 0.02 * exact.norm()
