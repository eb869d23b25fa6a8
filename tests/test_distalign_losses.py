"""The loss terms, worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from distalign.losses import kl_calibration, kto, summed_by


def test_kl_calibration_worked_by_hand() -> None:
    # q = (1/4, 3/4); the model puts 1/2 and 1/4 on the steering tokens, 1/4 elsewhere.
    # KL(q‖π) = 1/4·ln((1/4)/(1/2)) + 3/4·ln((3/4)/(1/4)) = −ln 2/4 + 3·ln 3/4 = 0.650672
    logps = torch.tensor([[0.5, 0.25], [0.25, 0.75]]).log()
    target = torch.tensor([[0.25, 0.75], [0.25, 0.75]])

    assert kl_calibration(logps, target).tolist() == pytest.approx([0.650672, 0.0], abs=1e-6)


def test_mass_outside_the_steering_tokens_is_penalised() -> None:
    # Right proportions, but only half of the mass: KL is ln 2.
    logps = torch.tensor([[0.1, 0.4]]).log()

    assert kl_calibration(logps, torch.tensor([[0.2, 0.8]])).item() == pytest.approx(math.log(2))


def test_a_category_with_target_zero_adds_nothing_and_stays_finite() -> None:
    logps = torch.tensor([[0.5, 0.0, 0.5]]).log().clamp(min=-1e4).requires_grad_()
    loss = kl_calibration(logps, torch.tensor([[0.5, 0.0, 0.5]]))
    loss.sum().backward()

    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert logps.grad.tolist() == [[-0.5, 0.0, -0.5]]


def test_descending_the_kl_moves_the_whole_vocabulary_to_the_target() -> None:
    target = torch.tensor([[0.3, 0.7]])
    logits = torch.zeros(1, 5, requires_grad=True)
    loss = kl_calibration(logits.log_softmax(-1)[:, :2], target)
    loss.sum().backward()
    # The gradient of KL(q‖softmax) in the logits is π − q.
    assert logits.grad[0].tolist() == pytest.approx([-0.1, -0.5, 0.2, 0.2, 0.2], abs=1e-6)

    for _ in range(400):
        logits = (logits - logits.grad).detach().requires_grad_()
        kl_calibration(logits.log_softmax(-1)[:, :2], target).sum().backward()
    assert logits.softmax(-1)[0].tolist() == pytest.approx([0.3, 0.7, 0, 0, 0], abs=0.01)


def test_kto_worked_by_hand() -> None:
    # z0 = mean(1, 3) = 2, β = 0.5. Desirable r = 4: 1 − σ(0.5·(4 − 2)) = 1 − σ(1) = 0.268941;
    # undesirable r = 4: 1 − σ(0.5·(2 − 4)) = 1 − σ(−1) = 0.731059; desirable r = 0: 1 − σ(−1).
    losses, z0 = kto(
        torch.tensor([4.0, 4.0, 0.0]),
        torch.tensor([True, False, True]),
        torch.tensor([1.0, 3.0]),
        beta=0.5,
    )

    assert z0.item() == 2
    assert losses.tolist() == pytest.approx([0.268941, 0.731059, 0.731059], abs=1e-6)


def test_kto_clamps_the_reference_point_at_zero() -> None:
    losses, z0 = kto(
        torch.tensor([0.0, 0.0]), torch.tensor([True, False]), torch.tensor([-5.0, 1.0]), beta=0.1
    )

    assert z0.item() == 0
    assert losses.tolist() == [0.5, 0.5]


def test_kto_clamps_the_mean_and_not_each_pair() -> None:
    _, z0 = kto(torch.zeros(1), torch.tensor([True]), torch.tensor([-1.0, 3.0]), beta=0.1)

    assert z0.item() == 1


def test_kto_raises_desirable_and_lowers_undesirable_completions() -> None:
    logratios = torch.tensor([1.0, 1.0], requires_grad=True)
    losses, _ = kto(logratios, torch.tensor([True, False]), torch.tensor([1.0]), beta=0.1)
    losses.sum().backward()

    # σ'(0) = 1/4, times β.
    assert logratios.grad.tolist() == pytest.approx([-0.025, 0.025])


def test_no_gradient_goes_through_the_reference_point() -> None:
    logratios = torch.tensor([1.0], requires_grad=True)
    mismatched = torch.tensor([2.0], requires_grad=True)
    losses, z0 = kto(logratios, torch.tensor([True]), mismatched, beta=0.1)
    losses.sum().backward()

    assert mismatched.grad is None
    assert not z0.requires_grad


def test_token_scores_are_summed_by_their_completion() -> None:
    values = torch.tensor([1.0, 2.0, 4.0, 8.0])

    assert summed_by(values, torch.tensor([0, 2, 2, 0]), 4).tolist() == [9.0, 0.0, 6.0, 0.0]
