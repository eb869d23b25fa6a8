"""The table of what each method reads is held to the code: the rest changes nothing, and each of these something."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from distalign.folders import DataFolder
from distalign.methods import TRAINERS
from distalign.results import Round
from distalign.runner import execute
from distalign.spec import METHODS, SPEC_FIELDS, STEERED_METHODS, TRAINED_METHODS, RunSpec, parse_spec
from distalign.steering import choose_steering_tokens
from distalign.templates import TEMPLATE_GROUPS
from distalign.training_config import FIELD_TYPES, PRESETS, READS, SWITCHES, reads
from tests.test_distalign_run import Recorder
from tests.tiny import tiny_model, tiny_spec, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
UNTRAINED = [method for method in METHODS if method not in TRAINED_METHODS]
# Enough steps for a second one of KTO and of DPO: in its first, policy and reference are the same.
GIVEN = {"steps": 4, "warmup_steps": 2, "retain_weight": 0.1}
# Another value of each field of the training, and of the groups of templates that not all methods read.
OTHER: dict[str, Any] = {
    "steps": 5, "warmup_steps": 1, "prompts_per_step": 2, "answers_per_step": 4, "optimizer": "adamw",
    "learning_rate": 0.02, "lora_rank": 2, "adapted_layers": 1, "beta": 0.3, "kl_weight": 0.5,
    "kto_weight": 0.5, "sft_weight": 0.5, "anchor_weight": 0.5, "retain_weight": 0.5, "kto_over": "completion",
    "precision": "bfloat16",
}  # fmt: skip
GROUPS = {"phrasings": ("it is {category}",), "story_seen": ("Tell of {context}.",)}


@pytest.fixture(scope="module", autouse=True)
def quickly() -> Iterator[None]:
    """Trainers collect garbage as they end; what is there before needs no look each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def changed(spec: RunSpec, fields: dict[str, Any]) -> RunSpec:
    """A specification with fields changed behind the back of what parses it."""
    training = {name: value for name, value in fields.items() if name in FIELD_TYPES}
    groups = {name: value for name, value in fields.items() if name in GROUPS}
    others = {n: v for n, v in fields.items() if n not in training and n not in groups}
    templates, config = replace(spec.templates, **groups), replace(spec.training, **training)
    return replace(spec, training=config, templates=templates, **others)


@cache
def plain(method: str) -> RunSpec:
    return replace(tiny_spec({"method": method}), training=tiny_spec(GIVEN).training)


@cache
def trained(method: str) -> dict[str, torch.Tensor]:
    return train(plain(method))


def train(spec: RunSpec) -> dict[str, torch.Tensor]:
    """The adapter's tensors."""
    model = tiny_model()
    steered = spec.method in STEERED_METHODS
    rows = model.lm_head.weight
    steering = choose_steering_tokens(TOKENIZER, rows, spec.attribute, spec.steering) if steered else None
    policy = TRAINERS[spec.method](model, TOKENIZER, spec, steering, lambda _: None)
    return {name: value for name, value in policy.state_dict().items() if "lora_" in name}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_table_names_every_method_and_fields_that_there_are() -> None:
    assert set(READS) == set(METHODS)
    assert {name for names in READS.values() for name in names} <= {
        *SPEC_FIELDS,
        *TEMPLATE_GROUPS,
        "phrasings",
    }
    assert set(OTHER) == set(FIELD_TYPES) == {name for name in READS["hybrid"] if name in FIELD_TYPES}


@pytest.mark.parametrize("method", TRAINED_METHODS)
def test_what_a_method_does_not_read_leaves_its_adapter_the_same(method: str) -> None:
    everything = OTHER | GROUPS | {"steering": "special", "exact_epsilon": 0.1}
    unread = {n: v for n, v in everything.items() if not reads(method, n)}
    # Of these the method reads only whether they are 0.
    unread |= {name: OTHER[name] for name in SWITCHES.get(method, ())}

    assert same(train(changed(plain(method), unread)), trained(method))


FIELDS = (*FIELD_TYPES, "steering", "phrasings")


@pytest.mark.parametrize(
    ("method", "field"), [(m, n) for m in TRAINED_METHODS for n in FIELDS if reads(m, n)]
)
def test_what_a_method_reads_changes_its_adapter(method: str, field: str) -> None:
    value = {**OTHER, **GROUPS, "steering": "special"}[field]
    if field in SWITCHES.get(method, ()):
        value = 0

    assert not same(train(changed(plain(method), {field: value})), trained(method))


def rounds(spec: RunSpec, base: Path, folder: Path) -> list[Round]:
    recorder = Recorder()
    execute(replace(spec, base_model=str(base)), DataFolder(folder), folder, recorder, "r")
    return recorder.all_rounds


@pytest.mark.parametrize("method", UNTRAINED)
def test_what_an_untrained_method_reads_decides_its_rounds(method: str, base: Path, tmp_path: Path) -> None:
    examples = {"few_shot": 2} if method == "prompt" else {}
    spec = replace(tiny_spec({"method": method, "rounds": 60, **examples}), training=tiny_spec().training)
    sampling = replace(spec.sampling, exact_epsilon=0.1)
    everything = OTHER | GROUPS | {"steering": "special", "preset": "paper"}
    unread = {n: v for n, v in everything.items() if not reads(method, n)}
    first = rounds(spec, base, tmp_path / "first")

    assert rounds(changed(spec, unread | {"sampling": sampling}), base, tmp_path / "unread") == first
    for name in READS[method]:
        value = {**OTHER, **GROUPS, "few_shot": 0}[name]
        assert rounds(changed(spec, {name: value}), base, tmp_path / name) != first, name


@pytest.mark.parametrize("method", METHODS)
def test_a_preset_is_read_where_something_is_trained(method: str) -> None:
    meant = {
        tuple(value for name, value in asdict(spec.training).items() if reads(method, name))
        for spec in (parse_spec({"attribute": "gender", "method": method, "preset": p}) for p in PRESETS)
    }

    assert len(meant) == (len(PRESETS) if reads(method, "preset") else 1)
