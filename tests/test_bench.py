"""The benchmark's measurements, on a tiny model: what they count, compare and leave as it was."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from trl import KTOConfig, KTOTrainer

from bench import adapters, curves, growth, sampling, training
from bench.errors import JobRefused
from bench.heldout import HeldOut
from bench.job import descendants, watch
from bench.memory import measure
from bench.operations import DecoderShape, Reading, forward_operations, layout_operations, training_operations
from bench.peer import PlainTrainer, cosine, plain_arguments, plain_rows, rows_of_step
from bench.steps import Step, matched, reading, step_of
from bench.workbench import Workbench, open_workbench
from distalign.adapter import lora_config, lowest_adapted
from distalign.progress import Progress
from distalign.prompts import split_prompts
from distalign.spec import RunSpec
from distalign.steering import SteeringTokens, choose_steering_tokens
from distalign.training import train_adapter
from distalign.training_set import build_training_set
from tests.tiny import save_base, tiny_model, tiny_spec, tiny_tokenizer

SHAPE = DecoderShape(hidden=8, intermediate=10, heads=2, key_heads=1, head_size=4, layers=3, vocabulary=11)


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every measurement is given: a specification of the tiny model, and a data folder."""
    folder = tmp_path_factory.mktemp("bench")
    save_base(folder / "model")
    mapping = tiny_spec({"base_model": str(folder / "model"), "answers_per_step": 4}).to_mapping()
    (folder / "spec.yaml").write_text(yaml.safe_dump(mapping), "utf-8")
    return {"spec": str(folder / "spec.yaml"), "data": str(folder), "set": {}, "began": time.time()}


@pytest.fixture(scope="module")
def adapter(arguments: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("adapter"))
    assert adapters.train(arguments | {"folder": folder})["folder"] == folder
    return folder


# Counting


def test_operations_of_one_layer_are_those_counted_by_hand() -> None:
    shape = DecoderShape(8, 10, heads=2, key_heads=1, head_size=4, layers=1, vocabulary=11)
    # Three tokens in a chain, of which the last is read: it attends to all three.
    chain = Reading.of({0: 0, 1: 1, 2: 2}, [2])
    # Keys and values of 3 tokens (8·4 each), the rest at the 1 place that is read.
    projections = 2 * (3 * 2 * 8 * 4 + 8 * 8 + 8 * 8 + 2 * 8 * 10 + 10 * 8)
    attention = 2 * 3 * 8 + 2 * 3 * 8
    head = 2 * 1 * 8 * 11

    assert chain == Reading(tokens=3, pairs=6, reads=1, read_pairs=3)
    assert forward_operations(shape, chain) == {
        "projections": projections,
        "attention": attention,
        "lora": 0,
        "head": head,
    }


def test_operations_of_a_training_step_are_those_counted_by_hand() -> None:
    whole = Reading(tokens=5, pairs=15, reads=2, read_pairs=8)
    graded = Reading(tokens=4, pairs=10, reads=1, read_pairs=4)
    counts = training_operations(SHAPE, whole, graded, adapted=2, rank=2)
    qkv, rest = 8 * 8 + 2 * 8 * 4, 8 * 8 + 3 * 8 * 10
    keys, others = 2 * 8 * 4, 8 * 8 + rest
    lora_keys, lora_others = 2 * 12, 16 + 16 + 18 + 18 + 18
    lora_out_qkv = 8 + 4 + 4

    assert counts["forward projections"] == 2 * (5 * (qkv + rest) + 5 * keys + 2 * others)
    assert counts["forward attention"] == 4 * 8 * (15 + 8)
    assert counts["forward lora"] == 2 * 2 * (5 * (lora_keys + lora_others) + 5 * lora_keys + 2 * lora_others)
    # The lowest layer's inputs are known: its query, key and value projections pass no gradient on.
    assert counts["backward projections"] == 2 * (4 * rest + 4 * keys + 1 * others)
    assert counts["backward attention"] == 8 * 8 * (10 + 4)
    lowest = 4 * (lora_keys + lora_others) + 4 * (lora_out_qkv + 16 + 18 * 3)
    upper = 2 * (4 * lora_keys + 1 * lora_others)
    assert counts["backward lora"] == 2 * 2 * (lowest + upper)
    assert (counts["forward head"], counts["backward head"]) == (2 * 2 * 8 * 11, 2 * 1 * 8 * 11)


def test_the_simple_count_is_never_below_what_is_needed() -> None:
    whole = Reading(tokens=50, pairs=400, reads=9, read_pairs=80)
    needed = sum(training_operations(SHAPE, whole, whole, adapted=2, rank=2).values())

    assert needed < sum(layout_operations(SHAPE, whole, adapted=2, rank=2).values())


def test_a_models_own_weights_are_those_that_are_counted() -> None:
    model = tiny_model()
    layer = model.model.layers[0]
    weights = {name: p for name, p in layer.named_parameters() if name.endswith("proj.weight")}

    sizes = DecoderShape.of(model.config).projections

    assert {name.split(".")[1]: (p.shape[1], p.shape[0]) for name, p in weights.items()} == sizes


def test_shared_prefixes_are_counted_once_and_last_tokens_are_only_predicted() -> None:
    spec, tokenizer = tiny_spec({"answers_per_step": 4}), tiny_tokenizer()
    training_set = build_training_set(spec, tokenizer, steering_of(spec))
    step = step_of(training_set, spec.training, 0)
    sequences = set()
    read = set()
    for c in step.completions:
        first = training_set.completions[c].nodes[0]
        ids = rows_ids(training_set, training_set.trie.parents[first])
        tokens = [training_set.trie.tokens[n] for n in training_set.completions[c].nodes]
        read |= {(*ids, *tokens[:i]) for i in range(len(tokens))}
    read |= {tuple(rows_ids(training_set, training_set.leaves[p])) for p in step.prompts}
    for ids in read:
        sequences |= {ids[: i + 1] for i in range(len(ids))}
    counted = reading(training_set, step.prompts, step.completions)

    assert (counted.tokens, counted.reads) == (len(sequences), len(read))
    assert (counted.pairs, counted.read_pairs) == (sum(map(len, sequences)), sum(map(len, read)))


def rows_ids(training_set: Any, node: int) -> list[int]:
    ids = []
    while node >= 0:
        ids.append(training_set.trie.tokens[node])
        node = training_set.trie.parents[node]
    return ids[::-1]


def steering_of(spec: RunSpec) -> SteeringTokens:
    return choose_steering_tokens(tiny_tokenizer(), tiny_model().lm_head.weight, spec.attribute)


def test_prefixes_of_answers_count_where_a_token_was_drawn() -> None:
    answers = [(0, (1, 2), 3), (0, (1,), 2), (1, (4, 5, 6), 1), (1, (9,), 0)]
    found = [SimpleNamespace(prompt=prompt, ids=ids, count=n) for prompt, ids, n in answers]

    # Two prompts that share a token, then 1, 1-2 and 4, 4-5; behind the third token nothing is drawn.
    assert sampling.prefixes([(9, 8), (9, 7)], found, longest=3) == Reading(7, 19, 6, 18)


# The peer


@dataclass
class LastStep:
    """What a training's last step began with and arrived at: adapter weights, gradients, loss."""

    weights: list[torch.Tensor]
    gradients: list[torch.Tensor]
    loss: float


def adapter_weights(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [p for name, p in model.named_parameters() if ".lora_" in name]


def train_watched(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> LastStep:
    """Train through the product's one door, seeing each step's gradients before they are clipped."""
    model, backward, found = tiny_model(spread=0.1), torch.autograd.backward, LastStep([], [], 0.0)

    def watched(*args: Any, **kwargs: Any) -> None:
        parameters = adapter_weights(model)
        found.weights = [p.detach().clone() for p in parameters]
        backward(*args, **kwargs)
        found.gradients = [p.grad.clone() for p in parameters]

    def emit(progress: Progress) -> None:
        found.loss = progress.values.get("loss", found.loss)

    monkeypatch.setattr(torch.autograd, "backward", watched)
    train_adapter(model, tiny_tokenizer(), spec, steering_of(spec), emit)
    monkeypatch.undo()
    return found


@pytest.mark.parametrize("adapted_layers", [0, 2])
def test_the_peers_loss_and_gradients_equal_the_products(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapted_layers: int
) -> None:
    # As the peer has it: no warm-up and no supervised term, every prompt answered.
    terms = {"kto_weight": 1, "anchor_weight": 0, "kto_over": "completion", "optimizer": "adamw"}
    plain = {"warmup_steps": 0, "answers_per_step": 4, **terms}
    spec = tiny_spec({**plain, "adapted_layers": adapted_layers, "steps": 6, "learning_rate": 0.1})
    ours = train_watched(spec, monkeypatch)
    training_set = build_training_set(spec, tiny_tokenizer(), steering_of(spec))
    rows = rows_of_step(training_set, step_of(training_set, spec.training, 5))
    base = tiny_model(spread=0.1)
    peer = PlainTrainer(
        model=base,
        rows=rows,
        steering_ids=torch.tensor(steering_of(spec).ids),
        args=plain_arguments(
            str(tmp_path), batch=len(rows), steps=1, learning_rate=0.1, beta=0.1, dtype=torch.float32, seed=0
        ),
        processing_class=tiny_tokenizer(),
        peft_config=lora_config(base, spec.training),
    )
    for parameter, weight in zip(adapter_weights(base), ours.weights, strict=True):
        parameter.data = weight.clone()
    batch = peer.data_collator(list(peer.train_dataset))
    theirs = peer._compute_loss(peer.model, batch)
    batch.pop("target")
    kto_alone = KTOTrainer._compute_loss(peer, peer.model, batch, False)
    theirs.backward()

    assert abs(ours.loss - theirs.item()) < 1e-4
    assert abs(kto_alone.item() - 0.5) > 5e-4, "the trained policy differs from the reference"
    assert theirs.item() - kto_alone.item() > 0.1, "the calibration term counts"
    assert max(g.abs().max() for g in ours.gradients) > 1e-2
    for parameter, gradient in zip(adapter_weights(base), ours.gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-4, rtol=0)


def test_the_peer_gets_all_examples_of_a_step() -> None:
    spec = tiny_spec({"answers_per_step": 4})
    training_set = build_training_set(spec, tiny_tokenizer(), steering_of(spec))
    step = step_of(training_set, spec.training, 1)
    rows = rows_of_step(training_set, step)

    assert len(rows) == len(matched(training_set, step)) == 16
    assert sum(row["label"] for row in rows) == 8
    assert all(row["KL_completion_ids"] != [] and len(row["target"]) == 2 for row in rows)
    assert rows_of_step(training_set, Step(step.prompts, [], [])) == []


def test_the_peers_own_rows_have_a_prompt_each_and_rotated_pairs() -> None:
    spec = tiny_spec()
    rows = plain_rows(spec, tiny_tokenizer(), steering_of(spec).ids, batch=4, count=11)

    assert len(rows) == 8
    for first in (0, 4):
        group = rows[first : first + 4]
        assert len({tuple(row["prompt_ids"]) for row in group}) == 4
        assert [row["label"] for row in group] == [True, False, True, False]
        rotated = [group[i - 1]["completion_ids"] for i in range(4)]
        assert [row["KL_completion_ids"] for row in group] == rotated


def test_the_peers_rate_rises_then_falls_to_nothing_at_its_cap() -> None:
    rates = [cosine(i / 100) for i in range(101)]

    assert 0 < rates[0] < 0.05 and max(rates) == pytest.approx(1, abs=0.01)
    assert rates[-1] == pytest.approx(0, abs=1e-9) and rates[5:] == sorted(rates[5:], reverse=True)


# Measurements


def test_training_is_timed_step_by_step_on_both_sides(arguments: dict[str, Any]) -> None:
    ours = training.product(arguments | {"steps": 6})
    theirs = training.peer(arguments | {"steps": 6, "all_layers": True})

    for side in (ours, theirs):
        assert len(side["step_seconds"]) == 3 and min(side["step_seconds"]) > 0
        assert side["examples"] == 16 and side["dtype"] == "float32"
        assert min(side["parts"].values()) > 0
    assert (ours["calibrated"], theirs["calibrated"]) == (4, 16)
    assert 0 < ours["needed_operations"] < ours["laid_out_operations"]


def test_what_a_training_pays_once_is_seen_by_itself(arguments: dict[str, Any]) -> None:
    told = training.once(arguments)

    assert told["steps"] == 12 and told["before_seconds"] > 0 and told["reference_seconds"] >= 0


def brute_force_error(bench: Workbench) -> float:
    errors = []
    for prompt in split_prompts(bench.spec, bench.tokenizer, "heldout_templates"):
        with torch.no_grad():
            logits = bench.model(input_ids=torch.tensor([prompt.ids])).logits[0, -1]
        probs = logits.double().softmax(-1)[list(bench.steering.ids)]
        target = torch.tensor(bench.spec.target.rows[prompt.context])
        errors.append((target - probs).abs().mean())
    return float(torch.stack(errors).mean())


def test_the_held_out_error_is_that_of_every_prompt_by_itself(arguments: dict[str, Any]) -> None:
    bench = open_workbench(arguments)
    held_out = HeldOut(bench, lowest_adapted(bench.model, bench.spec.training))

    assert held_out.lowest == 1
    assert held_out.error() == pytest.approx(brute_force_error(bench), abs=1e-5)
    train_adapter(bench.model, bench.tokenizer, bench.spec, bench.steering, lambda _: None)
    assert held_out.error() == pytest.approx(brute_force_error(bench), abs=1e-5)


def test_a_measurement_of_any_attribute_has_tokens_for_the_largest(arguments: dict[str, Any]) -> None:
    bench = open_workbench(arguments, target="stated", any_attribute=True, templates=None)

    assert len(bench.steering.ids) == bench.spec.least_tokens > len(bench.spec.attribute)


def trained(arguments: dict[str, Any], watched: bool) -> tuple[list[float], dict[str, torch.Tensor]]:
    bench = open_workbench(arguments, precision="bfloat16")
    held_out = HeldOut(bench, lowest_adapted(bench.model, bench.spec.training))
    errors: list[float] = []

    def emit(progress: Any) -> None:
        if watched and progress.kind == "step":
            errors.append(held_out.error())

    torch.manual_seed(0)
    policy = train_adapter(bench.model, bench.tokenizer, bench.spec, bench.steering, emit)
    assert all(p.dtype == torch.float32 for p in policy.parameters())
    return errors, {n: p.detach() for n, p in policy.named_parameters() if p.requires_grad}


def test_measuring_between_steps_does_not_disturb_the_training(arguments: dict[str, Any]) -> None:
    errors, watched = trained(arguments, True)
    _, alone = trained(arguments, False)

    assert len(errors) == 12 and len(set(errors)) > 6
    assert watched.keys() == alone.keys()
    for name, weight in alone.items():
        assert torch.equal(weight, watched[name]), name


def test_the_products_curve_ends_with_the_model_that_training_returns(arguments: dict[str, Any]) -> None:
    began = time.time() - 100
    told = curves.product(arguments | {"began": began, "points": 3, "threshold": 2.0})

    assert [p["step"] for p in told["points"]] == [4, 8, 12, 12]
    assert (
        told["error"] == told["points"][-1]["error"] == pytest.approx(told["points"][-2]["error"], abs=1e-3)
    )
    assert told["reached_seconds"] == told["points"][0]["seconds"] > 100, "all counts since the start"
    assert told["fixed_seconds"] > 99


@pytest.mark.parametrize("threshold", [0.0, 2.0])
def test_the_peers_curve_ends_at_its_cap_or_at_the_threshold(
    arguments: dict[str, Any], threshold: float
) -> None:
    given = {"began": time.time(), "points": 2, "threshold": threshold, "cap": 6, "rate": 1e-3, "batch": 4}
    told = curves.peer(arguments | given)

    assert (told["reached_seconds"] is None) == (threshold == 0)
    assert told["steps"] == told["points"][-1]["step"] > 0
    if threshold == 0:
        assert told["points"][-1]["seconds"] >= 6


def test_every_sampler_is_timed_on_the_tuned_model(arguments: dict[str, Any], adapter: str) -> None:
    sizes = {"rounds": [4, 8], "generate_contexts": 2, "generate_batch": 3, "single_calls": 3}
    told = sampling.answers(arguments | sizes | {"adapter": adapter})

    for layout in ("one_template", "spread"):
        assert {n: turn["rounds"] for n, turn in told[layout].items()} == {"4": 8, "8": 16}
        assert all(turn["operations"] > 0 and turn["seconds"] > 0 for turn in told[layout].values())
    assert (told["batched"]["rounds"], told["single"]["rounds"]) == (6, 3)


def test_stories_are_timed_on_both_sides(arguments: dict[str, Any]) -> None:
    sizes = {"story_contexts": 2, "story_rounds": 3, "story_tokens": 6, "seed": 0}
    told = sampling.stories(arguments | sizes)

    assert told["rounds"] == 6 and 0 < told["tokens"] <= 36
    assert min(told["tree_seconds"], told["batched_seconds"]) > 0


def test_growth_is_measured_along_each_axis(arguments: dict[str, Any], adapter: str) -> None:
    tuned = arguments | {"adapter": adapter, "repeats": 1, "sampled_rounds": 4}

    assert [p["size"] for p in growth.rounds(tuned | {"rounds": [2, 4]})["sampling"]] == [2, 4]
    assert growth.contexts(tuned | {"size": 3, "steps": 5})["training"] > 0
    assert growth.categories(tuned | {"size": 3, "set": {"steps": 6, "warmup_steps": 1}})["training"] > 0


def test_there_are_enough_different_contexts_and_categories() -> None:
    assert len(set(growth.context_names(1000))) == 1000
    assert len(set(growth.ANIMALS.split())) == 50


def test_the_memory_of_a_process_and_of_those_under_it_is_seen() -> None:
    code = "import subprocess, sys; hold = bytearray(60 << 20); subprocess.run([sys.executable, '-c', {!r}])"
    inner = "import time; hold = bytearray(90 << 20); time.sleep(2)"
    process = subprocess.Popen([sys.executable, "-c", code.format(inner)])
    while not descendants(process.pid):
        time.sleep(0.01)
    peak, group = watch(process)

    assert 60 / 1024 < peak < 120 / 1024
    assert group > 150 / 1024


def test_the_memory_of_a_whole_run_is_measured_and_its_failure_told(
    arguments: dict[str, Any],
) -> None:
    given = {**arguments, "set": {"steps": 5, "warmup_steps": 1, "rounds": 4}}
    told = measure(given)

    assert 0.1 < told["peak_gb"] <= told["group_gb"] and told["report"]["train_seconds"] > 0
    with pytest.raises(JobRefused, match="steps: 0 is out of range"):
        measure({**arguments, "set": {"steps": 0}})


def test_the_peers_arguments_are_trls_own() -> None:
    told = plain_arguments(
        "/tmp", batch=8, steps=10, learning_rate=1e-3, beta=0.1, dtype=torch.bfloat16, seed=0
    )
    assert isinstance(told, KTOConfig) and told.bf16 and not told.precompute_ref_log_probs
