"""Unrelated prompts, what is measured on them, and the penalty that holds side effects down."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
import torch
from peft import PeftModel, get_peft_model

from distalign import side_effects as module
from distalign.adapter import lora_config
from distalign.contexts import SOURCES, occupation_table
from distalign.losses import retention
from distalign.prompts import chat_ids
from distalign.side_effects import measure_side_effects
from distalign.steering import choose_steering_tokens
from distalign.training import train_adapter
from distalign.training_config import RETAINED_PROMPTS, RETAINED_TOKENS
from distalign.training_set import build_training_set, collate
from distalign.unrelated import unrelated_prompts
from tests.tiny import tiny_model, tiny_spec, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
# What no unrelated prompt may be about.
BANNED = re.compile(
    r"\b(he|she|him|her|his|hers|man|men|woman|women|male|female|boy|girl|gender|sex|race|white|black|asian|"
    r"hispanic|positive|negative|neutral|sentiment|nurse|doctor|teacher|engineer|job|occupation|profession)s?\b",
    re.IGNORECASE,
)
SPEC = tiny_spec({"retain_weight": 1.0})
STEERING = choose_steering_tokens(TOKENIZER, tiny_model().lm_head.weight, SPEC.attribute)


def adapted(spread: float) -> PeftModel:
    """The tiny model with an adapter; its second factors have this standard deviation."""
    model = tiny_model()
    torch.manual_seed(1)
    policy = get_peft_model(model, lora_config(model, SPEC.training)).eval()
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=spread)
    return policy


def test_there_are_two_disjoint_halves_of_many_kinds() -> None:
    retain, measured = unrelated_prompts("retain"), unrelated_prompts("measured")

    assert len(retain) + len(measured) >= 120 and len(measured) >= 64
    assert not {p.text for p in retain} & {p.text for p in measured}
    assert not {p.answer for p in retain} & {p.answer for p in measured}
    assert len({p.kind for p in measured[:9]}) == len({p.kind for p in retain}) == 9


@pytest.mark.parametrize("half", ["retain", "measured"])
def test_no_unrelated_prompt_is_about_an_attribute_or_an_occupation(half: str) -> None:
    names = {name.casefold() for source in SOURCES for name in occupation_table(source).names}
    for prompt in unrelated_prompts(half):
        text = f"{prompt.text} {prompt.answer}"
        assert not BANNED.search(text), text
        assert not any(name in text.casefold() for name in names), text
        assert 4 <= len(prompt.answer.split()) <= 40 or prompt.kind in ("code", "translation", "list"), text


@pytest.mark.parametrize("known", [True, False], ids=["upper layers", "through transformers"])
def test_measures_equal_those_of_plain_forward_passes(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted(0.3)
    monkeypatch.setattr(module, "is_known", lambda _: known)
    found = measure_side_effects(model, TOKENIZER, STEERING, SPEC.training)
    nats, tuned_nats, kl, tokens, leaks, changed = 0.0, 0.0, 0.0, 0, [], []
    for prompt in unrelated_prompts("measured"):
        asked = list(chat_ids(TOKENIZER, prompt.text))
        answer = [*TOKENIZER.encode(prompt.answer, add_special_tokens=False), TOKENIZER.eos_token_id]
        ids = torch.tensor([asked + answer])
        with torch.no_grad():
            tuned = model(input_ids=ids).logits[0, len(asked) - 1 : -1].log_softmax(-1)
            with model.disable_adapter():
                base = model(input_ids=ids).logits[0, len(asked) - 1 : -1].log_softmax(-1)
        at = torch.arange(len(answer))
        nats -= float(base[at, answer].sum())
        tuned_nats -= float(tuned[at, answer].sum())
        kl += float((base.exp() * (base - tuned)).sum())
        tokens += len(answer)
        leaks.append([float(x[0].exp()[list(STEERING.ids)].sum()) for x in (base, tuned)])
        changed.append(bool(base[0].argmax() != tuned[0].argmax()))

    assert (found.prompts, found.tokens) == (len(leaks), tokens)
    assert found.perplexity_before == pytest.approx(math.exp(nats / tokens), rel=1e-3)
    assert found.perplexity_after == pytest.approx(math.exp(tuned_nats / tokens), rel=1e-3)
    assert found.kl.value == pytest.approx(kl / tokens, rel=1e-3) and found.kl.value > 0.01
    assert found.kl.low < found.kl.value < found.kl.high
    before, after = torch.tensor(leaks).mean(0).tolist()
    assert (found.leak_before, found.leak_after) == pytest.approx((before, after), abs=1e-4)
    assert found.first_token_changed == pytest.approx(sum(changed) / len(changed))
    assert found.first_token_changed > 0


def test_an_adapter_that_does_nothing_has_no_side_effects() -> None:
    found = measure_side_effects(adapted(0.0), TOKENIZER, STEERING, SPEC.training)

    assert found.kl.value == found.kl.high == pytest.approx(0, abs=1e-5)
    assert found.perplexity_after == found.perplexity_before
    assert found.leak_after == found.leak_before
    assert found.first_token_changed == 0


def test_measuring_leaves_the_adapter_as_it_was() -> None:
    model = adapted(0.3)
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        measure_side_effects(model, TOKENIZER, STEERING, SPEC.training)
        assert torch.equal(model(input_ids=ids).logits, before)


def test_retention_worked_by_hand() -> None:
    # Reference (1/2, 1/4, rest 1/4), policy (1/4, 1/4, rest 1/2):
    # 1/2·ln 2 + 1/4·ln 1 + 1/4·ln(1/2) = ln 2 / 4.
    reference = torch.tensor([[0.5, 0.25], [0.5, 0.25]]).log()
    logps = torch.tensor([[0.25, 0.25], [0.5, 0.25]]).log()

    assert retention(logps, reference).tolist() == pytest.approx([math.log(2) / 4, 0], abs=1e-6)


def test_retention_stays_finite_where_nothing_is_left_for_other_tokens() -> None:
    logps = torch.tensor([[0.5, 0.5]]).log().requires_grad_()
    loss = retention(logps, torch.tensor([[0.75, 0.25]]).log())
    loss.sum().backward()

    assert torch.isfinite(loss).all() and torch.isfinite(logps.grad).all()


def test_a_step_reads_the_beginnings_of_a_few_retained_answers() -> None:
    training_set = build_training_set(SPEC, TOKENIZER, STEERING)
    size = SPEC.training.prompts_per_step
    texts = {p.text: p.answer for p in unrelated_prompts("retain")}
    rows = training_set.rows[:size]
    (retained,) = [own for own in rows["retained"] if own]

    assert len(retained) == len(set(retained)) == RETAINED_PROMPTS
    for index in retained:
        nodes = training_set.retained[index]
        assert 1 < len(nodes) <= RETAINED_TOKENS
        question, answer = TOKENIZER.decode(training_set.trie.ids_to(nodes[-1])).split("assistant\n")
        (asked,) = [text for text in texts if f"\n{text}<" in question]
        assert texts[asked].startswith(answer)
    batch = collate(training_set, rows["prompt"], [], retained)
    read = [batch.pack.nodes[batch.reads[i]] for i in batch.retained_reads]
    assert read == [node for index in retained for node in training_set.retained[index]]


def test_retaining_changes_nothing_else_of_a_training_set() -> None:
    without = tiny_spec({"retain_weight": 0})
    one, two = (build_training_set(spec, TOKENIZER, STEERING) for spec in (SPEC, without))

    assert two.retained == [] and not any(two.rows["retained"])
    assert one.rows["prompt"] == two.rows["prompt"]
    assert one.rows["completions"] == two.rows["completions"]
    assert one.trie.tokens[: len(two.trie)] == two.trie.tokens


@pytest.mark.parametrize("known", [True, False], ids=["upper layers", "through transformers"])
def test_the_penalty_holds_side_effects_down(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distalign.training.is_known", lambda _: known)
    found = {}
    for weight in (0.0, 3.0):
        told = []
        spec = replace(SPEC, training=replace(SPEC.training, retain_weight=weight, steps=30))
        model = train_adapter(tiny_model(), TOKENIZER, spec, STEERING, told.append)
        found[weight] = measure_side_effects(model, TOKENIZER, STEERING, spec.training)
        retained = [p.values["retain"] for p in told if "retain" in p.values]
        assert len(retained) == (30 if weight else 0)
        # Before the first step the policy is the base model, and so nothing has moved.
        assert not retained or retained[0] == pytest.approx(0, abs=1e-5)
        assert not retained or max(retained) > 1e-3

    assert found[3.0].kl.value < 0.5 * found[0.0].kl.value
    assert found[3.0].leak_after < 0.5 * found[0.0].leak_after
