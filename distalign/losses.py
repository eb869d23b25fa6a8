"""The terms of the hybrid loss, as pure functions on tensors.

Shapes trail tensor lines: P prompts, K categories, V vocabulary, B completions.
"""

from __future__ import annotations

import torch
from torch import Tensor


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


def summed_by(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """Sum values [T] into ``count`` bins by owner [T] → [count]."""
    return torch.zeros(count, dtype=values.dtype, device=values.device).index_add(0, owner, values)
