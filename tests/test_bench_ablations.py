"""The ablations: what is tried, what is kept apart for it, and what the figures decide."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench import turns
from bench.ablations import unit
from bench.ablations.decisions import SAMPLING, Row, decision, missing, rows_of, sampling_rows
from bench.ablations.grid import BASE, TITLES, Grid, split_templates
from bench.ablations.page import render
from bench.ablations.unit import measure
from bench.cli import main
from bench.records import Records
from distalign.measuring import Subject, measure_split
from distalign.results import Round, SplitResult
from distalign.spec import RunSpec, load_spec
from distalign.templates import PERSON_SEEN
from jobs.report import finite
from tests.tiny import save_base, tiny_spec

SECOND = ("restricted_mae", "restricted_unclassified", "restricted_agreement")
SPEC = Path(__file__).parent.parent / "specs" / "gender-uk-real.yaml"
GRID = Grid(SPEC, {"preset": "quick"})


def row(label: str, *errors: float, default: bool = False, seconds: float = 30, **more: float) -> Row:
    return Row(
        label, default, errors, more.get("unclassified", 0.0), 1.0, seconds, 0.08, more.get("kl", 0.4), 12.0
    )


# What is tried


def test_six_of_the_seen_templates_are_kept_out_of_training_and_held_out_ones_play_no_part() -> None:
    found = split_templates(PERSON_SEEN)
    kept = {PERSON_SEEN[i] for i in random.Random(99).sample(range(26), 6)}

    assert set(found["heldout"]) == kept and len(found["heldout"]) == 6
    assert set(found["seen"]) == set(PERSON_SEEN) - kept and len(found["seen"]) == 89
    assert GRID.spec({}).templates.heldout == tuple(found["heldout"])


def test_fewer_templates_are_a_part_of_more() -> None:
    sizes = [set(split_templates(PERSON_SEEN, n)["seen"]) for n in (6, 12, 24, 42)]

    assert [len(size) for size in sizes] == [6, 12, 24, 42]
    assert sizes[0] < sizes[1] < sizes[2] < sizes[3]


@pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
@pytest.mark.parametrize("knob", TITLES)
def test_each_knob_has_the_default_among_its_values_and_turns_nothing_else(knob: str, preset: str) -> None:
    grid = Grid(SPEC, {"preset": preset})
    base, units = grid.spec({}), grid.units(knob)

    assert list(units.values()).count(BASE) == 1, "the preset's value is one of them"
    for label, fields in grid.values[knob].items():
        spec = grid.spec(fields, seed=1)
        changed = {name for name in ("training", "templates") if getattr(spec, name) != getattr(base, name)}
        assert changed == (
            {"templates" if knob == "templates" else "training"} if units[label] != BASE else set()
        )
        assert (spec.seed, spec.rounds, spec.templates.heldout) == (1, 20, base.templates.heldout)


def test_the_presets_own_values_stand_in_order_among_the_others() -> None:
    standard, paper = (Grid(SPEC, {"preset": preset}).values for preset in ("standard", "paper"))

    assert list(standard["learning_rate"]) == ["0.004", "0.005", "0.006", "0.007", "0.01", "0.014"]
    assert list(standard["optimizer"]) == ["muon, 0.006", "muon, 0.01", "adamw, 0.004", "adamw, 0.01"]
    assert list(standard["adapted_layers"]) == list(paper["adapted_layers"]) == ["4", "6", "8", "12", "0"]
    assert list(paper["prompts"]) == ["4, 4", "8, 4", "16, 4", "24, 4", "16, 8", "16, 16"]
    assert list(paper["steps"]) == ["260", "400"], "no fewer than its warm-up takes"
    assert list(paper["kto_weight"]) == ["0", "0.05", "0.1", "0.3", "1"]


def test_a_specification_with_few_templates_has_no_value_twice(place: Path) -> None:
    assert list(Grid(place / "spec.yaml", {}).values["templates"]) == ["4"]


def test_each_term_of_the_hybrid_loss_is_a_knob_of_its_own() -> None:
    for knob, labels in (
        ("kto_weight", ["0", "0.05", "0.1", "0.3"]),
        ("anchor_weight", ["0", "0.05", "0.15"]),
    ):
        assert list(GRID.units(knob)) == labels
        specs = [GRID.spec(fields).training for fields in GRID.values[knob].values()]
        assert [getattr(training, knob) for training in specs] == [float(label) for label in labels]
    assert list(GRID.units("kto_weight").values())[2] == list(GRID.units("anchor_weight").values())[1] == BASE


def test_what_was_published_is_of_the_grid() -> None:
    kept = json.loads((SPEC.parent.parent / "docs" / "ablations.json").read_text("utf-8"))["units"]
    units = {unit for knob in TITLES for unit in GRID.units(knob).values()}

    assert {key.rpartition("/")[0] for key in kept} <= units


# What the figures decide

DECISIONS = {
    "the default is best": ([row("16", 0.010, 0.012, default=True), row("8", 0.02)], "16 stays: it has the lowest"),
    "within what seeds differ by": (
        [row("16", 0.012, 0.016, default=True), row("8", 0.011)],
        "16 stays: 8 is lower by 0.0030, and seeds differ by 0.0040.",
    ),
    "better": (
        [row("16", 0.020, 0.021, default=True), row("32", 0.010, 0.011, seconds=44)],
        "32 is better than the default, 16, by 0.0100 (seeds differ by 0.0010), in 44 s of training in place of 30.",
    ),
    "better at one seed": (
        [row("16", 0.020, 0.021, default=True), row("32", 0.010)],
        "32 is better than the default, 16, by 0.0105 (seeds differ by 0.0010), at one seed, in 30 s",
    ),
    "one seed each": ([row("16", 0.02, default=True), row("8", 0.01)], "Nothing yet: 8 is lower by 0.0100"),
    "answers nobody can read": (
        [row("16", 0.02, 0.021, default=True), row("8", 0.01, unclassified=0.3)],
        "16 stays: it has the lowest error. No candidate: 8.",
    ),
    "a default nobody can read": (
        [row("16", 0.01, default=True, unclassified=0.3), row("8", 0.02)],
        "8, because 16 is no candidate.",
    ),
    "a model that no longer answers": (
        [row("0.06", 0.02, 0.021, default=True), row("0", 0.01, kl=7.1)],
        "0.06 stays: it has the lowest error. No candidate: 0.",
    ),
    "as good and quicker": (
        [row("16", 0.010, 0.012, default=True), row("8", 0.0115, seconds=15), row("4", 0.05, seconds=9)],
        "16 stays: it has the lowest error. 8 is as good within that, in 15 s of training.",
    ),
    "none can be read": ([row("16", 0.01, default=True, unclassified=1)], "Nothing: no value is a candidate."),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "said"), DECISIONS.values(), ids=DECISIONS)
def test_a_decision_follows_from_the_numbers(rows: list[Row], said: str) -> None:
    assert decision(rows).startswith(said)


def measured(error: float, restricted: float = 0.02) -> dict[str, Any]:
    told = {"exact_error": error, "restricted_error": restricted, "steering_mass": 1.0, "unclassified": 0.0}
    told |= {"restricted_mae": 0.07, "restricted_unclassified": 0.001, "restricted_agreement": 0.99}
    told |= {"effects_kl": 0.41, "perplexity_after": 12.3}
    return told | {"agreement": 1.0, "noise_floor": 0.07, "mae": 0.08, "train_seconds": 31.0}


def test_the_page_has_no_decision_before_all_values_of_a_knob_are_there(tmp_path: Path) -> None:
    records = Records(tmp_path / "r.json", {})
    for seed in (0, 1):
        records.keep(f"{BASE}/{seed}", measured(0.02 + 0.001 * seed), 50)
    rows = rows_of(records, GRID, "kto_over")

    assert [(r.label, r.default, r.errors) for r in rows] == [("response", True, (0.02, 0.021))]
    assert missing(rows, GRID, "kto_over") == ["completion"]
    assert "| KTO's log-ratio over | response | Not measured yet: completion. |" in render(records, GRID)
    weights = "| weight of KTO's term | 0.1 | Not measured yet: 0; 0.05; 0.3. |"
    assert weights in render(records, GRID), "the default is there, as it is of every knob"
    sampling = [(r.label, r.error) for r in sampling_rows(records)]
    assert sampling == [("plain", pytest.approx(0.0205)), ("restricted, two passes", pytest.approx(0.02))]
    assert "| sampling | plain | plain stays: restricted, two passes is lower" in render(records, GRID)
    twice = "| restricted, two passes | 0.0200 (0.0200 to 0.0200) | 0.070 | 0.10 % | 99.00 % | 0.41 |"
    assert twice in render(records, GRID)
    records.keep("kto_over/completion/0", measured(0.05), 50)
    text = render(records, GRID)
    assert "| KTO's log-ratio over | response | response stays: it has the lowest error. |" in text
    assert "| completion | 0.0500 | 0.080 | 0.00 % | 100.00 % | 0.41 | 12.3 | 31 | 1 |" in text
    assert "| response (default) | 0.0205 (0.0200 to 0.0210) |" in text


def test_what_was_not_sampled_twice_is_no_figure_of_the_second_sampling(tmp_path: Path) -> None:
    records = Records(tmp_path / "r.json", {})
    kept = {name: value for name, value in measured(0.02).items() if name not in SECOND}
    records.keep(f"{BASE}/0", kept, 50)

    assert missing(sampling_rows(records), GRID, SAMPLING) == ["restricted, two passes"]
    text = render(records, GRID)
    assert "| restricted, two passes | 0.0200 | – | – | – | 0.41 | 12.3 | 31 | 1 |" in text
    assert "| sampling | plain | Not measured yet: restricted, two passes. |" in text


def test_a_value_whose_answers_nobody_can_read_is_a_row_and_no_candidate(tmp_path: Path) -> None:
    records = Records(tmp_path / "r.json", {})
    records.keep(f"{BASE}/0", measured(0.02), 50)
    records.keep("kto_over/completion/0", measured(0.01) | {"mae": None, "unclassified": 1.0}, 50)

    text = render(records, GRID)
    assert "| completion | 0.0100 | – | 100.00 % |" in text and "No candidate: completion." in text


# Measuring


@pytest.fixture
def place(tmp_path: Path) -> Path:
    save_base(tmp_path / "model")
    seen = [f"Job {i}: {{context}}. {{attribute}}?" for i in range(8)]
    templates = {"seen": seen, "heldout": ["Who works as {context}? {options}"]}
    fields = {"base_model": str(tmp_path / "model"), "templates": templates}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(tiny_spec(fields).to_mapping()), "utf-8")
    return tmp_path


def test_a_unit_trains_and_measures_the_templates_that_were_kept_apart(place: Path) -> None:
    spec = Grid(place / "spec.yaml", {}).spec({"steps": 6})
    found = measure({"spec": str(place / "spec.yaml"), "data": str(place), "set": json.loads(spec.to_json())})

    assert len(spec.templates.heldout) == 4 and len(spec.templates.seen) == 4
    assert 0 < found["exact_error"] < 1 and 0 <= found["agreement"] <= 1 and found["train_seconds"] > 0
    assert found["effects_kl"] > 0 and found["perplexity_after"] > 1
    assert json.loads(json.dumps(found)) == found


def test_a_unit_is_sampled_again_with_its_first_tokens_masked(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[Subject, SplitResult, list[Round]]] = []

    def watched(subject: Subject, spec: RunSpec, split: str, _: object, stream: str = "") -> SplitResult:
        rounds: list[Round] = []
        result = measure_split(subject, spec, split, lambda some, *_: rounds.extend(some), stream)
        found.append((subject, result, rounds))
        return result

    monkeypatch.setattr(unit, "measure_split", watched)
    spec = Grid(place / "spec.yaml", {}).spec({"steps": 6})
    told = measure({"spec": str(place / "spec.yaml"), "data": str(place), "set": json.loads(spec.to_json())})
    (plain, _, drawn), (masked, second, again) = found

    assert plain.opening == () and masked.opening == masked.steering.ids
    assert any(r.steering is None for r in drawn), "six steps bring little mass on the steering tokens"
    assert len(again) == len(drawn) and {r.steering for r in again} == {0, 1}
    figures = {"mae": second.mae.value, "unclassified": second.unclassified, "agreement": second.agreement}
    assert {name: told[f"restricted_{name}"] for name in figures} == finite(
        {name: round(value, 6) for name, value in figures.items()}
    )
    agreeing = sum(r.steering == r.category for r in again) / len(again)
    assert told["restricted_agreement"] == pytest.approx(agreeing, abs=1e-6)


class Stand:
    """Stands for the processes; the call ``stop`` is interrupted."""

    def __init__(self, stop: int) -> None:
        self.calls: list[str] = []
        self.stop = stop

    def __call__(self, function: str, arguments: Mapping[str, Any], log: Path) -> dict[str, Any]:
        self.calls.append(log.stem)
        if len(self.calls) == self.stop:
            raise KeyboardInterrupt
        assert load_spec(Path(arguments["spec"]), arguments["set"]).rounds == 6
        return measured(0.02)


def arguments(place: Path, *more: str) -> list[str]:
    places = {"--data": place, "--out": place / "a.md", "--spec": SPEC}
    return ["ablations", "--trial", *(str(x) for pair in places.items() for x in pair), *more]


def test_the_grid_goes_on_where_it_stopped_one_seed_before_the_next(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(stop=2)
    monkeypatch.setattr(turns, "measured", stand)
    given = arguments(place, "--only", "kto_over", "steps")
    values = ["kto_over-completion", "steps-4", "steps-10", "steps-16"]
    order = [f"{name}-{seed}" for seed in (0, 1) for name in ("default", *values)]

    assert main([*given, "--minutes", "0"]) == 0 and not stand.calls
    assert main(given) == 130
    assert main(given) == 0
    assert stand.calls == [*order[:2], *order[1:]]
    assert main([*given, "--again", "--only", "kto_over"]) == 0
    assert stand.calls[len(order) + 1 :] == ["default-0", values[0] + "-0", "default-1", values[0] + "-1"]
    assert "5 stays: it has the lowest error." in (place / "a.md").read_text("utf-8")


def test_what_takes_long_is_measured_once_and_the_default_twice(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(stop=0)
    monkeypatch.setattr(turns, "measured", stand)
    monkeypatch.setattr("bench.ablations.command.SHORT_SECONDS", 0.0)

    assert main(arguments(place, "--only", "kto_over")) == 0
    assert stand.calls == ["default-0", "kto_over-completion-0", "default-1"]


BAD = {
    "unknown knob": (["--only", "colours"], "--only"),
    "no specification": (["--spec", "/nowhere.yaml"], "/nowhere.yaml"),
    "unknown preset": (["--preset", "slow"], "preset"),
    "no results": (["--results", "{place}/spec.yaml"], "--results"),
    "page cannot be written": (["--out", "/proc/a.md"], "--out"),
}


@pytest.mark.parametrize(("given", "named"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_one_line(
    place: Path, given: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(arguments(place, *(text.replace("{place}", str(place)) for text in given)))
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr().err.strip()

    assert code == 2 and named in told
    assert len(told.splitlines()) == 1 and told.startswith("distalign: ")
