"""Tree sampling follows the law of independent sampling."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from math import comb

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from scipy.stats import chisquare
from torch import Tensor
from transformers import (
    LlamaForCausalLM,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from distalign import sampling as sampling_module
from distalign import tree as tree_module
from distalign.adapter import merged
from distalign.next_token import draw_tokens, generator_of, next_token_probs
from distalign.sampling import Answer, sample_answers
from distalign.sampling_config import Sampling
from tests.tiny import tiny_model

VOCABULARY, STOP = 6, 5
PROMPTS = [(1, 2, 3), (1, 2, 4, 0), (2,)]
# Rare outcomes are pooled until each expected count is at least this.
LEAST_EXPECTED = 10
# With fixed seeds these tests are deterministic; a fair sampler fails at most one in a thousand seeds.
LEAST_P = 0.001

Law = dict[tuple[int, ...], float]


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    return tiny_model(VOCABULARY, layers=2, spread=0.1)


@torch.no_grad()
def exact_law(
    model: LlamaForCausalLM, prompt: tuple[int, ...], sampling: Sampling, stop_ids: frozenset[int]
) -> Law:
    """Probability of every possible answer, each prefix run alone."""
    law: Law = {}
    open_prefixes = {(): 1.0}
    for _ in range(sampling.max_new_tokens):
        grown: Law = {}
        for prefix, mass in open_prefixes.items():
            logits = model(input_ids=torch.tensor([[*prompt, *prefix]])).logits[:, -1]
            probs = next_token_probs(logits, sampling)[0].tolist()
            for token, p in enumerate(probs):
                if token in stop_ids:
                    law[prefix] = law.get(prefix, 0) + mass * p
                else:
                    grown[*prefix, token] = mass * p
        open_prefixes = grown
    # A prefix that max_new_tokens cuts off is an answer, too.
    return law | {ids: law.get(ids, 0) + mass for ids, mass in open_prefixes.items()}


def draw(
    model: LlamaForCausalLM,
    rounds: int,
    sampling: Sampling,
    stop_ids: frozenset[int] = frozenset({STOP}),
    seed: int = 0,
) -> list[Answer]:
    counts = [rounds] * len(PROMPTS)
    return list(
        itertools.chain.from_iterable(sample_answers(model, PROMPTS, counts, sampling, stop_ids, seed))
    )


def chi_square_p(counts: Counter[tuple[int, ...]], law: Law, rounds: int) -> float:
    observed, expected, rest = [], [], [0.0, 0.0]
    assert all(law.get(ids, 0) > 0 for ids in counts), "an answer that has probability 0"
    for ids, p in law.items():
        if p * rounds >= LEAST_EXPECTED:
            observed.append(counts[ids])
            expected.append(p * rounds)
        else:
            rest = [rest[0] + counts[ids], rest[1] + p * rounds]
    if rest[1] > 0:
        observed.append(rest[0])
        expected.append(rest[1])
    scale = sum(observed) / sum(expected)
    assert scale == pytest.approx(1, abs=1e-4)
    return chisquare(observed, [e * scale for e in expected]).pvalue


def tally(answers: list[Answer], prompt: int) -> Counter[tuple[int, ...]]:
    counts: Counter[tuple[int, ...]] = Counter()
    for answer in answers:
        if answer.prompt == prompt:
            counts[answer.ids] += answer.count
    return counts


SAMPLINGS = {
    "plain": Sampling(max_new_tokens=3),
    "truncated": Sampling(max_new_tokens=3, temperature=0.7, top_k=4, top_p=0.9),
}


@pytest.fixture(params=[1 << 28, 1], ids=["together", "split"])
def frontier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tree_module, "PREFIX_BYTES", request.param)
    monkeypatch.setattr(tree_module, "LEAST_TOGETHER", 3)


@pytest.mark.usefixtures("frontier")
@pytest.mark.parametrize("kind", SAMPLINGS)
@pytest.mark.parametrize("seed", [0, 1])
def test_answers_have_the_law_of_independent_sampling(model: LlamaForCausalLM, kind: str, seed: int) -> None:
    rounds, sampling = 4000, SAMPLINGS[kind]
    answers = draw(model, rounds, sampling, seed=seed)

    for index, prompt in enumerate(PROMPTS):
        law = exact_law(model, prompt, sampling, frozenset({STOP}))
        assert sum(law.values()) == pytest.approx(1, abs=1e-5)
        counts = tally(answers, index)
        assert chi_square_p(counts, law, rounds) > LEAST_P
        firsts: Counter[tuple[int, ...]] = Counter()
        first_law: Law = {}
        for ids, count in counts.items():
            firsts[ids[:1]] += count
        for ids, p in law.items():
            first_law[ids[:1]] = first_law.get(ids[:1], 0) + p
        assert chi_square_p(firsts, first_law, rounds) > LEAST_P


@pytest.mark.usefixtures("frontier")
@pytest.mark.parametrize("kind", SAMPLINGS)
def test_answers_that_may_open_with_some_tokens_only_have_the_law_of_those_answers(
    model: LlamaForCausalLM, kind: str
) -> None:
    opening, sampling, counts, seen = (3, 1), SAMPLINGS[kind], [4000] * len(PROMPTS), {}
    chunks = sample_answers(
        model, PROMPTS, counts, sampling, frozenset({STOP}), 0, seen.__setitem__, opening=opening
    )
    answers = list(itertools.chain.from_iterable(chunks))
    plain = Sampling(max_new_tokens=3)

    for index, prompt in enumerate(PROMPTS):
        logits = model(input_ids=torch.tensor([prompt])).logits[:, -1]
        masked = torch.full_like(logits, -torch.inf)
        masked[:, opening] = logits[:, opening]
        firsts = next_token_probs(masked, sampling)[0].tolist()
        law: Law = {}
        for first in opening:
            behind = exact_law(
                model, (*prompt, first), replace(sampling, max_new_tokens=2), frozenset({STOP})
            )
            law |= {(first, *ids): firsts[first] * p for ids, p in behind.items()}
        assert chi_square_p(tally(answers, index), {ids: p for ids, p in law.items() if p}, 4000) > LEAST_P
        whole = exact_law(model, prompt, plain, frozenset({STOP}))
        outside = sum(p for ids, p in whole.items() if ids[:1] not in {(3,), (1,)})
        assert outside > 0.1 and float(seen[index][list(opening)].sum()) == pytest.approx(
            1 - outside, abs=1e-5
        )


def test_the_chi_square_above_notices_a_wrong_law(model: LlamaForCausalLM) -> None:
    answers = draw(model, 4000, SAMPLINGS["plain"])
    warm = exact_law(model, PROMPTS[0], Sampling(max_new_tokens=3, temperature=1.25), frozenset({STOP}))

    assert chi_square_p(tally(answers, 0), warm, 4000) < LEAST_P


@pytest.mark.usefixtures("frontier")
def test_counts_add_up_to_the_rounds_of_each_prompt(model: LlamaForCausalLM) -> None:
    counts = [7, 0, 250]
    chunks = list(sample_answers(model, PROMPTS, counts, SAMPLINGS["plain"], frozenset({STOP}), 0))
    drawn = Counter(dict.fromkeys(range(3), 0))
    for answer in itertools.chain.from_iterable(chunks):
        drawn[answer.prompt] += answer.count

    assert [drawn[i] for i in range(3)] == counts


def test_each_distinct_answer_of_a_prompt_comes_once(model: LlamaForCausalLM) -> None:
    answers = draw(model, 500, Sampling(max_new_tokens=3))

    assert max(Counter((a.prompt, a.ids) for a in answers).values()) == 1


def test_rounds_are_repeatable_from_the_seed(model: LlamaForCausalLM) -> None:
    one, two, other = (draw(model, 60, SAMPLINGS["plain"], seed=seed) for seed in (5, 5, 6))

    assert one == two
    assert one != other


def test_prompts_of_several_chunks_are_all_answered_in_order(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling_module, "PROMPTS_AT_ONCE", 2)
    chunks = list(sample_answers(model, PROMPTS, [3, 3, 3], SAMPLINGS["plain"], frozenset({STOP}), 0))

    assert [sorted({a.prompt for a in chunk}) for chunk in chunks if chunk] == [[0, 1], [2]]


def test_two_equal_prompts_each_get_their_rounds(model: LlamaForCausalLM) -> None:
    chunks = sample_answers(model, [(1, 2), (1, 2)], [40, 60], SAMPLINGS["plain"], frozenset({STOP}), 0)
    chunk = list(itertools.chain.from_iterable(chunks))

    assert [sum(a.count for a in chunk if a.prompt == p) for p in (0, 1)] == [40, 60]


def test_no_answer_is_longer_than_max_new_tokens(model: LlamaForCausalLM) -> None:
    for most in (2, 4):
        longest = max(len(a.ids) for a in draw(model, 200, Sampling(max_new_tokens=most)))
        assert longest == most


def test_an_answer_ends_at_a_stop_token_and_does_not_hold_it(model: LlamaForCausalLM) -> None:
    stops = frozenset({STOP, 2})
    answers = draw(model, 300, Sampling(max_new_tokens=4), stops)

    assert all(not stops & set(a.ids) for a in answers)
    assert any(len(a.ids) < 4 for a in answers)
    unstopped = draw(model, 300, Sampling(max_new_tokens=4), frozenset())
    assert {len(a.ids) for a in unstopped} == {4}


def test_the_first_distribution_is_the_models_own_without_truncation(model: LlamaForCausalLM) -> None:
    seen: dict[int, Tensor] = {}
    sampling = Sampling(temperature=0.3, top_k=1)
    list(sample_answers(model, PROMPTS, [0, 0, 1], sampling, frozenset(), 0, seen.__setitem__))
    with torch.no_grad():
        for index, prompt in enumerate(PROMPTS):
            alone = model(input_ids=torch.tensor([prompt])).logits[0, -1].double().softmax(-1)
            torch.testing.assert_close(seen[index], alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 0, 1.0), (0.5, 0, 1.0), (2.0, 7, 1.0), (1.0, 0, 0.6), (0.8, 12, 0.9), (1.3, 100, 0.2)],
)
def test_truncation_equals_transformers_warpers(temperature: float, top_k: int, top_p: float) -> None:
    logits = 3 * torch.randn(40, 50, generator=torch.Generator().manual_seed(1))
    warpers = LogitsProcessorList([TemperatureLogitsWarper(temperature)])
    if top_k:
        warpers.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        warpers.append(TopPLogitsWarper(top_p))
    expected = warpers(torch.zeros(40, 1, dtype=torch.long), logits.clone()).softmax(-1)
    actual = next_token_probs(logits, Sampling(temperature=temperature, top_k=top_k, top_p=top_p))

    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-5)
    assert torch.equal(actual > 0, expected > 0)


def test_draws_from_a_large_vocabulary_follow_its_probabilities() -> None:
    random = torch.Generator().manual_seed(0)
    probs = torch.rand(3, 300, generator=random) ** 8
    probs[:, 128:256] = 0
    probs[:, -1] = 0
    probs /= probs.sum(-1, keepdim=True)
    counts = np.array([20_000, 1, 5000])
    rows, tokens, times = draw_tokens(probs, counts, [generator_of(1, row, ()) for row in range(3)])

    for row in (0, 2):
        seen: Counter[tuple[int, ...]] = Counter()
        for token, n in zip(tokens[rows == row], times[rows == row], strict=True):
            seen[int(token),] = int(n)
        law = {(t,): p for t, p in enumerate(probs[row].double().tolist()) if p}
        assert chi_square_p(seen, law, int(counts[row])) > LEAST_P
    assert [times[rows == row].sum() for row in range(3)] == counts.tolist()


def test_every_prefix_draws_from_a_stream_of_its_own() -> None:
    keys = [(0, 0, ()), (1, 0, ()), (0, 1, ()), (0, 0, (0,)), (0, 0, (0, 0)), (0, 0, (1,))]

    assert len({generator_of(*key).random() for key in keys}) == len(keys)
    assert generator_of(7, 2, (3,)).random() == generator_of(7, 2, (3,)).random()


@pytest.mark.parametrize("kind", SAMPLINGS)
def test_over_many_seeds_it_counts_as_rounds_drawn_one_by_one_do(model: LlamaForCausalLM, kind: str) -> None:
    """The spread over seeds too: the count of an answer is binomial, and answers of a seed are independent."""
    rounds, seeds = 5, 600
    law = exact_law(model, PROMPTS[0], SAMPLINGS[kind], frozenset({STOP}))
    favourite = max(law, key=law.get)
    p, counts = law[favourite], Counter()
    for seed in range(seeds):
        found = tally(draw(model, rounds, SAMPLINGS[kind], seed=seed), 0)
        counts[(min(found[favourite], 3),)] += 1
    binomial = [comb(rounds, n) * p**n * (1 - p) ** (rounds - n) for n in range(3)]
    spread = {(n,): b for n, b in enumerate(binomial)} | {(3,): 1 - sum(binomial)}

    assert chi_square_p(counts, spread, seeds) > LEAST_P


@pytest.mark.parametrize("spread", [0.0, 0.02])
def test_where_every_round_differs_it_draws_them_all(monkeypatch: pytest.MonkeyPatch, spread: float) -> None:
    monkeypatch.setattr(tree_module, "PREFIX_BYTES", 1)
    flat = tiny_model(500, layers=1, spread=spread or 1e-4)
    prompts, counts = [(1, 2), (1, 3)], [70, 3]
    chunks = sample_answers(flat, prompts, counts, Sampling(max_new_tokens=6), frozenset(), 0)
    answers = list(itertools.chain.from_iterable(chunks))

    assert [sum(a.count for a in answers if a.prompt == p) for p in (0, 1)] == counts
    assert len(answers) > 70
    assert {len(a.ids) for a in answers} == {6}


def test_prompts_are_read_in_chunks_that_memory_holds(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = draw(model, 30, SAMPLINGS["plain"])
    monkeypatch.setattr(sampling_module, "PROMPT_BYTES", 1)

    one_by_one = draw(model, 30, SAMPLINGS["plain"])

    assert [tally(one_by_one, p) for p in range(3)] == [tally(whole, p) for p in range(3)]


def test_an_adapter_that_is_merged_gives_the_same_probabilities_and_can_be_taken_out() -> None:
    base = tiny_model(50)
    before = [p.clone() for p in base.parameters()]
    policy = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "up_proj"])).eval()
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    ids = torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        beside = policy(input_ids=ids).logits.softmax(-1)
        with merged(policy):
            inside = policy(input_ids=ids).logits.softmax(-1)
        after = policy(input_ids=ids).logits.softmax(-1)

    torch.testing.assert_close(inside, beside, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(after, beside, atol=1e-6, rtol=1e-4)
    weights = [p for n, p in policy.named_parameters() if "lora" not in n]
    for parameter, kept in zip(weights, before, strict=True):
        torch.testing.assert_close(parameter.data, kept, atol=1e-6, rtol=1e-5)
