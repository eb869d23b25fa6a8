"""Training a run's adapter: the set, the cached activations, the trainer, its progress."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from distalign.adapter import lora_config, lowest_adapted
from distalign.decoder import is_known
from distalign.policy import UpperPolicy, WholePolicy
from distalign.precision import training_dtype, weights_in
from distalign.progress import Emit, Progress
from distalign.spec import RunSpec
from distalign.steering import SteeringTokens
from distalign.stories import stories_for_training
from distalign.trainer import HybridTrainer, trainer_arguments
from distalign.training_config import ABLATIONS
from distalign.training_set import build_training_set

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class ProgressCallback(TrainerCallback):
    """Tells of each optimizer step."""

    def __init__(self, trainer: HybridTrainer, emit: Emit) -> None:
        self.trainer = trainer
        self.emit = emit

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        config = self.trainer.config
        warming = state.global_step <= config.warmup_steps
        rate = self.trainer.lr_scheduler.get_last_lr()[0]
        self.emit(
            Progress(
                "step",
                "warmup" if warming else "hybrid",
                step=state.global_step,
                total=config.steps,
                values=self.trainer.last_values | {"learning_rate": rate},
            )
        )


def train_adapter(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spec: RunSpec,
    steering: SteeringTokens,
    emit: Emit,
) -> PeftModel:
    """Attach an adapter to ``model`` and train it as the specification says.

    Returns:
        the model with its adapter, in evaluation mode, all weights in float32.
    """
    config = replace(spec.training, **ABLATIONS.get(spec.method, {}))
    stories = stories_for_training(model, tokenizer, spec, emit)
    emit(Progress("stage", "cache", message="Laying out the training set"))
    training_set = build_training_set(spec, tokenizer, steering, stories)
    dtype = training_dtype(config)
    sliced = is_known(model)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        trainer = HybridTrainer(
            model=model,
            training_set=training_set,
            steering_ids=torch.tensor(steering.ids),
            config=config,
            args=trainer_arguments(config, folder, spec.seed, autocast=None if sliced else dtype),
            processing_class=tokenizer,
            peft_config=lora_config(model, config),
        )
        stack.enter_context(weights_in(trainer.model, dtype, frozen_only=True))
        if sliced:
            start = lowest_adapted(model, config)
            nodes = training_set.packed_nodes()
            emit(Progress("stage", "cache", message=_caching(len(nodes), start, dtype)))
            trainer.policy = UpperPolicy(model, training_set.trie, start, dtype, nodes)
        else:
            trainer.policy = WholePolicy(trainer.model)
        trainer.add_callback(ProgressCallback(trainer, emit))
        emit(Progress("stage", "warmup", total=config.steps, message="Training"))
        trainer.train()
        # It holds weights of its own, which the trainer's cycles of references would keep alive.
        trainer.policy = None
    # TRL puts a fused head in front of the model's own forward; nobody else needs it.
    model.__dict__.pop("forward", None)
    return trainer.model.eval()


def _caching(tokens: int, layers: int, dtype: torch.dtype) -> str:
    return f"Caching {tokens:,} tokens below layer {layers} ({str(dtype).removeprefix('torch.')})"
