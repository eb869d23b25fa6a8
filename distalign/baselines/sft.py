"""Method "sft": TRL's SFTTrainer on answers drawn from the target."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from datasets import Dataset
from peft import get_peft_model
from transformers import set_seed
from trl import SFTConfig, SFTTrainer

from distalign.adapter import lora_config
from distalign.baselines.drawn import Source
from distalign.baselines.loop import ProgressCallback, arguments, optimizers, run
from distalign.progress import Emit, Progress
from distalign.stories import stories_for_training

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from distalign.spec import RunSpec
    from distalign.steering import SteeringTokens


def train_sft(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spec: RunSpec,
    _steering: SteeringTokens | None,
    emit: Emit,
) -> PeftModel:
    """Attach an adapter to ``model`` and fine-tune it on as many tokens as the hybrid's steps run.

    Returns:
        the model with its adapter, in evaluation mode, all weights in float32.
    """
    source = Source(spec, tokenizer, stories_for_training(model, tokenizer, spec, emit))
    return fine_tune(model, tokenizer, spec, source, spec.training.steps, emit)


def fine_tune(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spec: RunSpec,
    source: Source,
    steps: int,
    emit: Emit,
) -> PeftModel:
    """The first ``steps`` of a run's steps as supervised fine-tuning."""
    config = spec.training
    rows = source.rows_per_step(config.steps)
    drawn = source.take(steps * rows)
    tokens = sum(len(d.prompt.ids) + len(d.answer) for d in drawn)
    emit(
        Progress(
            "stage",
            "sft",
            total=config.steps,
            message=f"Fine-tuning on {len(drawn):,} answers drawn from the target, {rows} a step: "
            f"{tokens:,} tokens (all steps of the hybrid: {source.tokens:,})",
        )
    )
    set_seed(spec.seed)
    policy = get_peft_model(model, lora_config(model, config))
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=policy,
            args=SFTConfig(**arguments(spec, steps, rows, config.learning_rate, folder)),
            train_dataset=Dataset.from_list([d.as_answer() for d in drawn]),
            processing_class=tokenizer,
            optimizers=optimizers(policy, spec, config.learning_rate),
        )
        run(trainer, spec, ProgressCallback(emit, "sft", 0, config.steps))
    return policy.eval()
