"""The LoRA adapter: which layers carry it, and how it joins the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from peft import LoraConfig, PeftModel
from transformers import PreTrainedModel

from distalign.training_config import TrainingConfig

TARGET_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def lowest_adapted(model: PreTrainedModel, config: TrainingConfig) -> int:
    """Index of the lowest layer with an adapter."""
    count = model.config.num_hidden_layers
    return max(0, count - config.adapted_layers) if config.adapted_layers else 0


def lora_config(model: PreTrainedModel, config: TrainingConfig) -> LoraConfig:
    """LoRA on all projections of the uppermost layers."""
    layers = range(lowest_adapted(model, config), model.config.num_hidden_layers)
    return LoraConfig(
        r=config.lora_rank,
        lora_alpha=2 * config.lora_rank,
        target_modules=list(TARGET_MODULES),
        layers_to_transform=list(layers),
        task_type="CAUSAL_LM",
    )


@contextmanager
def merged(model: PreTrainedModel | PeftModel) -> Iterator[None]:
    """Within the block a model's adapter is part of its weights, which saves its own products.

    The sums and products are those of the adapter beside the weights, rounded in
    another order; afterwards the base weights are the same up to rounding.
    """
    if not isinstance(model, PeftModel):
        yield
        return
    model.merge_adapter()
    try:
        yield
    finally:
        model.unmerge_adapter()
