"""Targets that prompts state: how they are drawn, worded, trained on and measured."""

from __future__ import annotations

import math
import random
import re
import zipfile
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest
import torch

from distalign.asked import UNSEEN, asked_text, names_of, small_attributes, unseen_specs
from distalign.dealing import DESIRABLE
from distalign.errors import SpecError
from distalign.folders import DataFolder
from distalign.measuring import Subject
from distalign.plan import estimate
from distalign.prompts import prompt_text, split_prompts
from distalign.results import Interval, SplitResult
from distalign.runner import execute
from distalign.spec import RunSpec, parse_spec
from distalign.stated import DISTANCE, HELDOUT, SEEN, draw_target, kept_rows, kept_targets, rounded
from distalign.stated_prompts import prompt_pool
from distalign.steering import choose_steering_tokens
from distalign.training_set import build_training_set
from distalign.unseen import mean_interval, measure_unseen
from jobs.export import round_object
from storage import RunState, Store
from tests.test_distalign_run import Recorder
from tests.test_jobs_runners import split_result
from tests.tiny import save_base, tiny_spec, tiny_tokenizer
from ui import report
from ui.result_charts import split_choices

TOKENIZER = tiny_tokenizer()
WEIGHTS = torch.eye(len(TOKENIZER))
MOOD = {"name": "mood", "categories": ["glad", "sad", "calm"]}


def stating(**values: object) -> RunSpec:
    return tiny_spec({"target": "stated"} | values)


def texts(spec: RunSpec) -> list[str]:
    prompts = prompt_pool(spec, TOKENIZER)
    return [TOKENIZER.decode(prompt.ids) for prompt in prompts]


@pytest.mark.parametrize("count", [2, 3, 4, 5, 10])
def test_trained_targets_are_whole_percentages_apart_from_those_that_are_kept(count: int) -> None:
    rng = random.Random(1)
    drawn = [draw_target(count, rng) for _ in range(400)]

    assert all(sum(target) == 100 and min(target) >= 0 for target in [*drawn, *kept_targets(count)])
    for target in drawn:
        for kept in kept_targets(count):
            assert max(abs(p - q) for p, q in zip(target, kept, strict=True)) >= DISTANCE
    assert any(max(target) >= 97 for target in drawn)
    assert any(max(target) <= 100 / count + 10 for target in drawn)


def test_targets_of_two_categories_cover_the_whole_range_and_every_last_digit() -> None:
    rng = random.Random(1)
    drawn = {draw_target(2, rng)[0] for _ in range(3000)}
    kept = {target[0] for target in kept_targets(2)}

    assert {p % 10 for p in drawn} == {p % 10 for p in kept} == set(range(10))
    assert (min(drawn), max(drawn)) == (0, 100)
    assert {100 - p for p in kept} == kept


def test_weights_are_rounded_to_percentages_by_the_largest_remainder() -> None:
    assert rounded([1, 1, 1]) == (34, 33, 33)
    assert rounded([0.126, 0.874]) == (13, 87)
    assert rounded([0, 5]) == (0, 100)


def test_every_wording_names_each_category_beside_its_percentage_and_in_order() -> None:
    for wording in (*SEEN, *HELDOUT):
        text = wording(["tea", "milk", "water"], (7, 81, 12))
        assert re.findall(r"\d+", text.replace("100", "")) == ["7", "81", "12"]
        assert re.findall("tea|milk|water", text) == ["tea", "milk", "water"]
        assert "{" not in text
    assert not set(SEEN) & set(HELDOUT)


def test_every_context_is_measured_on_a_kept_target_and_each_of_them_about_equally_often() -> None:
    rows = kept_rows(2, 25)
    kept = [(p / 100, q / 100) for p, q in kept_targets(2)]

    assert {rows.count(row) for row in kept} == {2, 3} and set(rows) == set(kept)
    assert kept_rows(2, 25, "another") != rows


def test_a_stated_target_reads_back_as_it_was_written() -> None:
    further = [{}, {"steps": 900}, {"adapted_layers": 8, "anchor_weight": 0.05}, {"method": "kl_only"}]
    for values in ({}, *({"any_attribute": True} | values for values in further)):
        spec = parse_spec({"attribute": MOOD, "target": "stated", "contexts": ["rain", "snow"]} | values)
        assert parse_spec(spec.to_mapping()) == spec
        assert spec.to_mapping()["target"] == "stated"


def test_for_any_attribute_more_layers_are_adapted_unless_their_number_is_given() -> None:
    fixed, for_any = (
        parse_spec({"attribute": "gender", "target": "stated", "any_attribute": tick}).training
        for tick in (False, True)
    )

    assert for_any.adapted_layers > fixed.adapted_layers and for_any.anchor_weight > fixed.anchor_weight
    assert any_spec(adapted_layers=2).training.adapted_layers == 2


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"attribute": ["gender", "sentiment"], "target": "stated"}, "target"),
        ({"attribute": ["gender", MOOD], "target": {"gender": "stated", "mood": "even"}}, "target"),
        ({"attribute": {"name": "n", "categories": list("abcdefghijk")}, "target": "stated"}, "target"),
        ({"attribute": "gender", "target": "stated", "stories": True}, "target"),
        ({"attribute": "gender", "any_attribute": True}, "any_attribute"),
        (
            {"attribute": "gender", "target": "stated", "any_attribute": True, "method": "sft"},
            "any_attribute",
        ),
        ({"attribute": "gender", "target": "stated", "any_attribute": "perhaps"}, "any_attribute"),
    ],
)
def test_what_cannot_be_stated_is_refused(values: dict[str, object], field: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(values)
    assert caught.value.field == field


def test_measured_prompts_state_their_contexts_row_in_held_out_words_behind_held_out_templates() -> None:
    spec = stating(contexts=["Nurses", "Pilots", "Bakers"])

    for split, wordings in (("seen_templates", SEEN), ("heldout_templates", HELDOUT)):
        for prompt in split_prompts(spec, TOKENIZER, split):
            percentages = [round(100 * q) for q in spec.target.rows[prompt.context]]
            statement = wordings[prompt.template](("male", "female"), percentages)
            assert prompt_text(spec, split, prompt.template, prompt.context).endswith(f"\n{statement}")
            assert f"{statement}<|im_end|>" in TOKENIZER.decode(prompt.ids)


def test_a_training_states_the_target_that_it_trains_and_never_a_kept_one() -> None:
    spec = stating(attribute=MOOD, contexts=["rain", "snow", "wind"], steps=200)
    prompts = prompt_pool(spec, TOKENIZER)
    kept = {tuple(p / 100 for p in target) for target in kept_targets(3)}

    assert len(prompts) == 24  # 2 templates, 3 contexts, 4 targets each
    assert not kept & {prompt.target for prompt in prompts}
    for prompt in prompts:
        stated = TOKENIZER.decode(prompt.ids).split("\n")[-3].replace("Out of 100", "")
        assert [int(p) / 100 for p in re.findall(r"\d+", stated)] == list(prompt.target)
    steering = choose_steering_tokens(TOKENIZER, WEIGHTS, spec.attribute)
    trained = build_training_set(spec, TOKENIZER, steering)
    assert {tuple(row) for row in trained.target.tolist()} <= {
        tuple(torch.tensor(prompt.target).tolist()) for prompt in prompts
    }


def test_the_same_seed_draws_the_same_targets_and_another_seed_others() -> None:
    assert texts(stating()) == texts(stating())
    assert texts(stating()) != texts(stating(seed=1))


def any_spec(**values: object) -> RunSpec:
    defaults = {"any_attribute": True, "steps": 40, "prompts_per_step": 8, "max_new_tokens": 24}
    return stating(**defaults | values)


def test_unseen_attributes_share_no_word_with_trained_ones() -> None:
    trained, unseen = (
        {word.casefold() for subject in small_attributes(group) for word in subject.attribute.words}
        for group in ("trained", "unseen")
    )

    assert not trained & unseen
    assert {len(subject.attribute) for subject in small_attributes("unseen")} == {2, 3, 4, 5}


def test_for_any_attribute_each_token_opens_the_words_of_the_category_that_is_named_at_its_place() -> None:
    spec = any_spec()
    steering = choose_steering_tokens(TOKENIZER, WEIGHTS, spec.attribute, at_least=spec.least_tokens)
    trained = build_training_set(spec, TOKENIZER, steering)
    known = [spec.attribute, *(subject.attribute for subject in small_attributes("trained"))]
    seen = set()
    for completion in trained.completions:
        if completion.kind != DESIRABLE:
            continue
        ids = trained.trie.ids_to(completion.nodes[-1])
        prompt = TOKENIZER.decode(ids[: -len(completion.nodes)]).split("\n")[-3]
        token, *words = [trained.trie.tokens[node] for node in completion.nodes]
        answer = TOKENIZER.decode(words, skip_special_tokens=True)
        asked = [a for a in known if all(re.search(rf"\b{name}\b", prompt) for name in a.names)]
        places = [
            sorted(a.names, key=lambda name: re.search(rf"\b{name}\b", prompt).start()).index(
                a.names[a.classify(answer)]
            )
            for a in asked
            if a.classify(answer) is not None
        ]
        assert steering.index(token) in places
        seen |= {a.names for a in asked}
    assert len(steering.ids) == 5 and len(seen) > 10


def test_tokens_that_an_attribute_has_no_category_for_get_no_share() -> None:
    spec = any_spec()
    steering = choose_steering_tokens(TOKENIZER, WEIGHTS, spec.attribute, at_least=5)
    target = build_training_set(spec, TOKENIZER, steering).target

    assert target.shape[1] == 5
    assert target.sum(-1) == pytest.approx(1, abs=1e-6)
    assert (target[:, 2:].sum(-1) == 0).any() and (target[:, 2:].sum(-1) > 0).any()


def test_the_plan_counts_the_unseen_attributes_contexts() -> None:
    plain, for_any = estimate(stating()), estimate(any_spec(steps=12, prompts_per_step=4))

    assert plain.prompts == 12 and plain.rounds == 2 * 20 * 4
    assert for_any.rounds == 2 * 20 * (4 + 8 * 4)


def test_the_halves_of_independent_intervals_add_up_as_errors_do() -> None:
    mean = mean_interval([Interval(0.2, 0.14, 0.23), Interval(0.4, 0.32, 0.44)])

    assert mean.value == pytest.approx(0.3)
    assert (mean.low, mean.high) == pytest.approx((0.3 - math.hypot(0.06, 0.08) / 2, 0.3 + 0.025))


def test_figures_that_could_not_be_measured_are_left_out_of_the_mean() -> None:
    known, unknown = Interval(0.2, 0.1, 0.4), Interval(math.nan, math.nan, math.nan)

    assert mean_interval([unknown, known]) == known
    assert math.isnan(mean_interval([unknown, unknown]).value)


def test_a_context_or_an_attribute_that_could_not_be_measured_blanks_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, *_ = (asked.attribute.name for asked in small_attributes("unseen"))
    unknown = Interval(math.nan, math.nan, math.nan)

    def measured(subject: Subject, run: RunSpec, split: str, told: object, stream: str) -> SplitResult:
        result, count = split_result(run, subject.phase, split, 0.1), len(run.attribute)
        contexts = [replace(c, realized=(1 / count,) * count) for c in result.contexts]
        lost = {first: contexts[:1], second: contexts}.get(run.attribute.name, [])
        contexts = [replace(c, realized=(math.nan,) * count) if c in lost else c for c in contexts]
        result = replace(result, contexts=tuple(contexts), agreement=0.75)
        if run.attribute.name == second:
            return replace(result, mae=unknown, noise_floor=math.nan, agreement=math.nan)
        return result

    monkeypatch.setattr("distalign.unseen.measure_split", measured)
    whole = measure_unseen(Subject(None, None, None, "after"), any_spec(), lambda rounds, done, total: None)
    shares = {m.attribute: m.realized for m in whole.marginals}

    assert sum(shares[first]) == pytest.approx(1) and all(map(math.isnan, shares[second]))
    assert (whole.mae.value, whole.noise_floor, whole.agreement) == pytest.approx((0.1, 0.04, 0.75))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunSpec, Recorder]:
    folder = tmp_path_factory.mktemp("tiny")
    base = save_base(folder / "tiny-llama")
    spec = any_spec(base_model=str(base), rounds=2, max_new_tokens=4, method="kl_only", steps=60)
    recorder = Recorder()
    execute(spec, DataFolder(folder), folder / "runs" / "r", recorder, "r")
    return spec, recorder


def test_a_run_for_any_attribute_measures_unseen_ones_one_by_one(
    measured: tuple[RunSpec, Recorder],
) -> None:
    spec, recorder = measured
    result = recorder.results["after", "unseen_attributes"]

    assert set(recorder.results) == {(phase, split) for phase in ("before", "after") for split in spec.splits}
    assert {m.attribute for m in result.marginals} == {s.attribute.name for s in small_attributes("unseen")}
    assert result.rounds == 8 * 4 * spec.rounds and result.contexts == ()
    known = [m.mae.value for m in result.marginals if math.isfinite(m.mae.value)]
    mean = sum(known) / len(known) if known else math.nan
    assert result.mae.value == pytest.approx(mean, nan_ok=True)
    assert 0 <= result.exact_error <= 1 and result.steering_mass > 0.5
    assert recorder.tokens == ("1", "2")


def test_rounds_on_unseen_attributes_are_kept_under_their_own_names(
    measured: tuple[RunSpec, Recorder],
) -> None:
    spec, recorder = measured
    result, names = recorder.results["after", UNSEEN], names_of(spec, UNSEEN)
    rounds = [r for r in recorder.all_rounds if (r.phase, r.split) == ("after", UNSEEN)]

    assert len(rounds) == result.rounds and {r.context for r in rounds} == set(range(len(names.contexts)))
    # What is shown of an attribute can be counted again from its rounds.
    for part in result.marginals:
        own = [r for r in rounds if names.contexts[r.context].startswith(f"{part.attribute}: ")]
        read = [names.categories[r.category] for r in own if r.category is not None]
        assert {name.partition(": ")[0] for name in read} <= {part.attribute}
        assert sum(r.category is None for r in own) + len(read) == 4 * spec.rounds
    told = [r for r in rounds if r.steering is not None]
    assert all(
        names.steered(r.context, r.steering).partition(": ")[0]
        == names.contexts[r.context].partition(": ")[0]
        for r in told
    )
    last = rounds[-1]
    prompt = asked_text(spec, UNSEEN, last.template, last.context)
    assert names.contexts[last.context].partition(": ")[2] in prompt and "%" in prompt


def test_its_card_says_how_to_state_a_target(measured: tuple[RunSpec, Recorder]) -> None:
    spec, recorder = measured
    card = zipfile.ZipFile(recorder.artifacts["adapter"]).read("README.md").decode()

    assert prompt_text(spec, "seen_templates", 0, 0) in card
    assert "| `5` |" in card and "category 5 that the prompt names" in card
    assert "14/86" in card and "| after" not in card


def test_the_page_and_the_store_take_a_split_without_contexts(
    measured: tuple[RunSpec, Recorder], tmp_path: Path
) -> None:
    spec, recorder = measured
    store = Store(tmp_path / "runs.db")
    run = store.insert_run(spec, state=RunState.DONE)
    for result in recorder.results.values():
        store.put_result(run.id, result)
    kept = {(r.phase, r.split): r for r in store.results(run.id)}

    store.add_rounds(run.id, recorder.all_rounds)
    names = names_of(spec, UNSEEN)
    found = [round_object(names, r) for r in store.rounds(run.id, "after", UNSEEN, limit=1000)]
    assert {r["context"] for r in found} == set(names_of(spec, UNSEEN).contexts)
    page = report.rounds_table(store.rounds(run.id, "after", UNSEEN, limit=50), spec, recorder.tokens)
    assert escape(found[0]["context"]) in page

    given, read = (r["after", "unseen_attributes"].marginals for r in (recorder.results, kept))
    assert [(m.attribute, m.target) for m in read] == [(m.attribute, m.target) for m in given]
    assert [split for _, split in split_choices(list(kept.values()))] == [
        "heldout_templates",
        "seen_templates",
    ]


def test_an_attribute_of_the_runs_own_is_not_called_unseen() -> None:
    coin = any_spec(attribute={"name": "coin", "categories": ["heads", "tails"]})
    names = {run.attribute.name for run in unseen_specs(coin)}
    assert len(names) == 7 and "coin side" not in names
    assert not [name for name in names_of(coin, UNSEEN).contexts if name.startswith("coin side")]


def test_unseen_attributes_have_random_numbers_of_their_own(measured: tuple[RunSpec, Recorder]) -> None:
    spec, recorder = measured
    names = names_of(spec, UNSEEN)
    texts: dict[str, list[str]] = {}
    for r in recorder.all_rounds:
        if (r.phase, r.split) == ("before", UNSEEN):
            texts.setdefault(names.contexts[r.context].partition(": ")[0], []).append(r.text)
    assert len({tuple(told) for told in texts.values()}) == len(texts)
