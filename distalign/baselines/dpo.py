"""Method "dpo": TRL's DPOTrainer, after fine-tuning, on pairs drawn from the target.

In a pair the chosen answer's category is drawn from q and the rejected one's from
the other categories. The reference is the fine-tuned model: TRL keeps a frozen copy of
its adapter beside the one that is trained (arXiv:2305.18290, eq. 7).
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from distalign.baselines.drawn import Source
from distalign.baselines.loop import ProgressCallback, arguments, optimizers, run
from distalign.baselines.sft import fine_tune
from distalign.progress import Emit, Progress
from distalign.stories import stories_for_training

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from distalign.spec import RunSpec
    from distalign.steering import SteeringTokens

# The second stage's rate as a share of the first's.
RATE = 0.1
# TRL's name for the frozen copy.
REFERENCE = "ref"


class PairTrainer(DPOTrainer):
    """TRL's trainer on rows whose pairs are already tokens."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset


def train_dpo(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spec: RunSpec,
    _steering: SteeringTokens | None,
    emit: Emit,
) -> PeftModel:
    """Fine-tune for the first half of the steps, then prefer for the other half.

    A pair runs two rows, so both halves run as many tokens; the reference's passes
    are not counted.

    Returns:
        the model with its adapter, in evaluation mode, all weights in float32.
    """
    config = spec.training
    source = Source(spec, tokenizer, stories_for_training(model, tokenizer, spec, emit))
    first = config.steps // 2
    policy = fine_tune(model, tokenizer, spec, source, first, emit)
    pairs = max(1, round(source.rows_per_step(config.steps) / 2))
    drawn = source.take((config.steps - first) * pairs)
    emit(
        Progress(
            "stage",
            "dpo",
            step=first,
            total=config.steps,
            message=f"DPO on {len(drawn):,} pairs drawn from the target, {pairs} a step",
        )
    )
    rate = RATE * config.learning_rate
    with tempfile.TemporaryDirectory() as folder:
        given = arguments(spec, config.steps - first, pairs, rate, folder)
        trainer = PairTrainer(
            model=policy,
            args=DPOConfig(**given, beta=config.beta),
            train_dataset=Dataset.from_list([d.as_pair() for d in drawn]),
            processing_class=tokenizer,
            optimizers=optimizers(policy, spec, rate),
        )
        run(trainer, spec, ProgressCallback(emit, "dpo", first, config.steps))
    policy.delete_adapter(REFERENCE)
    return policy.eval()
