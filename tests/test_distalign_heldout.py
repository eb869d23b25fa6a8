"""Held-out contexts: which they are, that they are never trained on, and how they are measured."""

from __future__ import annotations

import pytest

from distalign.errors import SpecError
from distalign.folders import DataFolder
from distalign.plan import estimate
from distalign.prompts import split_prompts
from distalign.runner import execute
from distalign.spec import RunSpec, parse_spec
from distalign.steering import choose_steering_tokens
from distalign.training_set import build_training_set
from tests.test_distalign_run import Recorder
from tests.tiny import save_base, tiny_model, tiny_spec, tiny_tokenizer

JOBS = ["Nurses", "Pilots", "Bakers", "Judges"]
PART_JOINT = {"attribute": ["gender", {"name": "mood", "categories": ["glad", "sad"]}], "target": "even"}


RULES = {"*nurse*": {"male": 0.1, "female": 0.9}, "*": {"male": 0.6, "female": 0.4}}


def test_a_table_of_rules_says_what_a_new_context_gets_and_one_with_a_row_of_its_own_does_not() -> None:
    fields = {"attribute": "gender", "contexts": ["Pilots", "Nurses", "Head nurses"], "heldout_contexts": 1}

    assert len(parse_spec(fields | {"target": RULES}).heldout_indices) == 1
    with pytest.raises(SpecError, match="no rule says"):
        parse_spec(fields | {"target": RULES | {"Pilots": {"male": 1, "female": 0}}})


def held(value: object, **values: object) -> RunSpec:
    return tiny_spec({"contexts": JOBS, "heldout_contexts": value} | values)


def test_a_number_is_drawn_from_the_seed() -> None:
    runs = [parse_spec({"attribute": "gender", "heldout_contexts": 5, "seed": seed}) for seed in range(6)]
    again = parse_spec({"attribute": "gender", "heldout_contexts": 5, "seed": 3})

    assert all(len(spec.heldout_indices) == 5 for spec in runs)
    assert again.heldout_indices == runs[3].heldout_indices
    assert len({spec.heldout_indices for spec in runs}) > 1


def test_the_splits_of_a_run_share_out_its_contexts() -> None:
    spec = held(["Judges", "Pilots"])

    assert spec.splits == ("seen_templates", "heldout_templates", "heldout_contexts")
    assert spec.contexts_of("seen_templates") == spec.contexts_of("heldout_templates") == (0, 2)
    assert spec.contexts_of("heldout_contexts") == (1, 3)
    assert held(0).contexts_of("seen_templates") == (0, 1, 2, 3)
    assert "heldout_contexts" not in held(0).splits


def test_a_held_out_context_may_be_named_in_any_of_unicodes_forms() -> None:
    spec = held(["cafe\u0301"], contexts=["café", "Pilots"])

    assert spec.heldout_contexts == ("café",) and spec.heldout_indices == (0,)


def test_held_out_contexts_are_asked_about_with_seen_templates() -> None:
    spec, tokenizer = held(["Pilots"]), tiny_tokenizer()
    prompts = split_prompts(spec, tokenizer, "heldout_contexts")

    assert [(p.context, p.template) for p in prompts] == [(1, 0), (1, 1)]
    assert tokenizer.decode(prompts[0].ids).count("Job: Pilots. gender?") == 1


def test_a_held_out_context_is_never_trained_on() -> None:
    spec, tokenizer = held(["Pilots"]), tiny_tokenizer()
    steering = choose_steering_tokens(tokenizer, tiny_model().get_output_embeddings().weight, spec.attribute)
    trie = build_training_set(spec, tokenizer, steering).trie

    walks = {tokenizer.decode(_walk(trie, node)) for node in range(len(trie))}

    assert any("Judges" in text for text in walks)
    assert not any("Pilots" in text for text in walks)


def _walk(trie, node: int) -> list[int]:
    tokens = []
    while node >= 0:
        tokens.append(trie.tokens[node])
        node = trie.parents[node]
    return tokens[::-1]


def test_the_plan_counts_each_split_with_its_own_contexts() -> None:
    whole, some = estimate(held(0)), estimate(held(1))

    # 4 contexts on 2 splits; 3 on 2 and 1 on the third.
    assert whole.rounds == 2 * 20 * (4 + 4)
    assert some.rounds == 2 * 20 * (3 + 3 + 1)
    assert (whole.prompts, some.prompts) == (8, 6)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunSpec, Recorder]:
    folder = tmp_path_factory.mktemp("tiny")
    base = save_base(folder / "tiny-llama")
    learning = {
        "steps": 120,
        "warmup_steps": 100,
        "learning_rate": 0.02,
        "lora_rank": 16,
        "max_new_tokens": 24,
    }
    spec = held(["Pilots"], base_model=str(base), **learning, **PART_JOINT)
    recorder = Recorder()
    execute(spec, DataFolder(folder), folder / "runs" / "r", recorder, "r")
    return spec, recorder


def test_each_split_measures_its_contexts_and_keeps_their_indices(
    measured: tuple[RunSpec, Recorder],
) -> None:
    spec, recorder = measured

    assert set(recorder.results) == {(phase, s) for phase in ("before", "after") for s in spec.splits}
    for (_, split), result in recorder.results.items():
        assert tuple(c.context for c in result.contexts) == spec.contexts_of(split)
        assert all(c.rounds == spec.rounds for c in result.contexts)
        assert all(c.target == spec.target.rows[c.context] for c in result.contexts)
    of_split = {(r.split, r.context) for r in recorder.all_rounds}
    assert of_split == {(split, c) for split in spec.splits for c in spec.contexts_of(split)}


def test_a_joint_run_measures_cells_and_parts(measured: tuple[RunSpec, Recorder]) -> None:
    spec, recorder = measured
    result = recorder.results["after", "seen_templates"]

    assert [m.attribute for m in result.marginals] == ["gender", "mood"]
    for context in result.contexts:
        assert len(context.realized) == len(context.steering) == 4
    cells = [r for r in recorder.all_rounds if r.phase == "after" and r.category is not None]
    assert cells and all(spec.attribute.classify(r.text) == r.category for r in cells)
    # Cells 0 and 1 are the male ones.
    counted = [c for c in result.contexts if c.rounds > c.unclassified]
    male = sum(c.realized[0] + c.realized[1] for c in counted) / len(counted)
    assert result.marginals[0].realized == pytest.approx((male, 1 - male))
    assert result.marginals[1].target == pytest.approx((0.5, 0.5))
