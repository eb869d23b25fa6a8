"""The exact distribution of answers: right, within its bound, and worked out beside the rounds."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from distalign import tree as tree_module
from distalign.exact import Expansion
from distalign.measuring import Subject, measure_split, stop_ids
from distalign.prefixes import Prefixes, bytes_per_token, grow, no_prefixes, read_prompts
from distalign.results import SplitResult
from distalign.sampling import Answer, sample_answers
from distalign.sampling_config import Sampling
from distalign.steering import choose_steering_tokens
from tests.test_distalign_sampling import PROMPTS, SAMPLINGS, STOP, VOCABULARY, exact_law
from tests.tiny import tiny_model, tiny_spec, tiny_tokenizer

UNCAPPED = 10**6
# float32 probabilities of a few tokens, multiplied.
ROUNDING = 2e-6


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    return tiny_model(VOCABULARY, layers=2, spread=0.1)


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> list[Prefixes]:
    """What each step of the walks of a test has grown."""
    steps = []

    def spy(*args, **named):
        found = grow(*args, **named)
        steps.append(found[0])
        return found

    monkeypatch.setattr(tree_module, "grow", spy)
    return steps


def expand(
    model: LlamaForCausalLM,
    expansion: Expansion | None,
    sampling: Sampling = SAMPLINGS["plain"],
    rounds: int = 0,
    seed: int = 0,
) -> list[Answer]:
    chunks = sample_answers(
        model, PROMPTS, [rounds] * len(PROMPTS), sampling, frozenset({STOP}), seed, None, expansion
    )
    return list(itertools.chain.from_iterable(chunks))


def unknown(answers: list[Answer], prompt: int) -> float:
    return 1 - sum(a.probability for a in answers if a.prompt == prompt)


def counted(answers: list[Answer]) -> Counter[tuple[int, tuple[int, ...]]]:
    return Counter({(a.prompt, a.ids): a.count for a in answers if a.count})


@pytest.fixture(params=[1 << 28, 1], ids=["together", "split"])
def memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_module, "PREFIX_BYTES", request.param)
    monkeypatch.setattr(tree_module, "LEAST_TOGETHER", 3)


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("kind", SAMPLINGS)
def test_with_epsilon_0_every_answer_has_its_probability(model: LlamaForCausalLM, kind: str) -> None:
    answers = expand(model, Expansion(0.0, UNCAPPED), SAMPLINGS[kind])

    for index, prompt in enumerate(PROMPTS):
        law = {i: p for i, p in exact_law(model, prompt, SAMPLINGS[kind], frozenset({STOP})).items() if p}
        found = {a.ids: a.probability for a in answers if a.prompt == index}
        assert found == pytest.approx(law, abs=ROUNDING)


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("kind", SAMPLINGS)
@pytest.mark.parametrize("epsilon", [0.3, 0.05, 0.004])
def test_no_more_than_epsilon_is_dropped(model: LlamaForCausalLM, kind: str, epsilon: float) -> None:
    answers = expand(model, Expansion(epsilon, UNCAPPED), SAMPLINGS[kind])

    for index, prompt in enumerate(PROMPTS):
        law = exact_law(model, prompt, SAMPLINGS[kind], frozenset({STOP}))
        assert -ROUNDING <= unknown(answers, index) <= epsilon + ROUNDING
        for answer in (a for a in answers if a.prompt == index):
            assert answer.probability == pytest.approx(law[answer.ids], abs=ROUNDING)


def test_the_work_is_near_the_least_that_reaches_epsilon(
    model: LlamaForCausalLM, grown: list[Prefixes]
) -> None:
    sampling, epsilon = Sampling(max_new_tokens=5, temperature=0.4), 0.2
    expand(model, Expansion(epsilon, UNCAPPED), sampling)
    walked = Counter(int(p) for step in grown for p in step.prompts)

    for index, prompt in enumerate(PROMPTS):
        least = fewest_prefixes(model, prompt, sampling, epsilon)
        assert least <= walked[index] + 1 <= 1.5 * least + 5


def fewest_prefixes(
    model: LlamaForCausalLM, prompt: tuple[int, ...], sampling: Sampling, epsilon: float
) -> int:
    """Heaviest first, one at a time, until no more than epsilon is open."""
    law = exact_law(model, prompt, sampling, frozenset({STOP}))
    mass: dict[tuple[int, ...], float] = Counter()
    for ids, p in law.items():
        for length in range(min(len(ids), sampling.max_new_tokens - 1) + 1):
            mass[ids[:length]] += p
    heap, open_mass, count = [(-1.0, ())], 1.0, 0
    while open_mass > epsilon:
        _, prefix = heapq.heappop(heap)
        count += 1
        open_mass -= law.get(prefix, 0)
        for token in range(VOCABULARY):
            child = (*prefix, token)
            if len(child) == sampling.max_new_tokens:
                open_mass -= law.get(child, 0)
            elif child in mass:
                heapq.heappush(heap, (-mass[child], child))
    return count


@pytest.mark.parametrize("cap", [0, 1, 7])
def test_the_cap_limits_the_work_and_the_bound_stays_honest(
    model: LlamaForCausalLM, grown: list[Prefixes], cap: int
) -> None:
    answers = expand(model, Expansion(1e-4, cap), Sampling(max_new_tokens=4))

    walked = Counter(int(p) for step in grown for p in step.prompts)
    for index, prompt in enumerate(PROMPTS):
        law = exact_law(model, prompt, Sampling(max_new_tokens=4), frozenset({STOP}))
        assert walked[index] <= cap
        missing = sum(law.values()) - sum(law[a.ids] for a in answers if a.prompt == index)
        assert unknown(answers, index) == pytest.approx(missing, abs=1e-5)
        assert missing > 0.1


@pytest.mark.parametrize("kind", SAMPLINGS)
def test_rounds_are_the_same_with_and_without_it_and_however_memory_splits_them(
    model: LlamaForCausalLM, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = counted(expand(model, None, SAMPLINGS[kind], rounds=40, seed=3))
    beside = counted(expand(model, Expansion(0.01), SAMPLINGS[kind], rounds=40, seed=3))
    monkeypatch.setattr(tree_module, "PREFIX_BYTES", 1)
    monkeypatch.setattr(tree_module, "LEAST_TOGETHER", 2)
    split = counted(expand(model, Expansion(0.01), SAMPLINGS[kind], rounds=40, seed=3))

    assert alone == beside == split
    assert alone != counted(expand(model, None, SAMPLINGS[kind], rounds=40, seed=4))


def test_what_rounds_need_is_expanded_at_no_cost_to_the_cap(model: LlamaForCausalLM) -> None:
    bare, drawn = (expand(model, Expansion(1e-4, 0), rounds=n) for n in (0, 200))

    assert all(unknown(drawn, p) < 0.5 < unknown(bare, p) for p in range(len(PROMPTS)))


@pytest.mark.parametrize("rounds", [40, 3000])
def test_the_keys_and_values_that_are_held_stay_within_their_limit(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    sampling = Sampling(max_new_tokens=8)
    limit = bytes_per_token(model) * 8 * 200
    monkeypatch.setattr(tree_module, "PREFIX_BYTES", limit)
    # Fuller passes may hold more.
    monkeypatch.setattr(tree_module, "TOKENS_AT_ONCE", 128)
    held = []
    advance = tree_module.Walk._advance

    def spy(walk, read, waiting):
        advance(walk, read, waiting)
        alive = {id(p.before): p.before for p in waiting}.values()
        held.append(sum(x.nbytes for prefixes in alive for layer in prefixes.layers for x in layer))

    monkeypatch.setattr(tree_module.Walk, "_advance", spy)
    answers = expand(model, None, sampling, rounds)

    assert sum(a.count for a in answers) == rounds * len(PROMPTS)
    assert max(held) <= limit + bytes_per_token(model) * 8 * tree_module.LEAST_TOGETHER
    if rounds == 3000:
        assert max(held) > limit / 8


def test_a_prefix_grows_as_if_it_were_alone() -> None:
    model = tiny_model(50, spread=0.3)
    prompts = [(1, 2, 3, 4), (1, 2, 9), (1, 2, 3, 7, 8, 9), (1, 2, 3, 4)]
    random = np.random.default_rng(0)
    with torch.inference_mode():
        read = read_prompts(model, prompts, lambda first, logits: None)
        prefixes, ids = no_prefixes(read), [()] * len(prompts)
        # Even, skewed to one prompt, unchanged in number (which overwrites in place), and fewer.
        for chosen in ([0, 1, 2, 3], [0, 0, 0, 0, 0, 0, 2, 3], range(8), range(8), range(8), [1, 6], [0, 1]):
            parents, tokens = np.array(chosen), random.integers(0, 50, len(chosen))
            ids = [(*ids[p], int(t)) for p, t in zip(parents, tokens, strict=True)]
            prefixes, passes = grow(model, read, prefixes, parents, tokens, reuse=True)
            for rows, logits in passes:
                for row, values in zip(range(rows.start, rows.stop), logits, strict=True):
                    whole = torch.tensor([[*prompts[prefixes.prompts[row]], *ids[row]]])
                    torch.testing.assert_close(
                        values, model(input_ids=whole).logits[0, -1], atol=1e-4, rtol=1e-4
                    )


def measured(epsilon: float, phase: str = "after", rounds: int = 400) -> SplitResult:
    tokenizer, model = tiny_tokenizer(), tiny_model(spread=0.35)
    spec = tiny_spec({"exact_epsilon": epsilon, "rounds": rounds, "max_new_tokens": 2})
    rows = model.get_output_embeddings().weight
    steering = choose_steering_tokens(tokenizer, rows, spec.attribute) if phase == "after" else None
    with torch.no_grad():
        # Bias towards "male" and "female", so that answers name categories.
        for word in (" male", " female"):
            rows[tokenizer.encode(word)[0]] *= 3
    return measure_split(
        Subject(model, tokenizer, steering, phase, tuned=phase == "after"),
        spec,
        "heldout_templates",
        lambda *_: None,
    )


def test_a_split_has_exact_figures_that_its_rounds_agree_with() -> None:
    result = measured(0.001)

    assert 0 < result.exact_bound < 1
    for context in result.contexts:
        naming = sum(context.exact)
        assert naming > 0.02
        assert naming + context.exact_bound <= 1 + 1e-6
        for k, p in enumerate(context.exact):
            share = context.realized[k] * (context.rounds - context.unclassified) / context.rounds
            noise = 4 * (0.25 / context.rounds) ** 0.5
            assert p - noise <= share <= p + context.exact_bound + noise
    whole = [sum(c.exact) + c.exact_bound for c in result.contexts]
    assert np.mean(whole) + result.exact_unclassified == pytest.approx(1, abs=1e-6)
    gaps = [
        abs(q - p / sum(c.exact)) for c in result.contexts for q, p in zip(c.target, c.exact, strict=True)
    ]
    assert result.exact_mae == pytest.approx(np.mean(gaps))


@pytest.mark.parametrize(("epsilon", "phase"), [(0, "after"), (0.001, "before")])
def test_it_is_none_where_it_was_not_measured(epsilon: float, phase: str) -> None:
    result = measured(epsilon, phase, rounds=10)

    assert (result.exact_mae, result.exact_unclassified, result.exact_bound) == (None, None, None)
    assert all((c.exact, c.exact_bound) == (None, None) for c in result.contexts)


def test_stop_ids_are_never_part_of_an_answer(model: LlamaForCausalLM) -> None:
    assert all(STOP not in a.ids for a in expand(model, Expansion(0.0, UNCAPPED)))
    assert stop_ids(Subject(tiny_model(), tiny_tokenizer(), None, "after"))
