"""The trainer: TRL's KTOTrainer with the hybrid loss over packed steps.

TRL and transformers give the loop, the optimizer, the schedule, callbacks and
device handling; this module owns the loss and the layout of a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from datasets import Dataset
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel
from trl import KTOConfig, KTOTrainer

from distalign.dealing import DESIRABLE, MISMATCHED
from distalign.losses import kl_calibration, kto, retention, summed_by
from distalign.muon import Muon
from distalign.policy import Policy
from distalign.training_config import TrainingConfig
from distalign.training_set import StepBatch, TrainingSet, collate
from distalign.trie import pack, padded

ADAM_BETAS = (0.9, 0.95)
MUON_MOMENTUM = 0.9
MAX_GRAD_NORM = 1.0
# Places that are read come in multiples of this; see distalign.trie.padded.
READS_MULTIPLE = 16
# Share of the steps in which the learning rate rises to its peak.
RISE = 0.05
# Likeliest tokens of the base model that the penalty tells apart; all others count as one.
RETAINED_VOCABULARY = 32
# Step rows (and tokens of their completions), or retained answers, for which the reference's
# log-probabilities are computed at once.
REFERENCE_ROWS, REFERENCE_TOKENS = 8, 2048


class HybridTrainer(KTOTrainer):
    """Trains steering tokens and responses: L = w_KL·L_KL + w_KTO·L_KTO + w_anchor·L_SFT + w_retain·L_retain.

    L_SFT is the cross-entropy of the responses of desirable completions. The
    warm-up is L_KL + w_SFT·L_SFT: with steering tokens weighted by the
    target, the two are what supervised training on completions drawn from the target
    gives on average (up to the constant entropy of q). The reference is the policy
    at the end of the warm-up. L_SFT stays on after it: KTO alone lets some
    probability leak to words that name no category. L_retain is KL(base‖policy) on answers
    to unrelated prompts, in the warm-up too.

    Args:
        model: the base model; TRL attaches the adapter that ``peft_config`` describes.
        training_set: the steps.
        steering_ids: [K].
        config: weights, β and schedule.

    Before :meth:`train`, set ``policy``, which runs the model that TRL has adapted.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        training_set: TrainingSet,
        steering_ids: Tensor,
        config: TrainingConfig,
        args: KTOConfig,
        **kwargs: Any,
    ) -> None:
        self.training_set = training_set
        self.policy: Policy | None = None
        self.steering_ids = steering_ids
        self.config = config
        self.reference: Tensor | None = None
        self.retained: Retained | None = None
        self.last_values: dict[str, float] = {}
        super().__init__(
            model=model, args=args, train_dataset=training_set.rows, data_collator=self._collate, **kwargs
        )

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["prompt", "completions", "retained"]

    def _collate(self, rows: list[dict[str, Any]]) -> dict[str, StepBatch]:
        completions = [c for row in rows for c in row["completions"]] if self.reads_completions else []
        retained = [r for row in rows for r in row["retained"]]
        prompts = [row["prompt"] for row in rows]
        return {"batch": collate(self.training_set, prompts, completions, retained)}

    def create_optimizer(self, model: PreTrainedModel | None = None) -> torch.optim.Optimizer:
        if self.config.optimizer == "muon" and self.optimizer is None:
            self.optimizer = muon(self.model, self.config.learning_rate)
        return super().create_optimizer(model)

    @property
    def reads_completions(self) -> bool:
        return max(self.config.kto_weight, self.config.sft_weight, self.config.anchor_weight) > 0

    def logps(self, batch: StepBatch) -> tuple[Tensor, Tensor, Tensor]:
        """log π in nats: of the steering tokens behind each prompt [P, K], of each token of the
        completions [T], and of the retained vocabulary at each place of the retained answers [A, k].
        """
        prompts, count = len(batch.prompt_reads), len(self.steering_ids)
        if batch.retained and self.retained is None:
            self.take_retained()
        kept = self.retained.of(batch.retained)[0] if batch.retained else torch.empty(0, 1, dtype=torch.long)
        logps = self.policy.token_logps(
            batch.pack,
            _padded(batch.reads),
            torch.cat(
                [
                    batch.prompt_reads.repeat_interleave(count),
                    batch.token_reads,
                    batch.retained_reads.repeat_interleave(kept.shape[1]),
                ]
            ),
            torch.cat([self.steering_ids.repeat(prompts), batch.labels, kept.flatten()]),
        )
        steering, tokens, others = logps.split([prompts * count, len(batch.labels), kept.numel()])
        return steering.view(prompts, count), tokens, others.view(kept.shape)

    def scores(self, token_logps: Tensor, batch: StepBatch) -> Tensor:
        """log π of each completion as KTO scores it: token_logps [T] → [C]."""
        if self.config.kto_over == "response":
            token_logps = token_logps.masked_fill(batch.is_steering, 0.0)
        return summed_by(token_logps, batch.owner, len(batch.kinds))

    def _compute_loss(
        self, model: PeftModel, inputs: dict[str, StepBatch], return_outputs: bool = False
    ) -> Tensor:
        batch = inputs["batch"]
        steering, token_logps, kept = self.logps(batch)
        kl = kl_calibration(steering, batch.target).mean()
        values = {"kl": kl.detach()} | _steering_values(steering.detach().exp(), batch.target, batch.sizes)
        warming = self.state.global_step < self.config.warmup_steps
        loss = kl if warming else self.config.kl_weight * kl
        if len(batch.kinds):
            supervised = self.config.sft_weight if warming else self.config.anchor_weight
            if supervised > 0:
                sft = self._supervised(token_logps, batch)
                loss = loss + supervised * sft
                values["sft"] = sft.detach()
            if not warming and self.config.kto_weight > 0:
                term = self._kto(self.scores(token_logps, batch), batch, values)
                loss = loss + self.config.kto_weight * term
        if batch.retained:
            retained = retention(kept, self.retained.of(batch.retained)[1]).mean()
            loss = loss + self.config.retain_weight * retained
            values["retain"] = retained.detach()
        values["loss"] = loss.detach()
        self.last_values = {name: float(value) for name, value in values.items()}
        return loss

    def _supervised(self, token_logps: Tensor, batch: StepBatch) -> Tensor:
        """Mean cross-entropy over the response tokens of desirable completions, in nats."""
        read = (batch.kinds[batch.owner] == DESIRABLE) & ~batch.is_steering
        return -token_logps[read].mean()

    def _kto(self, scores: Tensor, batch: StepBatch, values: dict[str, Tensor]) -> Tensor:
        if self.reference is None:
            self.take_reference()
        logratios = scores - self.reference[batch.completions]  # [C]
        mismatched = batch.kinds == MISMATCHED
        losses, z0 = kto(
            logratios[~mismatched],
            batch.kinds[~mismatched] == DESIRABLE,
            logratios[mismatched],
            self.config.beta,
        )
        values |= {"kto": losses.detach().mean(), "z0": z0}
        return losses.mean()

    @torch.no_grad()
    def take_reference(self) -> None:
        """Make the present policy the reference: keep its log-probability of every completion."""
        scores = torch.zeros(len(self.training_set.completions))
        rows = self.training_set.rows[:]
        answered = {
            prompt: completions
            for prompt, completions in zip(rows["prompt"], rows["completions"], strict=True)
            if completions
        }
        for group in self._reference_groups(list(answered.items())):
            batch = collate(self.training_set, [p for p, _ in group], [c for _, cs in group for c in cs])
            with self.compute_loss_context_manager():
                token_logps = self.logps(batch)[1]
            scores[batch.completions] = self.scores(token_logps, batch)
        self.reference = scores

    def _reference_groups(
        self, pending: list[tuple[int, list[int]]]
    ) -> Iterator[list[tuple[int, list[int]]]]:
        """Prompts with their completions, a few at a time: fewer where the completions are long."""
        group: list[tuple[int, list[int]]] = []
        tokens = 0
        for prompt, completions in pending:
            own = sum(len(self.training_set.completions[c].nodes) for c in completions)
            if group and (len(group) == REFERENCE_ROWS or tokens + own > REFERENCE_TOKENS):
                yield group
                group, tokens = [], 0
            group.append((prompt, completions))
            tokens += own
        if group:
            yield group

    @torch.no_grad()
    def take_retained(self) -> None:
        """Keep the likeliest tokens of the present policy, the base model, on the retained answers."""
        answers = self.training_set.retained
        count = min(RETAINED_VOCABULARY, self.model.config.vocab_size - 1)
        tokens, logps = [], []
        for first in range(0, len(answers), REFERENCE_ROWS):
            nodes = [node for answer in answers[first : first + REFERENCE_ROWS] for node in answer]
            row = pack(self.training_set.trie, nodes)
            reads = _padded(row.places(nodes))
            with self.compute_loss_context_manager():
                ids, values = self.policy.likeliest(row, reads, count)
            tokens.append(ids[: len(nodes)])
            logps.append(values[: len(nodes)])
        lengths = [len(answer) for answer in answers]
        self.retained = Retained(torch.cat(tokens).split(lengths), torch.cat(logps).split(lengths))


@dataclass(frozen=True)
class Retained:
    """What the base model says on each retained answer: ids and log-probabilities [places, k]."""

    tokens: Sequence[Tensor]
    logps: Sequence[Tensor]

    def of(self, answers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Those of some answers, one behind the other: [A, k] twice."""
        return torch.cat([self.tokens[i] for i in answers]), torch.cat([self.logps[i] for i in answers])


def _padded(reads: Tensor) -> Tensor:
    """Places that are read, filled up to a multiple."""
    return F.pad(reads, (0, padded(len(reads), READS_MULTIPLE) - len(reads)))


def _steering_values(probs: Tensor, target: Tensor, sizes: Tensor) -> dict[str, Tensor]:
    """Probability on the steering tokens, and its exact error: probs, target [P, K], of which ``sizes`` [P] count."""
    counts = torch.arange(target.shape[1]) < sizes[:, None]
    off = ((target - probs).abs() * counts).sum(-1) / sizes
    return {"mass": (probs * counts).sum(-1).mean(), "error": off.mean()}


def muon(model: PeftModel, learning_rate: float) -> Muon:
    """Muon over the adapter of a model."""
    return Muon([p for p in model.parameters() if p.requires_grad], lr=learning_rate, momentum=MUON_MOMENTUM)


def trainer_arguments(
    config: TrainingConfig, folder: str, seed: int, autocast: torch.dtype | None = None
) -> KTOConfig:
    """TRL's arguments for a run: one pass over the rows, cosine schedule, no files written."""
    return KTOConfig(
        **shared_arguments(config.steps, config.learning_rate, folder, seed, autocast),
        per_device_train_batch_size=config.prompts_per_step,
        beta=config.beta,
        logging_strategy="no",
    )


def shared_arguments(
    steps: int, learning_rate: float, folder: str, seed: int, autocast: torch.dtype | None
) -> dict[str, Any]:
    """What TRL's arguments are alike in for every trained method."""
    return {
        "output_dir": folder,
        "max_steps": steps,
        "learning_rate": learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": max(1, round(RISE * steps)),
        "adam_beta1": ADAM_BETAS[0],
        "adam_beta2": ADAM_BETAS[1],
        "weight_decay": 0.0,
        "max_grad_norm": MAX_GRAD_NORM,
        "seed": seed,
        "bf16": autocast == torch.bfloat16,
        "gradient_checkpointing": False,
        "remove_unused_columns": True,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "pad_to_multiple_of": None,
        "use_cpu": True,
        "dataloader_pin_memory": False,
    }
