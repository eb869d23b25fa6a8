"""Comparing runs: which belong to a dataset, what is missing, which figure is best, and the command line."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.made_up import finished_run
from distalign import published
from distalign.folders import DataFolder
from distalign.results import Interval, Round
from distalign.spec import parse_spec
from jobs.cli import main
from jobs.compare import (
    Entry,
    answers_of,
    best_of,
    by_context,
    compare,
    entries_of,
    entry_of,
    names_of,
    prompts_of,
    splits_of,
    wilson,
)
from jobs.compare_files import as_object, write
from jobs.datasets import (
    HOW,
    METHODS,
    Standing,
    compared_as,
    datasets,
    identity,
    in_method,
    name_of,
    published_mae,
    queue_missing,
    spec_of,
    standings,
)
from jobs.report import finite
from storage import RunState, Store, StoreError

UK_REAL = {"contexts": "uk-occupations"}
HELD_OUT = "heldout_templates"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    monkeypatch.setenv("DISTALIGN_DATA", str(tmp_path / "data"))
    data = DataFolder.from_environment()
    data.locks.mkdir(parents=True)
    return data


@pytest.fixture
def store(data: DataFolder) -> Store:
    return Store(data.database)


def made(store: Store, error: float = 0.02, **fields: Any):
    mapping = {"contexts": "uk-occupations", **fields}
    return finished_run(store, store.path.parent, mapping, error=error, steps=1, splits=(HELD_OUT,))


# Datasets


def test_the_papers_six_come_first_and_every_specification_is_there() -> None:
    names = list(datasets())
    assert names[:6] == list(published.ANSWERS)
    assert "stories/gender-uk-real" in names and "states-50" in names
    assert all(name_of(spec) == name for name, spec in datasets().items())


def test_a_file_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("attribute: gender\n")
    (tmp_path / "bad.yaml").write_text("attribute: 7\n")
    assert list(datasets(tmp_path)) == ["good"]


def test_runs_belong_to_a_dataset_whatever_their_method_seed_preset_and_knobs(store: Store) -> None:
    spec = datasets()["gender-uk-real"]
    for fields in ({"seed": 3}, {"preset": "paper"}, {"method": "sft"}, {"steps": 50}, {"name": "Mine"}):
        run = store.insert_run(parse_spec({"attribute": "gender", "target": "real"} | fields))
        assert name_of(run.spec) == "gender-uk-real"
    for fields in ({"rounds": 50}, {"target": "even"}, {"contexts": ["a", "b"], "target": "even"}):
        store.insert_run(parse_spec({"attribute": "gender", "target": "real"} | fields))
    done = store.claim()
    store.finish(done.id, RunState.DONE)
    # The newest of each method and state.
    assert [(run.method, run.title) for run in store.runs_alike(spec, HOW)] == [
        ("hybrid", "Mine"),
        ("sft", spec.title),
        ("hybrid", spec.title),
    ]


def test_a_run_stands_for_its_dataset_by_the_beginning_of_its_id(store: Store) -> None:
    run = store.insert_run(parse_spec({"attribute": "race", "contexts": ["x", "y"], "seed": 4}))
    assert spec_of(store, run.id[:6]) == run.spec
    with pytest.raises(StoreError, match=r"dataset: 'nowhere' is not known.*gender-uk-real"):
        spec_of(store, "nowhere")


def test_another_method_keeps_the_dataset_and_the_knobs_and_another_preset_drops_them() -> None:
    spec = parse_spec({"attribute": "gender", "method": "prompt", "few_shot": 4, "seed": 7})
    hybrid = parse_spec({"attribute": "gender", "steps": 50, "beta": 0.2, "seed": 7})
    sft = in_method(hybrid, "sft")
    assert (sft.method, sft.few_shot, sft.training.steps, sft.seed) == ("sft", 0, 50, 7)
    assert sft.training.beta == parse_spec({"attribute": "gender"}).training.beta
    assert identity(sft) == identity(spec)
    plain = in_method(spec, "prompt")
    assert (plain.method, plain.few_shot) == ("prompt", 0)
    # As many examples as the dataset's own, else those of the table of results.
    few = [in_method(one, "prompt_few_shot") for one in (spec, sft)]
    assert [(one.method, one.few_shot, compared_as(one)) for one in few] == [
        ("prompt", 4, "prompt_few_shot"),
        ("prompt", 8, "prompt_few_shot"),
    ]
    assert compared_as(plain) == "prompt"
    quick = in_method(spec, "hybrid", "quick")
    assert (quick.preset, quick.training) == (
        "quick",
        parse_spec({"attribute": "gender", "preset": "quick"}).training,
    )


def test_published_figures_belong_to_attribute_contexts_and_target() -> None:
    spec = parse_spec({"attribute": "gender", "target": "real", "rounds": 7, "seed": 2})
    assert published_mae(spec, HELD_OUT) == published.ANSWERS["gender-uk-real"]
    assert published_mae(spec, "stories") == published.STORIES["gender-uk-real"]
    assert published_mae(spec, "heldout_contexts") is None
    assert (
        published_mae(parse_spec({"attribute": "gender", "target": {"male": 0.4, "female": 0.6}}), HELD_OUT)
        is None
    )


# What is missing


def test_a_method_is_done_under_way_or_missing(store: Store) -> None:
    older, newer = made(store, method="hybrid"), made(store, method="hybrid", seed=1)
    waiting = store.insert_run(parse_spec({"attribute": "gender", "target": "real", "method": "sft"}))
    failed = store.insert_run(
        parse_spec({"attribute": "gender", "target": "real", "method": "dpo"}), state=RunState.RUNNING
    )
    store.finish(failed.id, RunState.FAILED, "no room")
    found = {s.method: s for s in standings(store, datasets()["gender-uk-real"])}
    assert list(found) == list(METHODS)
    assert found["hybrid"].done.id == newer.id != older.id
    assert found["sft"].waiting.id == waiting.id and not found["sft"].missing
    store.insert_run(waiting.spec, state=RunState.RUNNING)
    store.interrupt_running(lambda _: False)
    assert standings(store, waiting.spec, ("sft",))[0].waiting.id == waiting.id
    assert found["dpo"].missing and found["dpo"].latest.id == failed.id
    assert found["kl_only"].missing and found["prompt"].missing
    # Each run measures the base model first, which is what zero-shot is.
    assert found["zero_shot"].base.id == newer.id and not found["zero_shot"].missing


def test_examples_in_the_prompt_are_a_method_of_their_own(store: Store) -> None:
    spec = datasets()["gender-uk-real"]
    plain = made(store, method="prompt")
    few = made(store, method="prompt", few_shot=8)
    found = {s.method: s for s in standings(store, spec)}
    # The newer run does not hide the older one, and neither stands for the other.
    assert (found["prompt"].done.id, found["prompt_few_shot"].done.id) == (plain.id, few.id)
    newer = made(store, method="prompt", seed=1)
    fewer = made(store, method="prompt", few_shot=4)
    found = {s.method: s for s in standings(store, spec)}
    assert (found["prompt"].done.id, found["prompt_few_shot"].done.id) == (newer.id, fewer.id)
    entries = entries_of(list(found.values()), [few])
    assert [entry.method for entry in entries][-1] == entry_of(few).method == "prompt_few_shot"
    assert names_of(entries, {})[2:] == ["prompt_few_shot, 4 examples", "prompt_few_shot, 8 examples"]


@pytest.mark.usefixtures("commands")
def test_a_full_zero_shot_run_is_offered_where_a_borrowed_one_has_fewer_rounds(
    store: Store, data: DataFolder
) -> None:
    trained = made(store)

    def zero_shot() -> Standing:
        return standings(store, trained.spec, ("zero_shot",))[0]

    borrowed = zero_shot()
    assert borrowed.base.id == trained.id and borrowed.borrowed_rounds == (40, 100)
    assert borrowed.improvable and not borrowed.missing
    (queued,) = queue_missing(store, data, trained.spec, ("zero_shot", "hybrid"))
    assert queued.method == "zero_shot" and queued.spec.rounds == 100
    # Until it is done the borrowed figures stay, and it is queued once.
    assert zero_shot().waiting.id == queued.id and zero_shot().measured.id == trained.id
    assert not zero_shot().improvable
    assert queue_missing(store, data, trained.spec, ("zero_shot", "hybrid")) == []
    store.finish(store.claim().id, RunState.DONE)
    assert zero_shot().done.id == queued.id and zero_shot().borrowed_rounds is None


def test_a_base_model_that_was_measured_in_full_is_borrowed_first(store: Store) -> None:
    prompt = made(store, method="prompt")
    made(store)
    (found,) = standings(store, prompt.spec, ("zero_shot",))
    assert found.base.id == prompt.id and found.borrowed_rounds is None and not found.improvable
    few = made(store, rounds=30)
    (found,) = standings(store, few.spec, ("zero_shot",))
    assert found.base.id == few.id and not found.improvable


def test_a_line_has_the_rounds_that_were_measured(store: Store) -> None:
    trained = made(store)
    lines = compare(store, entries_of(standings(store, trained.spec)), HELD_OUT, {}).lines
    assert [(line.entry.borrowed, line.rounds_per_context) for line in lines] == [(True, 40), (False, 100)]
    (line,) = compare(store, [entry_of(trained)], "stories", {}).lines
    assert line.rounds_per_context is None


def test_a_method_that_cannot_do_a_dataset_is_not_missing(store: Store) -> None:
    found = {s.method: s for s in standings(store, datasets()["any-attribute"])}
    assert found["hybrid"].missing
    assert not found["sft"].missing and "steering tokens" in found["sft"].problem


@pytest.mark.usefixtures("commands")
def test_what_is_missing_is_queued_once(store: Store, data: DataFolder) -> None:
    made(store, method="hybrid")
    spec = datasets()["gender-uk-real"]
    methods = ("hybrid", "sft", "dpo", "prompt_few_shot")
    queued = queue_missing(store, data, spec, methods, "quick")
    again = queue_missing(store, data, spec, methods, "quick")
    assert [run.method for run in queued] == ["sft", "dpo", "prompt"] and again == []
    assert queued[-1].spec.few_shot == 8
    assert {(run.state, run.spec.preset, name_of(run.spec)) for run in queued} == {
        (RunState.QUEUED, "quick", "gender-uk-real")
    }


# Figures


def around(value: float, half: float) -> Interval:
    return Interval(value, value - half, value + half)


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([around(0.2, 0.01), around(0.1, 0.02), around(0.3, 0.01)], 1),
        ([around(0.2, 0.01), around(0.1, 0.1), around(0.3, 0.01)], None),
        ([around(0.1, 0.01), around(0.12, 0.01)], None),
        ([around(0.1, 0.001), None, around(0.2, 0.001)], 0),
        ([around(0.1, 0.01)], None),
        ([around(math.nan, 0.01), around(0.1, 0.001)], None),
        ([around(0.1, math.nan), around(0.3, 0.001)], None),
        ([], None),
    ],
)
def test_best_is_only_what_lies_below_all_others(values: list[Interval | None], best: int | None) -> None:
    assert best_of(values) == best


def test_wilsons_interval() -> None:
    # Worked by hand for 10 of 100: (0.10 + 0.0192 ± 1.96·√(0.0009 + 0.000096)) / 1.0384.
    rate = wilson(0.1, 100)
    assert (rate.low, rate.high) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert wilson(0.0, 50).low == 0.0 and 0.05 < wilson(0.0, 50).high < 0.08
    assert math.isnan(wilson(0.0, 0).low)


def test_a_comparison_marks_the_best_and_names_what_differs(store: Store) -> None:
    good, bad = made(store, error=0.01), made(store, error=0.2, method="sft", preset="standard", seed=5)
    found = standings(store, good.spec, ("zero_shot", "sft", "hybrid"))
    comparison = compare(store, entries_of(found), HELD_OUT, {"sft": "Fine-tuning"})
    assert [line.name for line in comparison.lines] == ["zero_shot", "Fine-tuning", "hybrid"]
    assert comparison.lines[0].entry.run.id == bad.id and comparison.lines[0].seconds == (None, None)
    assert comparison.best["mae"] == 2 and comparison.best["side_effects"] is None
    assert comparison.published == 0.084 and comparison.same_data
    assert set(comparison.differ) == {"preset", "seed"}
    worst, *_, least = by_context(comparison).values()
    assert sum(r.mae for r in worst) > sum(r.mae for r in least)
    assert splits_of(store, entries_of(found)) == [HELD_OUT]


def test_runs_on_other_data_stand_side_by_side_without_a_best(store: Store) -> None:
    runs = [made(store, error=0.01), made(store, error=0.3, target="even")]
    comparison = compare(store, [entry_of(run) for run in runs], HELD_OUT, {})
    assert not comparison.same_data and "target" in comparison.differ
    assert set(comparison.best.values()) == {None}
    assert set(by_context(comparison)) == set(runs[0].spec.contexts.names)


def test_how_a_run_trained_is_no_difference_to_its_base_model(store: Store) -> None:
    quick, standard = made(store, preset="quick"), made(store, preset="standard", steps=90)
    before = Entry(standard, "before", "zero_shot")
    assert compare(store, [entry_of(quick), before], HELD_OUT, {}).differ == ()
    assert compare(store, [entry_of(quick), entry_of(standard)], HELD_OUT, {}).differ == ("preset", "steps")


def test_runs_differ_only_in_fields_that_they_read(store: Store) -> None:
    def differ(*runs: dict[str, Any]) -> tuple[str, ...]:
        entries = [entry_of(made(store, **fields)) for fields in runs]
        comparison = compare(store, entries, HELD_OUT, {})
        assert comparison.same_data
        return comparison.differ

    hybrid = {"beta": 0.3, "steering": "special", "precision": "float32"}
    assert differ({**hybrid}, {"method": "sft"}) == ("precision",)
    assert differ({**hybrid}, {"method": "kl_only"}) == ("steering", "precision")
    assert differ({"beta": 0.3}, {"method": "dpo"}, {"method": "zero_shot"}) == ("beta",)
    # A kind of its own among the compared methods.
    prompt = {"method": "prompt", "preset": "standard"}
    assert differ({}, prompt, prompt | {"few_shot": 8}) == ()
    assert differ(prompt | {"few_shot": 4}, prompt | {"few_shot": 8}) == ("few_shot",)
    # No figure of a comparison is an exact one.
    assert differ({"exact_epsilon": 0}, {"method": "zero_shot"}) == ()
    assert differ({"exact_epsilon": 0}, {"method": "sft"}) == ("exact_epsilon",)


def test_a_run_is_not_named_by_what_it_does_not_read(store: Store) -> None:
    specs = [{"preset": preset, "name": "x"} for preset in ("quick", "standard")]
    for method, told in {"zero_shot": "run", "sft": "quick"}.items():
        runs = [
            store.insert_run(parse_spec({"attribute": "gender", "method": method} | one)) for one in specs
        ]
        assert f", {told}" in names_of([entry_of(run) for run in runs], {})[0]


def test_an_example_is_told_from_a_run_by_how_it_was_made(store: Store) -> None:
    specs = [{"preset": "quick"}, {"preset": "standard"}]
    own, example = (store.insert_run(parse_spec({"attribute": "gender"} | fields)) for fields in specs)
    store.rename(example.id, f"Example: {own.title}")
    names = names_of([entry_of(own), entry_of(store.run(example.id))], {"hybrid": "Hybrid"})
    assert names == ["Hybrid, quick", "Hybrid, standard"]


def test_runs_of_one_method_are_named_by_what_tells_them_apart(store: Store) -> None:
    specs = [{"seed": 0}, {"seed": 1}, {"seed": 1, "preset": "quick"}, {"method": "sft"}]
    runs = [store.insert_run(parse_spec({"attribute": "gender"} | fields)) for fields in specs]
    twin = store.insert_run(runs[0].spec)
    names = names_of([entry_of(run) for run in [*runs, twin]], {"hybrid": "Hybrid"})
    assert names == [
        f"Hybrid, standard, seed 0, run {runs[0].id[:6]}",
        "Hybrid, standard, seed 1",
        "Hybrid, quick, seed 1",
        "sft",
        f"Hybrid, standard, seed 0, run {twin.id[:6]}",
    ]


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ({"learning_rate": 0.001}, {"learning_rate": 0.02}, ["learning rate 0.001", "learning rate 0.02"]),
        (
            {"steering": "special"},
            {"seed": 1},
            ["special steering tokens", "visible steering tokens"],
        ),
        ({"kto_over": "completion", "seed": 3}, {}, ["kto over completion", "kto over response"]),
        # The preset says how many steps there are.
        ({"preset": "quick"}, {"preset": "standard"}, ["quick", "standard"]),
        # Knobs that were not used tell nothing apart.
        (
            {"method": "prompt", "steps": 50, "seed": 1},
            {"method": "prompt"},
            ["seed 1", "seed 0"],
        ),
    ],
)
def test_runs_of_one_method_are_told_apart_by_how_they_were_made(
    store: Store, one: dict[str, Any], other: dict[str, Any], told: list[str]
) -> None:
    runs = [store.insert_run(parse_spec({"attribute": "gender"} | fields)) for fields in (one, other)]
    names = names_of([entry_of(run) for run in runs], {})
    assert [name.partition(", ")[2] for name in names] == told


def test_the_same_prompt_is_found_by_its_words(store: Store) -> None:
    runs = [made(store), made(store, method="zero_shot")]
    comparison = compare(store, [entry_of(run) for run in runs], HELD_OUT, {})
    context = runs[0].spec.contexts.names[2]
    prompt = prompts_of(runs[0].spec, HELD_OUT, 2)[1]
    for line in comparison.lines:
        answers = answers_of(store, line, HELD_OUT, context, prompt)
        own = [
            r
            for r in store.rounds(line.entry.run.id, line.entry.phase, HELD_OUT, context=2, limit=200)
            if r.template == 1
        ]
        assert sum(a.times for a in answers) == answers[0].of == len(own) > 5
        assert [a.times for a in answers] == sorted((a.times for a in answers), reverse=True)
        texts = [r.text for r in own]
        assert all(a.times == texts.count(a.text) for a in answers)
    assert answers_of(store, comparison.lines[0], HELD_OUT, context, "Something else?") is None
    assert answers_of(store, comparison.lines[0], HELD_OUT, "nobody", prompt) is None


# The command line


def run_json(capsys: pytest.CaptureFixture, *arguments: str) -> dict[str, Any]:
    assert main(["compare", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_runs_are_compared_in_json(store: Store, capsys: pytest.CaptureFixture) -> None:
    good, bad = made(store, error=0.01), made(store, error=0.2, method="sft")
    found = run_json(capsys, good.id[:6], bad.id)
    assert [line["run_id"] for line in found["lines"]] == [good.id, bad.id]
    stored = store.result(good.id, "after", HELD_OUT)
    assert found["lines"][0]["mae"] == stored.mae.value and found["lines"][0]["mae_low"] == stored.mae.low
    assert found["best"]["mae"] == "hybrid" and found["published"]["mae"] == 0.084
    first = found["contexts"][0]["lines"][0]
    assert set(first["target"]) == {"male", "female"} and first["noise_floor"] > 0
    assert found["missing"] == [] and found["lines"][0]["side_effects"]["kl"] == 0.06


def test_a_comparison_is_written_as_csv_and_json(store: Store, tmp_path: Path) -> None:
    good, bad = made(store, error=0.01), made(store, error=0.2, method="sft")
    for name in ("found.csv", "found.json"):
        assert main(["compare", good.id, bad.id, "--out", str(tmp_path / name)]) == 0

    with (tmp_path / "found.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    contexts = good.spec.contexts.names
    assert len(rows) == 2 * len(contexts) * 2
    (row,) = [
        r for r in rows if (r["run_id"], r["context"], r["category"]) == (bad.id, contexts[1], "female")
    ]
    stored = store.result(bad.id, "after", HELD_OUT).contexts[1]
    assert (float(row["target"]), float(row["realized"])) == (stored.target[1], stored.realized[1])
    assert float(row["mae"]) == stored.mae and row["method"] == "sft" and row["split"] == HELD_OUT
    assert (float(row["low"]), float(row["high"])) == (stored.low[1], stored.high[1])
    assert float(row["floor_low"]) <= stored.target[1] <= float(row["floor_high"])
    assert float(row["ratio"]) == stored.mae / stored.noise_floor
    assert (int(row["rounds"]), int(row["unclassified"])) == (100, stored.unclassified)
    whole = json.loads((tmp_path / "found.json").read_text())
    assert [line["run_id"] for line in whole["lines"]] == [good.id, bad.id]


def test_a_summary_has_what_the_table_shows(store: Store, tmp_path: Path) -> None:
    made(store, error=0.2, method="sft")
    good = made(store, error=0.01)
    path = tmp_path / "summary.csv"
    methods = ["--methods", "zero_shot", "sft", "hybrid"]
    assert main(["compare", "--dataset", "gender-uk-real", *methods, "--out", str(path), "--summary"]) == 0
    with path.open(newline="") as file:
        base, worse, row = csv.DictReader(file)
    result, effects = store.result(good.id, "after", HELD_OUT), store.side_effects(good.id)
    for name in ("mae", "ratio", "kl"):
        stored = getattr(result, name)
        ends = stored.value, stored.low, stored.high
        assert tuple(float(row[f"{name}{end}"]) for end in ("", "_low", "_high")) == ends
    rate = wilson(result.unclassified, result.rounds)
    assert (float(row["unclassified"]), float(row["unclassified_high"])) == (rate.value, rate.high)
    assert float(row["noise_floor"]) == result.noise_floor and row["rounds_per_context"] == "100"
    assert (float(row["side_effects_kl"]), float(row["side_effects_kl_high"])) == (0.06, 0.07)
    assert float(row["perplexity_after"]) == effects.perplexity_after
    assert (float(row["train_seconds"]), float(row["sample_seconds"])) == (87.0, 64.0)
    assert float(row["published_mae"]) == 0.084 and row["published_source"] == published.SOURCE
    assert row["best"].split(", ")[:3] == ["mae", "ratio", "kl"] and worse["best"] == ""
    assert (base["method"], base["borrowed"], base["rounds_per_context"]) == ("zero_shot", "True", "40")
    assert base["side_effects_kl"] == base["train_seconds"] == base["sample_seconds"] == ""


def test_json_has_what_the_charts_show(store: Store, capsys: pytest.CaptureFixture) -> None:
    run = made(store)
    (first, *_) = run_json(capsys, run.id)["contexts"]
    stored = store.result(run.id, "after", HELD_OUT).contexts[run.spec.contexts.names.index(first["context"])]
    (line,) = first["lines"]
    for name in ("target", "realized", "low", "high"):
        assert tuple(line[name].values()) == getattr(stored, name)
    for k, name in enumerate(("male", "female")):
        assert (line["floor_low"][name], line["floor_high"][name]) == stored.noise_band(k)
    assert line["ratio"] == stored.mae / stored.noise_floor and line["rounds"] == 100


def test_a_context_without_a_classified_answer_is_written_all_the_same(store: Store, tmp_path: Path) -> None:
    run = made(store)
    comparison = compare(store, [entry_of(run)], HELD_OUT, {})
    (line,) = comparison.lines
    nan = (math.nan, math.nan)
    lost = replace(
        line.result.contexts[0],
        unclassified=100,
        realized=nan,
        low=nan,
        high=nan,
        mae=math.nan,
        noise_floor=0.0,
    )
    result = replace(line.result, contexts=(lost,))
    comparison = replace(comparison, lines=(replace(line, result=result),))
    write(comparison, tmp_path / "found.csv")
    with (tmp_path / "found.csv").open(newline="") as file:
        male, female = csv.DictReader(file)
    assert male["realized"] == female["low"] == male["ratio"] == "" and male["unclassified"] == "100"
    assert json.dumps(finite(as_object(comparison)), allow_nan=False)


@pytest.mark.usefixtures("commands")
def test_what_a_dataset_lacks_is_told_and_queued(
    store: Store, data: DataFolder, capsys: pytest.CaptureFixture
) -> None:
    made(store)
    arguments = ["--dataset", "gender-uk-real", "--methods", "hybrid", "prompt", "zero_shot"]
    found = run_json(capsys, *arguments)
    assert found["missing"] == ["prompt"] and found["queued"] == []
    assert found["methods"]["zero_shot"]["state"] == "done" and found["fewer_rounds"] == ["zero_shot"]
    assert [(line["rounds_per_context"], line["borrowed"]) for line in found["lines"]] == [
        (40, True),
        (100, False),
    ]
    found = run_json(capsys, *arguments, "--queue-missing", "--preset", "quick")
    queued, zero_shot = sorted(found["queued"], key=lambda run_id: store.run(run_id).method)
    assert found["methods"]["zero_shot"] == {"state": "queued", "run_id": zero_shot, "problem": None}
    assert found["fewer_rounds"] == [] and len(found["lines"]) == 2
    assert found["missing"] == [] and found["methods"]["prompt"] == {
        "state": "queued", "run_id": queued, "problem": None,
    }  # fmt: skip
    assert (store.run(queued).method, store.run(queued).spec.preset) == ("prompt", "quick")


@pytest.mark.usefixtures("commands")
def test_few_shot_prompting_is_named_and_queued_on_the_command_line(
    store: Store, capsys: pytest.CaptureFixture
) -> None:
    made(store, method="prompt")
    arguments = ["compare", "--dataset", "gender-uk-real", "--methods", "prompt", "prompt_few_shot"]
    assert main([*arguments, "--queue-missing"]) == 0
    out = capsys.readouterr().out
    (queued,) = store.runs(1)
    assert f"{queued.id} queued: prompt_few_shot" in out and queued.spec.few_shot == 8
    store.finish(store.claim().id, RunState.DONE)
    found = run_json(capsys, *arguments[1:])
    assert [line["method"] for line in found["lines"]] == ["prompt", "prompt_few_shot"]


def test_the_table_says_what_it_shows(store: Store, capsys: pytest.CaptureFixture) -> None:
    good = made(store, error=0.01)
    made(store, error=0.2, method="sft")
    context = good.spec.contexts.names[0]
    assert (
        main(["compare", "--dataset", good.id, "--methods", "sft", "hybrid", "dpo", "--context", context])
        == 0
    )
    out = capsys.readouterr().out
    assert "On held-out templates" in out and "Missing: dpo" in out
    assert "Best published MAE: 0.084" in out and " *" in out
    assert "of 1" in out and "The gender is" in out


def test_the_answers_to_a_prompt_are_told_with_what_they_are_read_as(
    store: Store, capsys: pytest.CaptureFixture
) -> None:
    run = made(store)
    context = run.spec.contexts.names[0]
    store.add_rounds(run.id, [Round("after", HELD_OUT, 0, 0, 9, 0, None, "I cannot say.")])
    (answers,) = run_json(capsys, run.id, "--context", context)["answers"].values()
    assert {answer["category"] for answer in answers} == {"male", "female", None}
    for answer in answers:
        assert answer["category"] is None or answer["category"] in answer["text"]
    assert main(["compare", run.id, "--context", context]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.split()[3] == "female" and "The gender is female" in line for line in lines if " of 1" in line
    )
    assert any("(unclassified)" in line and "I cannot say." in line for line in lines)


def test_of_many_different_answers_a_person_is_shown_some_and_json_has_all(
    store: Store, capsys: pytest.CaptureFixture
) -> None:
    run = made(store)
    context = run.spec.contexts.names[0]
    rounds = [Round("after", HELD_OUT, 0, 0, 200 + n, 0, 0, f"male, number {n}") for n in range(25)]
    store.add_rounds(run.id, rounds)
    (answers,) = run_json(capsys, run.id, "--context", context)["answers"].values()
    assert {f"male, number {n}" for n in range(25)} <= {answer["text"] for answer in answers}
    assert sum(answer["times"] for answer in answers) == answers[0]["of"]
    assert main(["compare", run.id, "--context", context]) == 0
    rest = sum(answer["times"] for answer in answers[20:])
    assert f"{rest} of {answers[0]['of']} not shown; --json has them" in capsys.readouterr().out


def test_a_borrowed_line_says_whose_it_is_and_how_many_rounds_it_has(
    store: Store, capsys: pytest.CaptureFixture
) -> None:
    run = made(store)
    assert main(["compare", "--dataset", run.id, "--methods", "zero_shot", "hybrid"]) == 0
    out = capsys.readouterr().out
    assert f"zero_shot: 40 rounds a context, measured before the training of run {run.id}" in out
    assert "zero_shot has 40 of 100 rounds a context. Queue a full run with --queue-missing" in out
    assert [line.split()[2] for line in out.splitlines() if line.startswith(("zero_shot  ", "hybrid  "))] == [
        "40",
        "100",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "RUN: none is given"),
        (["nothing"], "run: 'nothing' is not known"),
        (["--dataset", "gender-xx"], "dataset: 'gender-xx' is not known"),
        (["RUN", "--queue-missing"], "--queue-missing: is given without a dataset"),
        (["RUN", "--split", "none"], "invalid choice"),
        (["RUN", "--context", "nobody"], "--context: 'nobody' is in none of the runs"),
        (["RUN", "--context", "cafe\u0301"], "--context: 'café' is in none of the runs"),
        (["RUN", "--prompt", "2"], "--prompt: is given without a context"),
        (["RUN", "--preset", "quick"], "--preset: is given without --queue-missing"),
        (["RUN", "--split", "unseen_attributes", "--context", "CONTEXT"], "--context: on unseen attributes"),
        (["RUN", "--out", "found.xls"], "--out: 'found.xls' has no known ending"),
        (["RUN", "--summary"], "--summary: is given without a file"),
        (["RUN", "--summary", "--out", "found.json"], "--summary: 'found.json' is not a CSV file"),
        (["RUN", "--context", "CONTEXT", "--prompt", "99"], "--prompt: 99 is out of range"),
    ],
)
def test_mistakes_are_one_line(
    store: Store, capsys: pytest.CaptureFixture, arguments: list[str], told: str
) -> None:
    run = made(store)
    words = {"RUN": run.id, "CONTEXT": run.spec.contexts.names[0]}
    try:
        code = main(["compare", *(words.get(a, a) for a in arguments)])
    except SystemExit as error:
        code = error.code
    assert code == 2
    err = capsys.readouterr().err
    assert told in err and err.count("\n") == 1


@pytest.mark.usefixtures("commands")
def test_a_file_with_a_model_beside_it_is_queued_as_it_can_be_run_from_anywhere(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("mine/config.json").write_text("{}")
    Path("my.yaml").write_text("attribute: gender\ncontexts: [a, b]\nbase_model: mine\n")
    arguments = ["--dataset", "my.yaml", "--methods", "sft"]
    found = run_json(capsys, *arguments, "--queue-missing")
    run = store.run(found["queued"][0])
    assert run.spec.base_model == str(tmp_path / "mine")
    # What was queued is found again.
    assert run_json(capsys, *arguments)["methods"]["sft"]["run_id"] == run.id
    assert run_json(capsys, *arguments, "--queue-missing")["queued"] == []


@pytest.mark.usefixtures("commands")
def test_a_base_model_that_is_not_there_is_told_before_anything_is_queued(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("attribute: gender\nbase_model: nowhere\n")
    assert main(["compare", "--dataset", str(path), "--queue-missing"]) == 2
    assert "base_model: 'nowhere' is not known" in capsys.readouterr().err
    assert store.count_runs() == 0
    # It can still be looked at.
    assert main(["compare", "--dataset", str(path)]) == 0


@pytest.mark.usefixtures("commands")
def test_nothing_is_queued_for_a_file_that_cannot_be_written(store: Store) -> None:
    arguments = ["compare", "--dataset", "gender-uk-real", "--queue-missing", "--out", "found.xls"]
    assert main(arguments) == 2 and store.count_runs() == 0
