"""Muon's update is the orthogonal factor of its momentum."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from distalign.muon import RMS, Muon, orthogonalised


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (5, 5), (2, 4, 9), (2, 9, 4)])
def test_orthogonalised_is_u_v_of_the_singular_value_decomposition(shape: tuple[int, ...]) -> None:
    matrices = random(*shape) * 1e-3
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)

    torch.testing.assert_close(orthogonalised(matrices), u @ vh, atol=2e-3, rtol=0)


def test_a_direction_without_gradient_stays_without() -> None:
    flat = torch.outer(random(4), random(10, seed=1))
    update = orthogonalised(flat)

    torch.testing.assert_close(update, flat / flat.norm(), atol=1e-3, rtol=0)
    assert orthogonalised(torch.zeros(4, 10)).abs().max() == 0


def test_steps_follow_nesterov_momentum_and_the_size_of_adamw() -> None:
    parameters = [nn.Parameter(random(3, 12, seed=i)) for i in range(2)]
    start = [p.detach().clone() for p in parameters]
    optimizer = Muon(parameters, lr=0.1, momentum=0.5)
    gradients = [[random(3, 12, seed=10 + 2 * t + i) for i in range(2)] for t in range(2)]
    for step in gradients:
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = gradient
        optimizer.step()

    for i, (first, second) in enumerate(zip(*gradients, strict=True)):
        one = orthogonalised(first + 0.5 * first)
        two = orthogonalised(second + 0.5 * (second + 0.5 * first))
        expected = start[i] - 0.1 * RMS * 12**0.5 * (one + two)
        torch.testing.assert_close(parameters[i].detach(), expected, atol=1e-5, rtol=0)
    update = one.square().mean().sqrt() * RMS * 12**0.5
    assert update == pytest.approx(0.2, rel=0.01)


def test_its_direction_is_that_of_torchs_muon() -> None:
    mine, other = (nn.Parameter(random(4, 20)) for _ in range(2))
    ours = Muon([mine], lr=0.01, momentum=0.9)
    torchs = torch.optim.Muon(
        [other], lr=0.01, momentum=0.9, weight_decay=0.0, adjust_lr_fn="match_rms_adamw", ns_steps=12
    )
    for seed in range(3):
        mine.grad, other.grad = random(4, 20, seed=seed), random(4, 20, seed=seed)
        ours.step()
        torchs.step()
    moved, expected = mine.detach() - random(4, 20), other.detach() - random(4, 20)

    assert torch.cosine_similarity(moved.flatten(), expected.flatten(), 0) > 0.98


def test_parameters_without_gradient_and_schedules_are_honoured() -> None:
    used, unused = nn.Parameter(random(3, 6)), nn.Parameter(random(3, 6, seed=1))
    optimizer = Muon([used, unused], lr=0.1, momentum=0.9)
    before = used.detach().clone(), unused.detach().clone()
    used.grad = random(3, 6, seed=2)
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()

    assert torch.equal(used, before[0]) and torch.equal(unused, before[1])
