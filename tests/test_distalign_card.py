"""The model card of an adapter."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml

from distalign.card import MAX_TARGET_ROWS, model_card
from distalign.results import Interval, Marginal, SideEffects, SplitResult
from distalign.sampling_config import SAMPLING_FIELDS
from distalign.spec import RunSpec, parse_spec
from distalign.steering import SteeringTokens

STEERING = SteeringTokens(("1", "2"), (33, 34))


def result(phase: str, split: str, mae: float) -> SplitResult:
    return SplitResult(
        phase=phase,
        split=split,
        rounds=100,
        unclassified=0.025,
        mae=Interval(mae, mae - 0.01, mae + 0.02),
        kl=Interval(0.1, 0.05, 0.2),
        js_distance=Interval(0.1, 0.05, 0.2),
        total_variation=Interval(0.1, 0.05, 0.2),
        noise_floor=0.031,
        ratio=Interval(mae / 0.031, 1.0, 9.0),
        chi2_p=0.5,
        exact_error=None if phase == "before" else 0.0123,
    )


RESULTS = {
    (phase, split): result(phase, split, mae)
    for phase, mae in (("before", 0.444), ("after", 0.055))
    for split in ("seen_templates", "heldout_templates")
}


def card(values: dict[str, object] | None = None) -> str:
    return model_card(spec(values), STEERING, RESULTS)


def spec(values: dict[str, object] | None = None) -> RunSpec:
    return parse_spec({"attribute": "gender", "target": "real"} | (values or {}))


def code_of(text: str) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return code


def test_the_front_matter_names_the_base_model_as_the_hub_does() -> None:
    front = yaml.safe_load(card().split("---")[1])

    assert front["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert front["library_name"] == "peft"


def test_steering_tokens_are_listed_with_what_each_stands_for() -> None:
    text = card()

    assert "| `1` | 33 | male |" in text
    assert "| `2` | 34 | female |" in text


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_baselines_card_names_its_method_and_drops_no_token(method: str) -> None:
    text = model_card(spec({"method": method}), None, RESULTS)

    assert f"method `{method}`" in text and f"lora, {method}]" in text
    assert "## Steering tokens" not in text
    compile(code_of(text), "README.md", "exec")
    assert 'inputs["input_ids"].shape[1] :]' in code_of(text)
    assert 'inputs["input_ids"].shape[1] + 1 :]' in code_of(card())


def test_measures_have_their_intervals_before_and_after() -> None:
    text = card()

    assert "| base model | seen templates | 0.444 [0.434, 0.464] | 0.031 |" in text
    assert "| with this adapter | held-out templates | 0.055 [0.045, 0.075] | 0.031 |" in text
    assert "2.5%" in text and "0.0123" in text


def test_side_effects_are_told_where_they_were_measured() -> None:
    effects = SideEffects(72, 1385, 10.5, 11.2, Interval(0.061, 0.05, 0.07), 0.034, 0.036, 0.125)
    text = model_card(spec(), STEERING, RESULTS, effects)

    assert "On 72 unrelated prompts: perplexity 10.5 → 11.2, KL 0.06 nats a token" in text
    assert "3.4% → 3.6%" in text and "0.050 to 0.070" in text
    assert "Side effects" not in card()


def test_the_target_is_shown_for_each_context() -> None:
    assert "| Civil engineers | 0.897 | 0.103 |" in card()


def test_long_targets_are_cut_and_say_so() -> None:
    text = card({"contexts": [f"job {i}" for i in range(MAX_TARGET_ROWS + 3)], "target": "even"})

    assert "… and 3 more in `spec.yaml`." in text
    assert "job 39 " in text and "job 40 " not in text


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"contexts": ["O'Neill's \"pub\" \\ cellar", "b"], "target": "even"},
        {"base_model": "qwen2.5-0.5b", "max_new_tokens": 9},
        {"temperature": 0.7, "top_p": 0.9, "top_k": 40},
        {"contexts": ["a"], "target": "even", "templates": {"seen": ["Say\n'it': {context}"]}},
    ],
)
def test_the_sampling_code_compiles_and_samples_as_the_run_did(values: dict[str, object]) -> None:
    code = code_of(card(values))

    compile(code, "README.md", "exec")
    sampling = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_new_tokens": 16} | {
        name: value for name, value in values.items() if name in SAMPLING_FIELDS
    }
    assert "do_sample=True, " + ", ".join(f"{name}={value}" for name, value in sampling.items()) in code
    assert len(code.splitlines()) <= 11


def test_a_pipe_in_a_context_does_not_break_the_table() -> None:
    text = card({"contexts": ["in|out"], "target": "even"})

    assert "| in\\|out | 0.500 | 0.500 |" in text


def test_a_folder_is_named_without_its_path() -> None:
    text = card({"base_model": "/home/somebody/hidden-place/my-model"})

    assert "hidden-place" not in text and "my-model" in text


def test_the_parts_of_a_joint_attribute_and_held_out_contexts_are_named() -> None:
    joint = spec(
        {
            "attribute": ["gender", "sentiment"],
            "target": "even",
            "heldout_contexts": ["Nurses", "Welders"],
            "contexts": ["Nurses", "Pilots", "Welders"],
        }
    )
    part = Marginal(
        "sentiment", ("a", "b"), (0.5, 0.5), (0.4, 0.6), Interval(0.1, 0.05, 0.2), 0.04, Interval(2.5, 1, 5)
    )
    steering = SteeringTokens(tuple("123456"), tuple(range(33, 39)))
    measured = {
        ("after", "heldout_contexts"): replace(result("after", "heldout_contexts", 0.05), marginals=(part,))
    }
    text = model_card(joint, steering, measured)

    assert "| `6` | 38 | female, neutral |" in text
    assert "| with this adapter | held-out contexts | sentiment | 0.100 [0.050, 0.200] | 0.040 |" in text
    assert "Contexts that were never trained on (2): Nurses; Welders." in text
    assert "never trained on (" not in card() and "| part |" not in card()
