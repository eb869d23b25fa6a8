"""The terms of the hybrid loss, as pure functions on tensors.

Shapes trail tensor lines: P prompts, K categories, V vocabulary, B completions, A places of retained answers.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Probability that is left to all other tokens, at least: rounding may leave less than none.
LEAST_REST = 1e-6


def kl_calibration(logps: Tensor, target: Tensor) -> Tensor:
    """KL(q‖π) of the steering distribution, in nats (arXiv:2604.05756, L_KL).

    Σ_k q_k (log q_k − log π(s_k | x)), with π the softmax over the whole
    vocabulary, so that probability outside the steering tokens is penalised too.

    Args:
        logps: [P, K] log π(s_k | x), normalised over the whole vocabulary.
        target: [P, K] rows of q; a zero contributes nothing.

    Returns:
        [P], one divergence a prompt.
    """
    return (torch.xlogy(target, target) - target * logps).sum(-1)  # [P]


def kto(
    logratios: Tensor, desirable: Tensor, mismatched_logratios: Tensor, beta: float
) -> tuple[Tensor, Tensor]:
    """The KTO loss of each completion (arXiv:2402.01306, eq. 7 and 8), both weights 1.

    1 − σ(β(r − z0)) for a desirable completion and 1 − σ(β(z0 − r)) for an
    undesirable one, with r the log-ratio of policy to reference and z0 the mean
    log-ratio over mismatched prompt-completion pairs, clamped at 0, no gradient.

    Args:
        logratios: [B] log π(y|x) − log π_ref(y|x), in nats.
        desirable: [B] bool.
        mismatched_logratios: [M], in nats.
        beta: KTO's β.

    Returns:
        the losses [B] and z0 [].
    """
    z0 = mismatched_logratios.detach().mean().clamp(min=0)
    sign = torch.where(desirable, 1.0, -1.0)  # [B]
    return 1 - torch.sigmoid(beta * sign * (logratios - z0)), z0


def retention(logps: Tensor, reference: Tensor) -> Tensor:
    """KL(π_ref‖π) of the next token in nats, over k tokens and all others as one.

    Lumping can only make the divergence smaller; for the likeliest k tokens of the
    reference it is near that over the whole vocabulary.

    Args:
        logps: [A, k] log π of k distinct tokens at each of A places.
        reference: [A, k] log π_ref of the same tokens; no gradient flows to it.

    Returns:
        [A], one divergence a place.
    """
    probs = reference.exp()  # [A, k]
    rest, reference_rest = (
        (1 - values.exp().sum(-1)).clamp(min=LEAST_REST) for values in (logps, reference)
    )  # [A]
    lumped = reference_rest * (reference_rest.log() - rest.log())
    return (probs * (reference - logps)).sum(-1) + lumped


def summed_by(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """Sum values [T] into ``count`` bins by owner [T] → [count]."""
    return torch.zeros(count, dtype=values.dtype, device=values.device).index_add(0, owner, values)
