"""The arithmetic that a model is trained and sampled in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from distalign.training_config import TrainingConfig


def multiplies_bfloat16_in_hardware() -> bool:
    """Whether this processor has matrix units for bfloat16 (Intel AMX); without, it is slower than float32."""
    return bool(torch.cpu._is_amx_tile_supported())


def training_dtype(config: TrainingConfig) -> torch.dtype:
    if config.precision == "auto":
        return torch.bfloat16 if multiplies_bfloat16_in_hardware() else torch.float32
    return torch.float32 if config.precision == "float32" else torch.bfloat16


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
