"""What a run trains on: seen templates only, and completions that say what they should."""

from __future__ import annotations

import pytest
import torch

from distalign.dealing import DESIRABLE, MISMATCHED, UNDESIRABLE
from distalign.prompts import response_ids, split_prompts
from distalign.spec import RunSpec
from distalign.steering import SteeringTokens, choose_steering_tokens
from distalign.training_set import (
    TrainingSet,
    build_training_set,
    collate,
)
from tests.tiny import tiny_spec, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
ROWS = torch.eye(len(TOKENIZER))


def three_way(**values: object) -> RunSpec:
    return tiny_spec(
        {
            "attribute": {"name": "mood", "categories": ["glad", "sad", "calm"]},
            "contexts": ["rain", "snow", "wind", "fog"],
            "target": {"glad": 0.5, "sad": 0.3, "calm": 0.2},
            **values,
        }
    )


def build(spec: RunSpec) -> tuple[TrainingSet, SteeringTokens]:
    steering = choose_steering_tokens(TOKENIZER, ROWS, spec.attribute)
    return build_training_set(spec, TOKENIZER, steering), steering


def path(training_set: TrainingSet, node: int) -> tuple[int, ...]:
    """Token ids from the beginning of a sequence to a node."""
    return tuple(training_set.trie.ids_to(node))


def steps(training_set: TrainingSet, size: int) -> list[list[tuple[int, list[int]]]]:
    rows = training_set.rows[:]
    pairs = list(zip(rows["prompt"], rows["completions"], strict=True))
    return [pairs[i : i + size] for i in range(0, len(pairs), size)]


def test_prompts_are_the_filled_template_in_the_chat_format() -> None:
    spec = three_way()
    first = split_prompts(spec, TOKENIZER, "seen_templates")[1]

    assert (first.context, first.template) == (1, 0)
    assert TOKENIZER.decode(first.ids) == (
        "<|im_start|>user\nJob: snow. mood?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_no_heldout_prompt_is_ever_trained_on() -> None:
    spec = tiny_spec({"templates": None, "steps": 60})
    training_set, _ = build(spec)
    trained = {path(training_set, leaf) for leaf in training_set.leaves}
    seen = {p.ids for p in split_prompts(spec, TOKENIZER, "seen_templates")}
    heldout = {p.ids for p in split_prompts(spec, TOKENIZER, "heldout_templates")}
    nodes = {path(training_set, node) for node in range(len(training_set.trie))}

    assert trained <= seen and len(trained) == spec.training.distinct_prompts
    assert not heldout & nodes


def test_each_prompt_has_the_target_of_its_own_context() -> None:
    spec = three_way(
        target={
            c: {"glad": 0.1 * i, "sad": 0.9 - 0.1 * i, "calm": 0.1}
            for i, c in enumerate(["rain", "snow", "wind", "fog"])
        }
    )
    training_set, _ = build(spec)
    for leaf, row in zip(training_set.leaves, training_set.target.tolist(), strict=True):
        text = TOKENIZER.decode(path(training_set, leaf))
        context = next(i for i, name in enumerate(spec.contexts.names) if name in text)
        assert row == pytest.approx(spec.target.rows[context])


def test_completions_say_what_their_kind_promises() -> None:
    spec = three_way()
    training_set, steering = build(spec)
    trie = training_set.trie
    kinds = [c.kind for c in training_set.completions]
    for completion in training_set.completions:
        ids = [trie.tokens[n] for n in completion.nodes]
        led = steering.index(ids[0])
        said = spec.attribute.classify(TOKENIZER.decode(ids[1:-1]))
        assert led is not None and said is not None
        assert ids[-1] == TOKENIZER.eos_token_id
        assert trie.parents[completion.nodes[0]] in training_set.leaves
        if completion.kind == DESIRABLE:
            assert led == said
        elif completion.kind == UNDESIRABLE:
            assert led != said

    assert kinds.count(DESIRABLE) == kinds.count(UNDESIRABLE) > 0
    assert kinds.count(MISMATCHED) == 2 * kinds.count(DESIRABLE)


def test_responses_are_phrased_in_several_ways() -> None:
    training_set, _ = build(three_way())
    said = {
        TOKENIZER.decode([training_set.trie.tokens[n] for n in c.nodes[1:-1]]).strip()
        for c in training_set.completions
    }

    assert len({text for text in said if "sad" in text.casefold()}) >= 3


def test_no_response_is_learned_that_sampling_would_cut_off() -> None:
    tokenizer = tiny_tokenizer()
    phrasings = ["{category}", "The {attribute} of this person is {category}."]
    templates = {"seen": ["Job: {context}?"], "heldout": ["Who is {context}?"], "phrasings": phrasings}
    lengths = {
        room: [
            [len(ids) - 1 for ids in of_category]
            for of_category in response_ids(
                tokenizer, tiny_spec({"max_new_tokens": room, "templates": templates})
            )
        ]
        for room in (2, 6, 64)
    }

    # A steering token stands in front.
    assert all(length <= 5 for of_category in lengths[6] for length in of_category)
    assert max(lengths[64][0]) > 5
    # Where nothing fits, the shortest is learned.
    assert [set(of_category) for of_category in lengths[2]] == [{min(every)} for every in lengths[64]]


def test_mismatched_completions_are_those_of_the_neighbour_in_the_step() -> None:
    spec = three_way()
    training_set, _ = build(spec)
    completions, trie = training_set.completions, training_set.trie

    def words(index: int) -> tuple[int, ...]:
        return tuple(trie.tokens[n] for n in completions[index].nodes)

    for step in steps(training_set, spec.training.prompts_per_step):
        answered = [own for _, own in step if own]
        assert len(answered) == spec.training.answers_per_step
        matched = [[words(c) for c in own if completions[c].kind != MISMATCHED] for own in answered]
        crossed = [[words(c) for c in own if completions[c].kind == MISMATCHED] for own in answered]
        assert crossed == matched[1:] + matched[:1]


def test_completions_stand_behind_the_prompt_of_their_row() -> None:
    training_set, _ = build(three_way())
    rows = training_set.rows[:]
    for prompt, own in zip(rows["prompt"], rows["completions"], strict=True):
        for index in own:
            first = training_set.completions[index].nodes[0]
            assert training_set.trie.parents[first] == training_set.leaves[prompt]


def test_every_step_is_full_and_has_no_prompt_twice_among_its_answered() -> None:
    spec = three_way(steps=20, prompts_per_step=5, answers_per_step=3)
    training_set, _ = build(spec)
    cut = steps(training_set, 5)

    assert len(training_set.rows) == 20 * 5
    assert all(len(step) == 5 for step in cut)
    assert all(len({p for p, own in step if own}) == 3 for step in cut)


def test_the_set_is_repeatable_from_its_seed() -> None:
    one, two, other = (build(three_way(seed=seed))[0] for seed in (3, 3, 4))

    assert one.trie.tokens == two.trie.tokens
    assert one.rows[:] == two.rows[:]
    assert one.completions == two.completions
    assert one.rows[:] != other.rows[:] or one.completions != other.completions


def test_a_batch_reads_each_token_at_the_place_before_it() -> None:
    training_set, _ = build(three_way())
    (first, *_) = steps(training_set, 4)
    prompts = [p for p, _ in first]
    chosen = [c for _, own in first for c in own]
    batch = collate(training_set, prompts, chosen)
    read_nodes = [batch.pack.nodes[place] for place in batch.reads.tolist()]

    assert [read_nodes[i] for i in batch.prompt_reads] == [training_set.leaves[p] for p in prompts]
    assert torch.equal(batch.target, training_set.target[prompts])
    at = 0
    for number, index in enumerate(chosen):
        completion = training_set.completions[index]
        for order, node in enumerate(completion.nodes):
            assert read_nodes[batch.token_reads[at]] == training_set.trie.parents[node]
            assert batch.labels[at] == training_set.trie.tokens[node]
            assert batch.owner[at] == number
            assert bool(batch.is_steering[at]) == (order == 0)
            at += 1
    assert at == len(batch.labels)


def test_no_step_lays_out_a_token_that_nothing_reads() -> None:
    training_set, _ = build(three_way())
    rows = training_set.rows[:]
    completions = rows["completions"][0]
    batch = collate(training_set, rows["prompt"][:1], completions)
    last = {training_set.completions[c].nodes[-1] for c in completions}

    assert completions
    assert last.isdisjoint(batch.pack.nodes)
    assert set(batch.pack.nodes) == set(training_set.trie.closure(batch.pack.nodes[i] for i in batch.reads))


def test_what_is_packed_is_known_in_advance() -> None:
    training_set, _ = build(three_way())
    rows = training_set.rows[:]
    known = set(training_set.packed_nodes())

    for prompt, completions in zip(rows["prompt"], rows["completions"], strict=True):
        assert known.issuperset(collate(training_set, [prompt], completions).pack.nodes)
    assert len(known) < len(training_set.trie)


def test_fifty_categories_and_one_context_still_make_a_set() -> None:
    names = [f"kind{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(50)]
    spec = tiny_spec(
        {"attribute": {"name": "sort", "categories": names}, "contexts": ["tea"], "target": "even"}
    )
    training_set, steering = build(spec)

    assert len(set(steering.ids)) == 50
    assert training_set.target.shape == (2, 50)
    assert training_set.target.sum(-1).tolist() == pytest.approx([1, 1])
