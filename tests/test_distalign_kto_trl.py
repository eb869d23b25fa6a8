"""The KTO term equals TRL's own on the same pairs, in value and in gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import PeftModel
from torch import Tensor
from trl import KTOTrainer

from distalign.adapter import lora_config, lowest_adapted
from distalign.dealing import DESIRABLE, MISMATCHED
from distalign.policy import UpperPolicy
from distalign.spec import RunSpec
from distalign.steering import choose_steering_tokens
from distalign.trainer import HybridTrainer, trainer_arguments
from distalign.training_set import StepBatch, TrainingSet, build_training_set
from tests.tiny import tiny_model, tiny_spec, tiny_tokenizer

BETA = 0.1


class PreparedKTOTrainer(KTOTrainer):
    """TRL's trainer on rows whose pairs are already tokens."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset


def kto_spec(**values: Any) -> RunSpec:
    return tiny_spec(
        {
            "warmup_steps": 0,
            "answers_per_step": 3,
            "kto_over": "completion",
            "kl_weight": 0,
            "sft_weight": 0,
            "kto_weight": 1,
            "anchor_weight": 0,
            "beta": BETA,
            **values,
        }
    )


def unpacked_rows(training_set: TrainingSet, batch: StepBatch) -> list[dict[str, Any]]:
    """TRL's columns: each matched completion with the mismatched one of the same prompt and rank."""
    by_prompt: dict[int, dict[bool, list[int]]] = {}
    for index in batch.completions.tolist():
        completion = training_set.completions[index]
        leaf = training_set.trie.parents[completion.nodes[0]]
        group = by_prompt.setdefault(leaf, {True: [], False: []})
        group[completion.kind == MISMATCHED].append(index)

    def tokens(index: int) -> list[int]:
        return [training_set.trie.tokens[n] for n in training_set.completions[index].nodes]

    return [
        {
            "prompt_ids": training_set.trie.ids_to(leaf),
            "completion_ids": tokens(own),
            "KL_completion_ids": tokens(other),
            "label": training_set.completions[own].kind == DESIRABLE,
        }
        for leaf, group in by_prompt.items()
        for own, other in zip(group[False], group[True], strict=True)
    ]


def perturb(model: PeftModel, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        if parameter.requires_grad:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data = parameter.data + 0.1 * noise * ("lora_B" in name)


def gradients(model: PeftModel) -> dict[str, Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}


class Pair:
    """Our trainer and TRL's, with equal models and adapters, and one step's batch for each."""

    def __init__(self, spec: RunSpec, folder: Path, seed: int) -> None:
        tokenizer, config = tiny_tokenizer(), spec.training
        model = tiny_model(spread=0.1)
        steering = choose_steering_tokens(tokenizer, model.lm_head.weight, spec.attribute)
        self.training_set = build_training_set(spec, tokenizer, steering)
        arguments = trainer_arguments(config, str(folder), 0)
        self.ours = HybridTrainer(
            model=model,
            training_set=self.training_set,
            steering_ids=torch.tensor(steering.ids),
            config=config,
            args=arguments,
            processing_class=tokenizer,
            peft_config=lora_config(model, config),
        )
        start = lowest_adapted(model, config)
        self.ours.policy = UpperPolicy(model, self.training_set.trie, start, torch.float32)
        rows = [self.training_set.rows[i] for i in range(config.prompts_per_step)]
        self.batch = self.ours.data_collator(rows)
        base = tiny_model(spread=0.1)
        self.trl = PreparedKTOTrainer(
            model=base,
            args=arguments,
            train_dataset=Dataset.from_list(unpacked_rows(self.training_set, self.batch["batch"])),
            processing_class=tokenizer,
            peft_config=lora_config(base, config),
        )
        # The adapter is still the identity, so the policy is the base model: TRL's reference.
        self.ours.take_reference()
        perturb(self.ours.model, seed)
        adapter = {n: p.detach() for n, p in self.ours.model.named_parameters() if p.requires_grad}
        for name, parameter in self.trl.model.named_parameters():
            if name in adapter:
                parameter.data = adapter[name].clone()

    def our_loss(self) -> Tensor:
        return self.ours._compute_loss(self.ours.model, self.batch)

    def trl_loss(self) -> Tensor:
        batch = self.trl.data_collator(list(self.trl.train_dataset))
        return self.trl._compute_loss(self.trl.model, batch, False)


def pair_with(spec: RunSpec, folder: Path, positive: bool) -> Pair:
    """The first of some perturbed policies whose reference point z0 is positive, or clamped at 0."""
    for seed in range(20):
        pair = Pair(spec, folder, seed)
        with torch.no_grad():
            pair.our_loss()
        if (pair.ours.last_values["z0"] > 0) == positive:
            return pair
    raise AssertionError("no perturbation has such a reference point")


@pytest.mark.parametrize("positive", [True, False], ids=["z0 above 0", "z0 clamped"])
@pytest.mark.parametrize("adapted_layers", [0, 2], ids=["all layers", "upper layers on cached activations"])
def test_loss_and_gradients_equal_trls(tmp_path: Path, adapted_layers: int, positive: bool) -> None:
    pair = pair_with(kto_spec(adapted_layers=adapted_layers), tmp_path, positive)
    ours, theirs = pair.our_loss(), pair.trl_loss()
    ours.backward()
    theirs.backward()

    assert abs(ours.item() - theirs.item()) < 1e-4
    assert abs(ours.item() - 0.5) > 1e-4, "the perturbed policy must differ from the reference"
    assert pair.ours.last_values["z0"] == pytest.approx(pair.trl._metrics["train"]["kl"][-1], abs=1e-4)
    mine, other = gradients(pair.ours.model), gradients(pair.trl.model)
    assert mine.keys() == other.keys() and mine
    assert max(gradient.abs().max() for gradient in other.values()) > 1e-3
    for name, gradient in other.items():
        torch.testing.assert_close(mine[name], gradient, atol=1e-4, rtol=0)


@pytest.mark.parametrize("over", ["response", "completion"])
def test_only_the_whole_completion_counts_the_steering_token(tmp_path: Path, over: str) -> None:
    pair = Pair(kto_spec(kto_over=over), tmp_path, seed=1)
    batch = pair.batch["batch"]
    with torch.no_grad():
        _, token_logps, _ = pair.ours.logps(batch)
    # Moving the steering tokens' log-probabilities alone must not change conditioned scores.
    moved = torch.where(batch.is_steering, token_logps - 1, token_logps)

    same = torch.equal(pair.ours.scores(token_logps, batch), pair.ours.scores(moved, batch))
    assert same == (over == "response")
