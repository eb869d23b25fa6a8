"""Running TRL's own trainers: what they are alike in, their progress, and their arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PrinterCallback, Trainer, TrainerCallback
from trl.trainer import utils as trl_utils

from distalign.precision import training_dtype, weights_in
from distalign.progress import Emit, Progress
from distalign.trainer import muon, shared_arguments

if TYPE_CHECKING:
    from peft import PeftModel

    from distalign.muon import Muon
    from distalign.spec import RunSpec

# What TRL's trainers read of the head.
HEAD_OUTPUTS = ("log_probs", "entropy", "mean_logits", "is_top1")


class ProgressCallback(TrainerCallback):
    """Tells of each optimizer step of a stage that ``before`` steps precede."""

    def __init__(self, emit: Emit, stage: str, before: int, total: int) -> None:
        self.emit, self.stage, self.before, self.total = emit, stage, before, total

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "loss" not in logs:
            # The summary at the end.
            return
        loss, rate = float(logs["loss"]), float(logs["learning_rate"])
        self.emit(
            Progress(
                "step",
                self.stage,
                step=self.before + state.global_step,
                total=self.total,
                values={"loss": loss, self.stage: loss, "learning_rate": rate},
            )
        )


def arguments(spec: RunSpec, steps: int, rows: int, learning_rate: float, folder: str) -> dict[str, Any]:
    """Arguments of any of TRL's trainers: ``rows`` rows a step."""
    config = spec.training
    return shared_arguments(steps, learning_rate, folder, spec.seed, training_dtype(config)) | {
        "per_device_train_batch_size": rows,
        "logging_strategy": "steps",
        "logging_steps": 1,
        # Prompts are short; cutting one would cut off its answer.
        "max_length": None,
    }


def optimizers(policy: PeftModel, spec: RunSpec, learning_rate: float) -> tuple[Muon | None, None]:
    """What a trainer takes as its optimizers; None leaves AdamW and the schedule to it."""
    return (muon(policy, learning_rate) if spec.training.optimizer == "muon" else None), None


def run(trainer: Trainer, spec: RunSpec, progress: ProgressCallback) -> None:
    """Train to the end; ``Cancelled`` may come out of ``progress``."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(progress)
    model = trainer.model.get_base_model()
    # TRL puts a head in front of the model's own forward; this one has its logits in float32, as the hybrid's.
    trl_utils.add_fused_lm_head(model, cast_lm_head_to_fp32=True, outputs=HEAD_OUTPUTS)
    try:
        with fast_on_processors(), weights_in(trainer.model, training_dtype(spec.training), frozen_only=True):
            trainer.train()
    finally:
        # Nobody else needs that head.
        model.__dict__.pop("forward", None)


@contextmanager
def fast_on_processors() -> Iterator[None]:
    """Within the block TRL computes the same faster.

    Its head scores every position where it has no Triton kernels, though the loss reads the
    answers' only; and fused attention in bfloat16 is slow backwards for rows this short.
    """
    with patch.object(trl_utils, "_use_triton", lambda device: True), sdpa_kernel(SDPBackend.MATH):
        yield
