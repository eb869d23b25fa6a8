"""Training the adapter of a tiny model: what it reaches, what it changes, when the reference is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import LlamaForCausalLM

from distalign import trainer as trainer_module
from distalign.progress import Progress
from distalign.prompts import split_prompts
from distalign.spec import RunSpec
from distalign.steering import SteeringTokens, choose_steering_tokens
from distalign.training import train_adapter
from tests.tiny import tiny_model, tiny_spec, tiny_tokenizer

TOKENIZER = tiny_tokenizer()


def train(
    spec: RunSpec, model: LlamaForCausalLM | None = None
) -> tuple[PeftModel, SteeringTokens, list[Progress]]:
    model = model or tiny_model()
    steering = choose_steering_tokens(TOKENIZER, model.lm_head.weight, spec.attribute)
    told: list[Progress] = []
    return train_adapter(model, TOKENIZER, spec, steering, told.append), steering, told


@torch.no_grad()
def exact_error(model: torch.nn.Module, spec: RunSpec, steering: SteeringTokens) -> float:
    """Mean |q_k − π(s_k|x)| over the seen prompts, from whole forward passes."""
    errors = []
    for prompt in split_prompts(spec, TOKENIZER, "seen_templates"):
        probs = model(input_ids=torch.tensor([prompt.ids])).logits[0, -1].softmax(-1)
        target = torch.tensor(spec.target.rows[prompt.context])
        errors.append((probs[list(steering.ids)] - target).abs().mean())
    return float(torch.stack(errors).mean())


def values_of(told: list[Progress], stage: str) -> list[Mapping[str, float]]:
    return [p.values for p in told if p.kind == "step" and p.stage == stage]


@pytest.mark.parametrize("adapted_layers", [0, 2])
def test_a_few_dozen_steps_bring_the_steering_tokens_near_the_target(adapted_layers: int) -> None:
    spec = tiny_spec(
        {"steps": 40, "warmup_steps": 10, "learning_rate": 0.05, "adapted_layers": adapted_layers}
    )
    model = tiny_model()
    before = exact_error(model, spec, choose_steering_tokens(TOKENIZER, model.lm_head.weight, spec.attribute))
    policy, steering, told = train(spec, model)

    assert before > 0.4
    assert exact_error(policy, spec, steering) < 0.05
    # What training says of itself is what the whole model shows.
    assert values_of(told, "hybrid")[-1]["error"] < 0.08


def test_contexts_with_different_targets_are_told_apart() -> None:
    table = {"Nurses": {"male": 0.1, "female": 0.9}, "Pilots": {"male": 0.8, "female": 0.2}}
    spec = tiny_spec({"target": table, "steps": 60, "warmup_steps": 10, "learning_rate": 0.05})
    policy, steering, _ = train(spec)

    assert exact_error(policy, spec, steering) < 0.1


def test_only_the_adapter_of_the_upper_layers_changes() -> None:
    model = tiny_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    policy, _, _ = train(tiny_spec(), model)
    after = policy.state_dict()
    adapter = {name for name in after if "lora_" in name}

    for name, value in before.items():
        wrapped = f"base_model.model.{name}"
        if wrapped not in after:
            wrapped = wrapped.replace("_proj.weight", "_proj.base_layer.weight")
        assert torch.equal(after[wrapped], value), name
    assert all(".layers.1." in name or ".layers.2." in name for name in adapter)
    assert any(after[name].abs().max() > 0 for name in adapter if "lora_B" in name)


def test_the_model_comes_back_whole_and_in_evaluation_mode() -> None:
    policy, _, _ = train(tiny_spec({"precision": "bfloat16", "steps": 6, "warmup_steps": 2}))

    assert not policy.training
    assert len(policy.get_base_model().model.layers) == policy.config.num_hidden_layers == 3
    assert {p.dtype for p in policy.parameters()} == {torch.float32}
    assert "forward" not in policy.get_base_model().__dict__
    assert policy(input_ids=torch.tensor([[1, 2, 3]])).logits.shape == (1, 3, len(TOKENIZER))


def test_every_step_tells_its_loss_and_rate() -> None:
    _, _, told = train(tiny_spec({"steps": 8, "warmup_steps": 3}))
    warm, hybrid = values_of(told, "warmup"), values_of(told, "hybrid")

    assert (len(warm), len(hybrid)) == (3, 5)
    assert all({"loss", "kl", "sft", "mass", "error", "learning_rate"} <= v.keys() for v in warm)
    assert all({"loss", "kl", "kto", "z0", "mass", "error", "learning_rate"} <= v.keys() for v in hybrid)
    assert all(v["loss"] == pytest.approx(v["kl"] + v["sft"], rel=1e-4) for v in warm)
    assert all(v["loss"] == pytest.approx(v["kl"] + v["kto"] + 0.2 * v["sft"], rel=1e-4) for v in hybrid)
    assert [(p.step, p.total) for p in told if p.kind == "step"] == [(i, 8) for i in range(1, 9)]


def test_the_reference_is_the_policy_at_the_end_of_the_warmup(monkeypatch: pytest.MonkeyPatch) -> None:
    taken_at = []
    plain = trainer_module.HybridTrainer.take_reference

    def spy(self: Any) -> None:
        taken_at.append(self.state.global_step)
        plain(self)

    monkeypatch.setattr(trainer_module.HybridTrainer, "take_reference", spy)
    _, _, told = train(tiny_spec({"steps": 8, "warmup_steps": 3}))
    first = values_of(told, "hybrid")[0]

    assert taken_at == [3]
    # Policy and reference are the same at first: all log-ratios are 0, so the loss is σ(0).
    assert first["kto"] == pytest.approx(0.5, abs=1e-5)
    assert first["z0"] == pytest.approx(0, abs=1e-5)


def test_kl_only_has_no_kto_term() -> None:
    _, _, told = train(tiny_spec({"method": "kl_only", "steps": 8, "warmup_steps": 3}))
    hybrid = values_of(told, "hybrid")

    assert all("kto" not in v for v in hybrid)
    assert all(v["loss"] == pytest.approx(v["kl"], rel=1e-5) for v in hybrid)


def test_kto_only_has_no_kl_term_after_the_warmup() -> None:
    _, _, told = train(tiny_spec({"method": "kto_only", "steps": 8, "warmup_steps": 3}))

    assert all(v["loss"] == pytest.approx(v["kto"], rel=1e-5) for v in values_of(told, "hybrid"))


def test_weights_of_zero_switch_terms_off() -> None:
    _, _, told = train(
        tiny_spec({"kto_weight": 0, "sft_weight": 0, "anchor_weight": 0, "steps": 6, "warmup_steps": 2})
    )

    steps = values_of(told, "warmup") + values_of(told, "hybrid")
    assert len(steps) == 6
    assert all(v["loss"] == pytest.approx(v["kl"], rel=1e-5) and "kto" not in v for v in steps)


def test_training_is_repeatable_from_the_seed() -> None:
    told = [train(tiny_spec({"steps": 6, "warmup_steps": 2}))[2] for _ in range(2)]

    first, second = ([v["loss"] for v in values_of(t, "hybrid")] for t in told)
    assert first == pytest.approx(second, rel=1e-4)
