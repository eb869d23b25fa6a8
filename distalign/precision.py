"""The arithmetic that a model is trained and sampled in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from distalign.training_config import TrainingConfig

# Rows of a matrix that are compared at once.
ROWS = 4096


def multiplies_bfloat16_in_hardware() -> bool:
    """Whether this processor has instructions for bfloat16 (AVX-512 BF16, AMX); without, it is slower than float32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def training_dtype(config: TrainingConfig) -> torch.dtype:
    if config.precision == "auto":
        return torch.bfloat16 if multiplies_bfloat16_in_hardware() else torch.float32
    return torch.float32 if config.precision == "float32" else torch.bfloat16


@contextmanager
def weights_in(model: nn.Module, dtype: torch.dtype, *, frozen_only: bool = False) -> Iterator[None]:
    """Within the block the parameters (or those that need no gradient) have another dtype.

    Afterwards they are exactly what they were. Weights that the other type holds
    exactly (most models are published in bfloat16) are converted back; the others are kept aside.
    """
    changed = [
        parameter
        for parameter in model.parameters()
        if parameter.is_floating_point() and not (frozen_only and parameter.requires_grad)
    ]
    before: list[torch.dtype | Tensor] = []
    for parameter in changed:
        data, converted = parameter.data, parameter.data.to(dtype)
        before.append(data.dtype if _holds(converted, data) else data)
        parameter.data = converted
    try:
        yield
    finally:
        for parameter, kept in zip(changed, before, strict=True):
            parameter.data = kept if isinstance(kept, Tensor) else parameter.data.to(kept)


def _holds(converted: Tensor, data: Tensor) -> bool:
    """Whether the conversion lost nothing; a block of rows at a time, to stay small."""
    rows = zip(converted.split(ROWS), data.split(ROWS), strict=True)
    return all(torch.equal(small.to(wide.dtype), wide) for small, wide in rows)
