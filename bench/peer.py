"""The peer "plain TRL + KL": TRL's KTOTrainer as it is, with the calibration term added in the plain way.

Rows are not packed, batches are padded, every row runs through all layers, the
reference is the base model, and the KL pairs are TRL's own. The term KL(q‖π) is
read from the policy's own forward pass, which is the cheapest place for it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel
from trl import KTOConfig, KTOTrainer
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

from bench.steps import Step, matched
from distalign.dealing import DESIRABLE
from distalign.losses import kl_calibration
from distalign.prompts import response_ids, split_prompts
from distalign.trainer import RISE, shared_arguments
from distalign.training_set import TrainingSet

Row = dict[str, Any]


@dataclass
class CollateWithTarget:
    """TRL's collator, and the rows' targets [B, K] beside it."""

    collate: DataCollatorForUnpairedPreference

    def __call__(self, rows: list[Row]) -> dict[str, Any]:
        return self.collate(rows) | {"target": torch.tensor([row["target"] for row in rows])}


class PlainTrainer(KTOTrainer):
    """TRL's KTO loss, plus the mean over rows of KL(q‖π(·|prompt)).

    Rows are already tokens: ``prompt_ids``, ``completion_ids`` (a steering token
    and a response), ``KL_completion_ids``, ``label``, ``target`` [K].

    Args:
        steering_ids: [K].
        pace: the share of the training that is done, 0 to 1, which the cosine
            schedule follows; None for TRL's own, by steps.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        rows: list[Row],
        steering_ids: Tensor,
        args: KTOConfig,
        pace: Callable[[], float] | None = None,
        **kwargs: Any,
    ) -> None:
        self.steering_ids = steering_ids
        self.pace = pace
        super().__init__(model=model, args=args, train_dataset=Dataset.from_list(rows), **kwargs)
        self.data_collator = CollateWithTarget(self.data_collator)

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if "target" not in self._signature_columns:
            self._signature_columns.append("target")

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.pace is None:
            return super().create_scheduler(num_training_steps, optimizer)
        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, lambda _: cosine(self.pace()))
        return self.lr_scheduler

    def _compute_loss(self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False) -> Tensor:
        inputs = dict(inputs)
        target = inputs.pop("target")
        decoder = self.accelerator.unwrap_model(model).get_base_model().get_decoder()
        with kept_output(decoder) as kept:
            loss = super()._compute_loss(model, inputs, return_outputs)
        last = inputs["completion_mask"].argmax(-1) - 1  # [B], each prompt's last token
        hidden = kept[0][torch.arange(len(last)), last]  # [B, D]
        logits = self.accelerator.unwrap_model(model).get_output_embeddings()(hidden).float()  # [B, V]
        logps = logits[:, self.steering_ids] - logits.logsumexp(-1, keepdim=True)  # [B, K]
        return loss + kl_calibration(logps, target).mean()


@contextmanager
def kept_output(decoder: torch.nn.Module) -> Iterator[list[Tensor]]:
    """Within the block, keep the hidden states [B, N, D] of each pass that has gradients (the policy's)."""
    kept: list[Tensor] = []

    def keep(_module: object, _inputs: object, output: Any) -> None:
        if torch.is_grad_enabled():
            kept.append(output.last_hidden_state)

    handle = decoder.register_forward_hook(keep)
    try:
        yield kept
    finally:
        handle.remove()


def cosine(done: float) -> float:
    """The share of the peak learning rate when a share of the training is done."""
    if done < RISE:
        return max(done, 1e-3) / RISE
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - RISE) / (1 - RISE))))


def plain_arguments(
    folder: str, *, batch: int, steps: int, learning_rate: float, beta: float, dtype: torch.dtype, seed: int
) -> KTOConfig:
    """TRL's arguments: its own form, without what would only cost the peer time (checkpoints, logs)."""
    return KTOConfig(
        **shared_arguments(steps, learning_rate, folder, seed, dtype),
        per_device_train_batch_size=batch,
        beta=beta,
        logging_strategy="no",
    )


def rows_of_step(training_set: TrainingSet, step: Step) -> list[Row]:
    """A step's pairs as plain rows: each completion with the mismatched one of the same prompt and rank."""
    own = set(matched(training_set, step))
    target = {training_set.leaves[p]: training_set.target[p].tolist() for p in step.prompts}
    by_prompt: dict[int, tuple[list[int], list[int]]] = {}
    for index in step.completions:
        leaf = training_set.trie.parents[training_set.completions[index].nodes[0]]
        by_prompt.setdefault(leaf, ([], []))[index not in own].append(index)

    def tokens(index: int) -> list[int]:
        return [training_set.trie.tokens[n] for n in training_set.completions[index].nodes]

    return [
        {
            "prompt_ids": training_set.trie.ids_to(leaf),
            "completion_ids": tokens(index),
            "KL_completion_ids": tokens(other),
            "label": training_set.completions[index].kind == DESIRABLE,
            "target": target[leaf],
        }
        for leaf, pairs in by_prompt.items()
        for index, other in zip(*pairs, strict=True)
    ]


def plain_rows(spec: Any, tokenizer: Any, steering_ids: tuple[int, ...], batch: int, count: int) -> list[Row]:
    """Rows as a user of TRL would write them: every prompt in turn, with one completion each.

    Desirable and undesirable completions alternate. A batch has as many
    different prompts as rows, which is the best for the calibration. The KL
    pairs are the completions rotated by one within a batch, as TRL makes them.
    """
    rng = random.Random(spec.seed)
    prompts = split_prompts(spec, tokenizer, "seen_templates")
    rng.shuffle(prompts)
    phrasings = response_ids(tokenizer, spec)
    rows: list[Row] = []
    for i, prompt in zip(range(count // batch * batch), cycle(prompts), strict=False):
        k = rng.randrange(len(steering_ids))
        desirable = i % 2 == 0
        words = k if desirable else rng.choice([j for j in range(len(steering_ids)) if j != k])
        rows.append(
            {
                "prompt_ids": list(prompt.ids),
                "completion_ids": [steering_ids[k], *rng.choice(phrasings[words])],
                "label": desirable,
                "target": list(spec.target.rows[prompt.context]),
            }
        )
    for first in range(0, len(rows), batch):
        group = rows[first : first + batch]
        for i, row in enumerate(group):
            row["KL_completion_ids"] = group[i - 1]["completion_ids"]
    return rows
