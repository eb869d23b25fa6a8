"""The quality table: its cells and their order, its figures and goals, its page, its command line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bench import turns
from bench.cli import main
from bench.errors import BenchError, MeasurementFailed
from bench.quality import third_set
from bench.quality.beside import share_rows
from bench.quality.cells import ANSWERS, CONTEXTS, EXTRA, METHODS, PAPER, STORIES, Selection, cells
from bench.quality.chart import BEST, _mark_rows, chart_rows
from bench.quality.figures import Quality
from bench.quality.goals import goal_rows
from bench.quality.luck import by_luck, shifted
from bench.quality.missed import paragraphs
from bench.quality.page import BEGIN, CHART, EMPTY, END, marked, readme_block, summary, write_into, write_page
from bench.records import Records
from bench.settings import differences, settings_of
from distalign import published, story_templates
from distalign.errors import SpecError
from distalign.noise import noise_floor
from distalign.spec import SPEC_FIELDS, load_spec, parse_spec
from distalign.templates import GENERAL_HELDOUT, GENERAL_SEEN, PERSON_HELDOUT, PERSON_SEEN, check_template
from tests.tiny import save_base, tiny_spec

PROJECT = Path(__file__).parent.parent
SETS = (third_set.PERSON, third_set.GENERAL, third_set.PERSON_STORIES, third_set.GENERAL_STORIES)


# The third set


def phrases(text: str, size: int = 4) -> set[tuple[str, ...]]:
    """Runs of so many words, the slots as words."""
    words = re.findall(r"[\w']+", text.lower())
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def test_the_third_set_shares_no_wording_with_the_templates_that_defaults_were_chosen_by() -> None:
    questions = (*PERSON_SEEN, *PERSON_HELDOUT, *GENERAL_SEEN, *GENERAL_HELDOUT)
    stories = (
        *story_templates.PERSON_SEEN, *story_templates.PERSON_HELDOUT, *story_templates.GENERAL_SEEN,
        *story_templates.GENERAL_HELDOUT,
    )  # fmt: skip
    known = set().union(*map(phrases, (*questions, *stories)))
    texts = [text for group in SETS for text in group]

    assert [len(group) for group in SETS] == [8, 8, 8, 8]
    assert len(set(texts)) == 32
    for text in texts:
        check_template(text, "third set")
        assert not phrases(text) & known, text
    assert phrases(PERSON_HELDOUT[0]) & known, "the comparison sees what is shared"


def test_templates_with_options_are_left_out_where_the_built_in_ones_leave_them_out() -> None:
    few = parse_spec({"attribute": "gender"})
    many = parse_spec({"attribute": {"name": "city", "categories": [f"c{i}x" for i in range(20)]}})

    assert third_set.in_place_of_heldout(few) == {"heldout": list(third_set.PERSON)}
    assert not any("{options}" in text for text in third_set.in_place_of_heldout(many)["heldout"])
    assert third_set.in_place_of_heldout(tiny_spec()) is None, "an author's own held-out templates stay"
    with_stories = third_set.in_place_of_heldout(few, with_stories=True)
    assert with_stories["story_heldout"] == list(third_set.PERSON_STORIES)


# Cells


def test_the_six_specifications_are_at_preset_standard_and_the_papers_rounds() -> None:
    specs = {name: load_spec(PROJECT / "specs" / f"{name}.yaml") for name in PAPER}

    assert {spec.preset for spec in specs.values()} == {"standard"}
    assert {name: spec.rounds for name, spec in specs.items()} == dict.fromkeys(PAPER, 100) | {
        "sentiment-even": 90
    }
    assert set(published.ANSWERS) == set(PAPER)


def test_the_most_wanted_cells_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    found = cells(Selection(stories=True))
    keys = [cell.key for cell in found]
    stages = list(dict.fromkeys((c.kind, c.method, c.seed) for c in found))

    assert keys[:6] == [f"answers/{name}/hybrid/0" for name in PAPER]
    assert len(keys) == len(set(keys)) == 6 * (len(METHODS) + 2) + len(EXTRA) + 4 + 6
    assert [(m, s) for k, m, s in stages if k == ANSWERS] == [
        ("hybrid", 0), ("zero_shot", 0), ("prompt", 0), ("prompt_few_shot", 0), ("sft", 0), ("dpo", 0),
        ("kl_only", 0), ("kto_only", 0), ("hybrid", 1), ("hybrid", 2),
    ]  # fmt: skip
    assert stages[-1] == (STORIES, "hybrid", 0)
    assert {c.dataset for c in found if c.kind == CONTEXTS} == {n for n in PAPER if n.endswith("even")}


def test_a_selection_gives_its_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    found = cells(Selection(["race-even"], ["zero_shot", "kl_only"], [3, 4]))

    assert [c.key for c in found] == [
        f"answers/race-even/{method}/{seed}" for seed in (3, 4) for method in ("zero_shot", "kl_only")
    ]


def test_a_kind_is_asked_for_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)

    def keys(*datasets: str, **more: Any) -> list[str]:
        return [cell.key for cell in cells(Selection(datasets, ["hybrid"], [3, 4], **more))]

    answers = [f"answers/race-even/hybrid/{seed}" for seed in (3, 4)]
    contexts, stories = ([key.replace("answers", kind) for key in answers] for kind in (CONTEXTS, STORIES))
    assert keys("race-even", kinds=[ANSWERS]) == answers
    assert keys("race-even", kinds=[CONTEXTS]) == contexts
    assert keys("race-even", kinds=[STORIES]) == stories
    assert keys("race-even", kinds=[ANSWERS], stories=True) == [*answers, *stories]
    assert sorted(keys("race-even")) == [*answers, *contexts]
    with pytest.raises(SpecError, match="no contexts of these datasets"):
        keys("gender-uk-real", kinds=[CONTEXTS])


def test_what_is_measured_beside_the_six_takes_the_seeds_that_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(PROJECT)
    every = {c.key for c in cells(Selection(methods=["hybrid"], seeds=[1, 2]))}

    assert every >= {f"answers/{name}/hybrid/{seed}" for name in EXTRA for seed in (1, 2)}


def test_a_dataset_is_named_by_its_place_below_specs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(PROJECT)
    both = ["gender-uk-real", "stories/gender-uk-real"]
    names = {cell.dataset: cell for cell in cells(Selection(both, ["hybrid"], [0], [ANSWERS]))}

    assert list(names) == ["gender-uk-real", "stories-gender-uk-real"]
    for same in ("stories-gender-uk-real", str(PROJECT / "specs" / "stories" / "gender-uk-real.yaml")):
        assert {c.dataset for c in cells(Selection([same]))} == {"stories-gender-uk-real"}
    told = names["stories-gender-uk-real"].resolved({}).templates
    assert told.story_heldout == third_set.PERSON_STORIES, "its stories are on the third set, too"
    write_spec(tmp_path / "gender-uk-real.yaml")
    write_spec(tmp_path / "jobs.yaml")
    assert [c.dataset for c in cells(Selection([str(tmp_path / "jobs.yaml")], ["sft"]))] == ["jobs"]
    with pytest.raises(SpecError, match="would both be 'gender-uk-real'"):
        cells(Selection([str(tmp_path / "gender-uk-real.yaml")]))


def test_a_cells_run_is_measured_on_the_third_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    spec = cells(Selection(["sentiment-even"], ["kl_only"], [2]))[0].resolved({"rounds": 4})
    own = load_spec(Path("specs/sentiment-even.yaml"))

    assert spec.templates.heldout == third_set.GENERAL and spec.templates.seen == own.templates.seen
    assert (spec.method, spec.seed, spec.rounds) == ("kl_only", 2, 4)


# Settings


def test_a_setting_that_changed_is_named_and_a_new_one_that_is_off_is_none() -> None:
    then = settings_of(tiny_spec())

    assert differences(then, settings_of(tiny_spec())) == []
    assert differences(then, settings_of(tiny_spec({"steps": 13}))) == ["training.steps"]
    templates = {"seen": ["Other: {context}"], "heldout": ["Who works as {context}? {options}"]}
    assert differences(then, settings_of(tiny_spec({"templates": templates}))) == ["templates.seen"]
    training = then["training"]
    assert differences(then, then | {"training": training | {"new": 0.0}, "few_shot": 0}) == []
    assert differences(then, then | {"training": training | {"new": 0.5}}) == ["training.new"]


def test_a_story_depends_on_what_is_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tiny_spec({"stories": True, "templates": None})
    then = settings_of(spec, stories=True)

    assert differences(then, settings_of(spec, stories=True)) == []
    monkeypatch.setattr("bench.settings.DISTINCT", 0.4)
    assert differences(then, settings_of(spec, stories=True)) == ["story.is_story"]
    assert differences({n: v for n, v in then.items() if n != "story"}, then) == ["story"]


# Figures, goals and the page


def measured(mae: float, *, floor: float = 0.04, trained: bool = True, split: str = "", **more: Any) -> dict:
    """A made-up run; ``split`` names one besides the seen and the held-out templates."""

    def figures(factor: float) -> dict[str, Any]:
        value = mae * factor
        told = {"mae": value, "mae_low": value - 0.01, "mae_high": value + 0.01, "kl": 0.002}
        told |= {"noise_floor": floor, "ratio": value / floor, "unclassified": 0.001}
        return told | ({"exact_error": 0.009, "agreement": 0.9996} if trained else {})

    splits = {"seen_templates": figures(0.9), "heldout_templates": figures(1)}
    splits |= {split: figures(1)} if split else {}
    report = {"train_seconds": 90.0 if trained else None, "splits": splits}
    return {"report": report, "settings": {}, "seconds": 240.0, "group_gb": 1.9} | more


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """All six with hybrid, one of them with three seeds; one with a baseline; sft that cannot be run."""
    kept = Records(tmp_path / "results.json", {})
    for i, name in enumerate(PAPER):
        kept.keep(f"answers/{name}/hybrid/0", measured(0.040 + 0.001 * i), 240)
    for seed, mae in ((1, 0.044), (2, 0.042)):
        kept.keep(f"answers/{PAPER[0]}/hybrid/{seed}", measured(mae), 240)
    kept.keep(f"answers/{PAPER[0]}/prompt/0", measured(0.3, trained=False), 60)
    kept.keep(f"answers/{PAPER[0]}/sft/0", {"unmeasurable": "method: 'sft' is not known"}, 0)
    for name in (PAPER[2], PAPER[4]):
        kept.keep(f"contexts/{name}/hybrid/0", measured(0.05, split="heldout_contexts"), 240)
    kept.keep(f"stories/{PAPER[0]}/hybrid/0", measured(0.12, split="stories"), 900)
    joint = measured(0.05, split="unseen_attributes")
    part = {"mae": 0.021, "noise_floor": 0.03, "ratio": 0.7}
    joint["report"]["splits"]["heldout_templates"]["marginals"] = {"gender": part, "sentiment": part}
    joint["report"]["side_effects"] = {
        "kl": 0.4, "perplexity_before": 10.5, "perplexity_after": 12.25,
        "leak_before": 0.03, "leak_after": 0.04, "first_token_changed": 0.2,
    }  # fmt: skip
    kept.keep("answers/gender-sentiment/hybrid/0", joint, 300)
    return kept


def test_seeds_are_told_as_mean_and_range(records: Records) -> None:
    figure = Quality(records).split(ANSWERS, PAPER[0], "hybrid", "heldout_templates", "mae")

    assert (figure.mean, figure.low, figure.high, figure.seeds) == (pytest.approx(0.042), 0.040, 0.044, 3)
    assert Quality(records).split(ANSWERS, PAPER[0], "sft", "heldout_templates", "mae") is None


def test_every_goal_is_met_missed_or_not_measured(records: Records) -> None:
    rows = {row[0]: row[1:] for row in goal_rows(Quality(records))}

    assert rows["hybrid, seen templates, each of the six: MAE / noise floor"] == [
        "1.15", "1.01 (sentiment-even; 6 of 6)", "met",
    ]  # fmt: skip
    assert rows["hybrid, held-out templates: mean MAE over the six"] == ["0.042", "0.043", "missed"]
    assert rows["hybrid, held-out templates, each of the six: exact error"][-1] == "met"
    assert rows["even targets, held-out contexts: MAE / noise floor"][1:] == [
        "1.25 (gender-uk-even; 2 of 4)", "not all measured",
    ]  # fmt: skip
    stories = ["0.120 (gender-uk-real; 1 of 6)", "missed"]
    assert rows["stories, each of the six: MAE"][1:] == stories, "one that is too high is enough"
    assert rows["training, one dataset, short answers"][1:] == ["1.5 min (gender-uk-real; 6 of 6)", "met"]
    assert {row[-1] for name, row in rows.items() if "joint" in name or "many" in name} == {"not measured"}


def test_the_page_has_every_split_the_paper_and_what_cannot_be_measured(
    records: Records, tmp_path: Path
) -> None:
    write_page(records, tmp_path / "results.md", older={"answers/race-even/hybrid/0": ["training.steps"]})
    text = (tmp_path / "results.md").read_text("utf-8")
    svg = (tmp_path / "images" / CHART).read_text("utf-8")

    assert "third set" in text and "No default, wording or seed was chosen" in text
    row = next(line for line in text.splitlines() if line.startswith("| gender-uk-real | hybrid | 3 |"))
    assert "0.042 (0.040 to 0.044) [0.032, 0.052] | 0.040 | 1.05 (1.00 to 1.10) | 0.009" in row
    assert row.endswith("| 0.1 % | 100.0 % | 90 | 240 | 1.9 | 0.084 |")
    assert "| gender-uk-real | prompt | 1 |" in text and "| – | 0.002 | 0.1 % | – | – | 240 |" in text
    assert "- answers/gender-uk-real/sft/0: method: 'sft' is not known" in text
    assert (
        "other settings than those of today, to be done anew:\n\n- training.steps: answers/race-even/" in text
    )
    assert "| gender-uk-even | hybrid | 1 | 0.050 [0.040, 0.060] |" in text.split("## Held-out contexts")[1]
    assert text.count("Not measured yet.") == 1 and str(tmp_path) not in text
    assert "Not measured yet." in text.split("## Stated targets, by share")[1].split("##")[0]
    unseen = text.split("## Attributes that were never trained on")[1].split("##")[0]
    assert "| gender-sentiment | hybrid | 1 | 0.050 [0.040, 0.060] |" in unseen
    assert "| gender-sentiment | hybrid | 1 | the cells | 0.050 | 0.040 | 1.25 |" in text
    assert "| gender-sentiment | hybrid | 1 | sentiment | 0.021 | 0.030 | 0.70 |" in text
    assert "| gender-sentiment | hybrid | 1 | 0.400 | 10.50 | 12.25 | 3.0 % | 4.0 % | 20.0 % |" in text
    assert svg.startswith("<svg") and "noise floor" in svg and "the paper" in svg and "hybrid" in svg


def test_each_stated_share_has_its_probability_and_its_error(records: Records) -> None:
    kept = {
        "target": [[0.05, 0.95], [0.95, 0.05], [0.5, 0.5]],
        "steering": [[0.07, 0.93], [0.95, 0.05], [0.46, 0.54]],
    }
    for seed in (0, 1):
        records.keep(f"answers/gender-any-target/hybrid/{seed}", measured(0.04, by_context=kept), 60)
    rows = share_rows(Quality(records))

    assert [row[2:] for row in rows] == [
        ["5 %", "4", "6.0 %", "0.010"], ["50 %", "4", "50.0 %", "0.040"], ["95 %", "4", "94.0 %", "0.010"],
    ]  # fmt: skip
    assert {tuple(row[:2]) for row in rows} == {("gender-any-target", "hybrid")}


def test_a_dataset_whose_only_run_classified_nothing_has_dashes_and_no_mark(tmp_path: Path) -> None:
    kept = Records(tmp_path / "results.json", {})
    value = measured(0.04)
    names = ("mae", "mae_low", "mae_high", "noise_floor", "ratio", "kl")
    value["report"]["splits"]["heldout_templates"] |= dict.fromkeys(names) | {"unclassified": 1.0}
    kept.keep(f"answers/{PAPER[0]}/hybrid/0", value, 60)

    assert f"| {PAPER[0]} | – | – | 0.084 | – | 0.009 | 100.0 % |" in summary(Quality(kept))
    assert not chart_rows(Quality(kept)) and [r["name"] for r in _mark_rows(Quality(kept), {PAPER[0]})] == [
        BEST
    ]
    write_page(kept, tmp_path / "results.md")


def test_a_missed_goal_is_told_with_its_seeds_and_with_what_luck_does(records: Records) -> None:
    settings = settings_of(load_spec(PROJECT / "specs" / f"{PAPER[5]}.yaml"))
    for name in PAPER:
        for seed in range(3):
            floor, mae = (0.04, 0.06) if name == PAPER[5] else (0.04, 0.04)
            value = measured(mae + 0.001 * seed, floor=floor, settings=settings | {"seed": seed})
            records.keep(f"answers/{name}/hybrid/{seed}", value, 240)
    told = {text.split("**")[1]: text for text in paragraphs(Quality(records))}

    held_out = told["Missed: hybrid, held-out templates, each of the six: MAE / noise floor"]
    assert (
        "(at most 1.20). sentiment-even: 1.50, 1.52 and 1.55 at seeds 0, 1 and 2, on average 1.52."
        in held_out
    )
    assert "Its exact error, free of the luck of rounds, is 0.009." in held_out
    assert "With 14 contexts, 90 classified rounds each and 3 seeds a perfect sampler has" in held_out
    assert "Of 6 perfect samplers, one for each dataset, the worst is above 1.20 in " in held_out
    mean = told["Missed: hybrid, held-out templates: mean MAE over the six"]
    assert "By dataset: gender-uk-real 0.041, " in mean and "Perfect samplers, with as many contexts" in mean


def test_a_training_that_was_too_long_at_one_seed_misses_the_goal(records: Records) -> None:
    long = measured(0.04)
    long["report"]["train_seconds"] = 400.0
    records.keep(f"answers/{PAPER[0]}/hybrid/1", long, 240)
    name = "training, one dataset, short answers"
    rows = {row[0]: row[1:] for row in goal_rows(Quality(records))}

    assert rows[name] == ["5.0 min", "6.7 min (gender-uk-real; 6 of 6)", "missed"]
    (told,) = (text for text in paragraphs(Quality(records)) if name in text)
    assert told.endswith(
        "gender-uk-real: 1.5 min, 6.7 min and 1.5 min at seeds 0, 1 and 2, on average 3.2 min."
    )


def test_luck_is_that_of_as_many_contexts_rounds_and_seeds() -> None:
    spec = load_spec(PROJECT / "specs" / "gender-uk-even.yaml")
    split = {"noise_floor": noise_floor((0.5, 0.5), 100), "unclassified": 0.0}
    run = {"settings": settings_of(spec), "report": {"splits": {"heldout_templates": split}}}
    one = by_luck({0: run}, "heldout_templates", "ratio")
    four = by_luck(dict.fromkeys(range(4), run), "heldout_templates", "ratio")
    off = by_luck({0: run}, "heldout_templates", "ratio", 0.05)

    # |X/n − ½| of one context has √(π/2 − 1) of its mean as its standard deviation.
    assert one.mean() == pytest.approx(1, abs=0.02) and one.std() == pytest.approx(
        (np.pi / 2 - 1) ** 0.5 / 5, rel=0.1
    )
    assert four.std() == pytest.approx(one.std() / 2, rel=0.1)
    # E|N(1, 1)| = 1.1666 standard deviations, by √(2/π) of them.
    assert off.mean() == pytest.approx(1.1666 / (2 / np.pi) ** 0.5, rel=0.02)
    assert by_luck({0: run | {"settings": {}}}, "heldout_templates", "ratio") is None


def test_shares_that_are_off_are_off_by_so_much_on_average() -> None:
    even = np.full((7, 5), 0.2)
    moved = shifted(even, 0.03, np.random.default_rng(0))

    assert np.abs(moved - even).mean(-1) == pytest.approx(0.03) and moved.sum(-1) == pytest.approx(1)
    assert shifted(np.array([[0.01, 0.99]]), 0.05, np.random.default_rng(0)).min() >= 0
    assert (shifted(even, 0, np.random.default_rng(0)) == even).all()


def test_the_chart_shows_what_was_measured_on_held_out_templates(records: Records) -> None:
    rows = chart_rows(Quality(records))

    assert [(row["dataset"], row["name"]) for row in rows if row["name"] != "hybrid"] == [
        ("gender-uk-real", "prompt")
    ]
    assert rows[1] == {
        "dataset": "gender-uk-real", "name": "hybrid",
        "mae": pytest.approx(0.042), "low": pytest.approx(0.032), "high": pytest.approx(0.052),
    }  # fmt: skip


def test_the_summary_goes_into_a_marked_place_and_nowhere_else(records: Records, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n", "utf-8")
    write_into(readme, Quality(records))
    text = readme.read_text("utf-8")

    assert text.startswith("before\n\n") and text.endswith("\n\nafter\n") and "old" not in text
    assert marked(text) == readme_block(Quality(records))
    assert "](docs/images/results-mae.svg)" in text
    assert "| gender-uk-real | 0.300 | **0.042** | 0.040 | 0.084 | 1.05 | 0.009 | 0.1 % |" in text
    assert "| mean of the six | – | **0.043** | 0.040 | 0.067 | 1.07 | 0.009 | 0.1 % |" in text
    assert "| unclassified answers, mean of the six | – | 0.1 % |" in text
    with pytest.raises(BenchError, match="--readme"):
        write_into(records.path, Quality(records))


def test_the_readmes_table_is_that_of_the_results() -> None:
    found = json.loads((PROJECT / "docs" / "results.json").read_text("utf-8"))
    records = Records(PROJECT / "docs" / "results.json", found["settings"])

    assert marked((PROJECT / "README.md").read_text("utf-8")) == readme_block(Quality(records)), (
        "python -m bench quality --minutes 0 --readme README.md"
    )


# The command line


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_base(tmp_path / "model")
    write_spec(tmp_path / "jobs.yaml", target={n: {"male": 0.3, "female": 0.7} for n in ("Nurses", "Pilots")})
    return tmp_path


def write_spec(path: Path, **fields: Any) -> None:
    spec = tiny_spec({"base_model": str(path.parent / "model")} | fields)
    path.write_text(yaml.safe_dump(spec.to_mapping()), "utf-8")


def arguments(place: Path, *more: str) -> list[str]:
    places = {"--data": place, "--out": place / "out" / "results.md", "--datasets": place / "jobs.yaml"}
    return ["quality", *(str(x) for pair in places.items() for x in pair), *more]


class Stand:
    """Stands for the runs' processes; the calls in ``stop`` are interrupted, those in ``fail`` fail."""

    def __init__(self, stop: int = 0, fail: str = "never") -> None:
        self.calls: list[str] = []
        self.stop, self.fail = stop, fail

    def __call__(self, function: str, arguments: Mapping[str, Any], log: Path) -> dict[str, Any]:
        self.calls.append(log.stem)
        if len(self.calls) == self.stop:
            raise KeyboardInterrupt
        if self.fail in log.stem:
            raise MeasurementFailed("it fell over")
        assert load_spec(Path(arguments["spec"])).templates.heldout
        return measured(0.04, settings=arguments["settings"])


def test_a_run_is_the_products_own_and_is_kept_with_what_it_depends_on(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = arguments(place, "--trial", "--methods", "hybrid", "--seeds", "0")
    assert main(given) == 0
    kept = json.loads((place / "out" / "results.json").read_text("utf-8"))["units"]
    value = kept["answers/jobs/hybrid/0"]["value"]

    assert list(value["report"]["splits"]) == ["seen_templates", "heldout_templates"]
    # A model of six steps may name no category at all: then there is no MAE.
    assert value["report"]["unclassified"] <= 1 and value["settings"]["training"]["steps"] == 6
    assert value["seconds"] > 0 and value["group_gb"] > 0
    assert str(place / "bench") not in json.dumps(kept), "no path of the run's folder"
    assert (place / "bench" / "quality-trial" / "distalign.db").exists()
    assert "| jobs | hybrid |" in (place / "out" / "results.md").read_text("utf-8")


def test_a_run_whose_prompts_state_targets_keeps_what_it_did_in_each_context(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_spec(place / "jobs.yaml", target="stated")
    assert (
        main(
            arguments(
                place, "--trial", "--methods", "hybrid", "zero_shot", "--seeds", "0", "--kinds", "answers"
            )
        )
        == 0
    )
    units = json.loads((place / "out" / "results.json").read_text("utf-8"))["units"]
    kept = units["answers/jobs/hybrid/0"]["value"]["by_context"]

    assert [[len(row) for row in kept[name]] for name in ("target", "steering")] == [[2, 2], [2, 2]]
    assert all(sum(row) == pytest.approx(1) for row in kept["target"])
    assert all(0 < share < 1 and round(share, 6) == share for row in kept["steering"] for share in row)
    assert units["answers/jobs/zero_shot/0"]["value"]["by_context"] == {}
    assert "| jobs | hybrid | " in (place / "out" / "results.md").read_text("utf-8").split("by share")[1]


def test_the_table_goes_on_where_it_stopped_and_a_failure_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(place, "--methods", "hybrid", "zero_shot", "kl_only")
    stand = Stand(stop=2, fail="kl_only")
    monkeypatch.setattr(turns, "measured", stand)
    names = [f"answers-jobs-{n}" for n in ("hybrid-0", "zero_shot-0", "kl_only-0", "hybrid-1", "hybrid-2")]

    assert main(given) == 130
    stand.stop = 0
    assert main(given) == 1
    assert stand.calls[2:] == names[1:]
    assert "answers/jobs/kl_only/0: it fell over" in capsys.readouterr().err
    stand.calls, stand.fail = [], "never"
    assert main(given) == 0
    assert stand.calls == [names[2]]
    assert main([*given, "--again", "--seeds", "1"]) == 0
    assert stand.calls[1:] == ["answers-jobs-hybrid-1", "answers-jobs-zero_shot-1", "answers-jobs-kl_only-1"]


def test_again_takes_no_more_than_was_chosen_whatever_the_third_set_is_by_now(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(turns, "measured", Stand())
    given = arguments(place, "--methods", "zero_shot", "--seeds", "0")
    assert main([*given, "1"]) == 0
    kept = (place / "out" / "results.json").read_bytes()
    monkeypatch.setattr(third_set, "PERSON", third_set.PERSON[:-1])

    assert main([*given, "1"]) == 2, "without --again, too"
    assert main([*given, "--again"]) == 2
    assert "--again leaves answers/jobs/zero_shot/1: choose all of it" in capsys.readouterr().err
    assert (place / "out" / "results.json").read_bytes() == kept
    assert main([*given, "1", "--again"]) == 0


def test_what_was_measured_with_other_settings_is_measured_anew(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(place, "--methods", "zero_shot")
    stand = Stand()
    monkeypatch.setattr(turns, "measured", stand)
    main(given)
    path = place / "jobs.yaml"
    path.write_text(path.read_text("utf-8").replace("rounds: 20", "rounds: 21"), "utf-8")
    assert main([*given, "--minutes", "0"]) == 0
    page = (place / "out" / "results.md").read_text("utf-8")

    assert "to be done anew:\n\n- rounds: answers/jobs/zero_shot/0" in page and len(stand.calls) == 1
    assert main(given) == 0
    assert "was measured with another rounds; anew" in capsys.readouterr().err
    assert len(stand.calls) == 2
    assert "to be done anew" not in (place / "out" / "results.md").read_text("utf-8")


def test_what_the_product_cannot_run_is_noted_and_tried_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "sft", {"method": "of tomorrow"})
    stand = Stand()
    monkeypatch.setattr(turns, "measured", stand)
    given = arguments(place, "--methods", "sft", "--readme", str(place / "README.md"))
    (place / "README.md").write_text(f"{BEGIN}{END}", "utf-8")
    assert main(given) == 0
    page = (place / "out" / "results.md").read_text("utf-8")

    assert "- answers/jobs/sft/0: method: 'of tomorrow' is not known" in page and not stand.calls
    assert marked((place / "README.md").read_text("utf-8")) == EMPTY, "of the paper's six there is nothing"
    monkeypatch.setitem(METHODS, "sft", {"method": "kl_only"})
    assert main(given) == 0
    assert stand.calls == ["answers-jobs-sft-0"]
    assert "Not measurable" not in (place / "out" / "results.md").read_text("utf-8")


def test_a_refusal_by_the_run_itself_is_noted_as_well(place: Path) -> None:
    from bench.quality.run import unit

    write_spec(place / "bad.yaml", base_model=str(place / "nowhere"))
    given = {"spec": str(place / "bad.yaml"), "folder": str(place), "log": str(place / "log")}
    told = unit(given | {"settings": {}})

    assert list(told) == ["unmeasurable"] and told["unmeasurable"].startswith("base_model: ")


def test_stories_and_held_out_contexts_are_fields_of_the_specification(place: Path) -> None:
    """Where the product knows them; until then their cells are noted as not measurable."""
    write_spec(place / "even.yaml", target="even")
    found = {c.kind: c for c in cells(Selection([str(place / "even.yaml")], ["hybrid"], [0], stories=True))}

    assert list(found) == [ANSWERS, CONTEXTS, STORIES]
    for kind, field in ((CONTEXTS, "heldout_contexts"), (STORIES, "stories")):
        if field in SPEC_FIELDS:
            assert found[kind].resolved({}).to_mapping()[field] == 1
        else:
            with pytest.raises(SpecError, match=field):
                found[kind].resolved({})
    assert CONTEXTS not in {c.kind for c in cells(Selection([str(place / "jobs.yaml")]))}, "no rule"


BAD = {
    "unknown dataset": (["--datasets", "colours"], "--datasets"),
    "unknown method": (["--methods", "magic"], "--methods"),
    "negative seed": (["--seeds", "-1"], "--seeds"),
    "minutes no number": (["--minutes", "soon"], "--minutes"),
    "no results": (["--results", "jobs.yaml"], "--results"),
    "page cannot be written": (["--out", "/proc/results.md"], "--out"),
    "no readme": (["--minutes", "0", "--readme", "/nowhere/README.md"], "--readme"),
    "no marked place": (["--minutes", "0", "--readme", "jobs.yaml"], "--readme"),
    "a trial for the readme": (["--trial", "--minutes", "0", "--readme", "README.md"], "--trial"),
    "unknown kind": (["--kinds", "poems"], "--kinds"),
    "nothing of the kind": (["--kinds", "contexts"], "--kinds"),
}


@pytest.mark.parametrize(("given", "named"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_one_line(
    place: Path, given: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(arguments(place, *given))
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr().err.strip()

    assert code == 2 and named in told
    assert len(told.splitlines()) == 1 and told.startswith("distalign: ")
