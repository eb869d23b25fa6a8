"""The run specification: what it takes, what it refuses, and that it comes back as it went out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from distalign.attributes import BUILT_IN
from distalign.errors import SpecError
from distalign.sampling_config import Sampling
from distalign.spec import METHODS, SPEC_FIELDS, load_spec, parse_spec
from distalign.training_config import FIELD_TYPES, PRESETS, TrainingConfig, reads
from distalign.yaml_text import parse_text

PAPERS = (
    "gender-uk-even", "gender-uk-real", "gender-us-even", "gender-us-real", "race-even", "sentiment-even",
)  # fmt: skip
SPECS = sorted((Path(__file__).parent.parent / "specs").glob("*.yaml"))

GOOD: dict[str, dict[str, Any]] = {
    **{name: {"attribute": name} for name in BUILT_IN},
    "real": {"attribute": "gender", "contexts": "us-occupations", "target": "real"},
    "kl only": {"attribute": "gender", "method": "kl_only", "preset": "quick"},
    "prompt": {"attribute": "gender", "method": "prompt", "few_shot": 8},
    "sft": {"attribute": "gender", "method": "sft", "preset": "quick"},
    "dpo": {"attribute": "gender", "method": "dpo", "learning_rate": 7e-3, "optimizer": "muon"},
    "no retaining in a budget": {"attribute": "gender", "method": "sft", "retain_weight": 0},
    "fewer steps than a warm-up": {"attribute": "gender", "steps": 20},
    "fewer steps, and a warm-up": {"attribute": "gender", "steps": 20, "warmup_steps": 9},
    "custom": {
        "attribute": {
            "name": "size",
            "kind": "person",
            "categories": ["small", {"name": "big", "synonyms": ["large", "huge, really"]}, "1"],
        },
        "contexts": ["Käse: blue", "yes", "1e3", "#nurse", "=cmd"],
        "target": {"small": 0.2, "big": 0.3, "1": 0.5},
        "name": "Größen – «test»",
    },
    "table": {
        "attribute": "sentiment",
        "contexts": ["a", "b"],
        "target": {
            "a": {"positive": 1, "negative": 0, "neutral": 0},
            "b": {"positive": 1 / 3, "negative": 1 / 3, "neutral": 1 / 3},
        },
    },
    "joint": {"attribute": ["gender", "sentiment"], "contexts": ["a", "b"]},
    "joint of one's own, as a product": {
        "attribute": ["gender", {"name": "age", "categories": [{"name": "old", "synonyms": ["aged"]}, "1"]}],
        "contexts": "uk-occupations",
        "target": {"gender": "real", "age": {"old": 0.3, "1": 0.7}},
    },
    "joint cells": {
        "attribute": ["sentiment", {"name": "size", "categories": ["big", "small"]}],
        "target": {
            "positive, big": 0.1,
            "positive, small": 0.2,
            "negative, big": 0.3,
            "negative, small": 0.05,
            "neutral, big": 0.05,
            "neutral, small": 0.3,
        },
        "contexts": ["a", "b", "c"],
        "heldout_contexts": 1,
    },
    "joint table": {
        "attribute": ["gender", {"name": "size", "categories": ["big", "small"]}],
        "contexts": ["gender roles", "b"],
        "target": {
            "gender roles": {"male, big": 1, "male, small": 0, "female, big": 0, "female, small": 0},
            "b": {"male, big": 0.25, "male, small": 0.25, "female, big": 0.2, "female, small": 0.3},
        },
    },
    "held-out contexts by name": {"attribute": "gender", "contexts": ["a", "1"], "heldout_contexts": [1]},
    "rescaled": {"attribute": "gender", "target": {"male": 0.333, "female": 0.666}},
    "everything": {
        "attribute": "gender",
        "contexts": ["a"],
        "templates": {"seen": ["A {context}\n{options}"], "heldout": ["B {context}"]},
        "base_model": "qwen2.5-0.5b",
        "preset": "paper",
        "rounds": 7,
        "seed": 2**31 - 1,
        "steering": "special",
        "temperature": 0.5,
        "top_p": 0.25,
        "top_k": 3,
        "max_new_tokens": 4,
        "steps": 10,
        "warmup_steps": 3,
        "learning_rate": 1e-5,
        "kto_over": "response",
        "precision": "float32",
        "beta": 0.3,
    },
}


@pytest.mark.parametrize("values", GOOD.values(), ids=list(GOOD))
def test_a_specification_round_trips_through_yaml_and_json(values: dict[str, Any]) -> None:
    spec = parse_spec(values)

    assert parse_spec(parse_text(spec.to_yaml())) == spec
    assert parse_spec(parse_text(spec.to_json())) == spec
    assert parse_spec(json.loads(spec.to_json())) == spec
    assert parse_spec(yaml.safe_load(spec.to_yaml())) == spec


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_every_specification_in_the_folder_loads_and_round_trips(path: Path) -> None:
    spec = load_spec(path)

    assert parse_spec(parse_text(spec.to_yaml())) == spec
    assert parse_spec(json.loads(spec.to_json())) == spec
    assert parse_text(path.read_text("utf-8")).keys() <= set(SPEC_FIELDS)


def test_the_papers_six_are_there() -> None:
    six = [p for p in SPECS if p.stem in PAPERS]

    assert [p.stem for p in six] == list(PAPERS)
    assert all(len(load_spec(p).contexts) in (14, 25) for p in six)
    assert load_spec(six[-1]).rounds == 90


def test_specifications_of_other_fields_reach_from_2_to_50_categories() -> None:
    others = [spec for p in SPECS if (spec := load_spec(p)).contexts.source == "list"]

    assert len(others) >= 7
    assert {20, 50} <= {len(spec.attribute) for spec in others}
    assert {"even", "mapping", "table"} <= {spec.target.kind for spec in others}
    assert sum("heldout_contexts" in spec.splits for spec in others) >= 2


def test_defaults_are_those_that_the_design_names() -> None:
    spec = parse_spec({"attribute": "gender"})

    assert (spec.method, spec.preset, spec.rounds, spec.base_model) == (
        "hybrid",
        "standard",
        100,
        "smollm2-135m",
    )
    assert spec.sampling == Sampling(temperature=1.0, top_p=1.0, top_k=0)
    assert spec.training.beta == 0.1


def test_fields_left_empty_take_their_default() -> None:
    assert parse_spec({"attribute": "gender", "steps": None, "temperature": None}) == parse_spec(
        {"attribute": "gender"}
    )


def test_a_baseline_takes_a_rate_of_its_own_and_what_is_given() -> None:
    sft = parse_spec({"attribute": "gender", "method": "sft"}).training

    assert sft.steps == PRESETS["standard"].steps and sft.lora_rank == PRESETS["standard"].lora_rank
    assert sft.learning_rate != PRESETS["standard"].learning_rate
    assert (
        parse_spec({"attribute": "gender", "method": "sft", "learning_rate": 0.005}).training.learning_rate
        == 0.005
    )
    assert (
        parse_spec({"attribute": "gender", "method": "sft", "preset": "paper"}).training == PRESETS["paper"]
    )


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "0.001", ".001"])
def test_numbers_in_any_notation_are_numbers(text: str) -> None:
    assert parse_text(f"learning_rate: {text}")["learning_rate"] == 0.001


def test_more_steps_than_the_presets_lower_the_learning_rate_unless_one_is_given() -> None:
    base = {"attribute": "gender", "preset": "standard"}
    rates = {steps: parse_spec(base | {"steps": steps}).training.learning_rate for steps in (50, 260, 2080)}
    assert rates == {50: 5e-3, 260: 5e-3, 2080: 2.5e-3}
    assert parse_spec(base | {"steps": 2080, "optimizer": "adamw"}).training.learning_rate == 5e-3
    for given in (
        {"steps": 2080},
        {"steps": 2080, "learning_rate": 5e-3},
        {"steps": 2080, "learning_rate": 2.5e-3},
    ):
        spec = parse_spec(base | given)
        assert parse_spec(spec.to_mapping()) == spec


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_does_not_read_is_taken_and_has_no_effect(method: str) -> None:
    given = {"attribute": "gender", "method": method}
    other = dict.fromkeys(FIELD_TYPES, 2) | {
        "steps": 20, "learning_rate": 0.05, "optimizer": "adamw", "kto_over": "completion", "precision": "float32",
        "steering": "special",
    }  # fmt: skip
    unread = {name: value for name, value in other.items() if not reads(method, name)}
    spec = parse_spec(given | unread)

    assert spec == parse_spec(given)
    assert not unread.keys() & spec.to_mapping().keys()
    # As the database keeps it, with the training in full.
    assert parse_spec(json.loads(spec.to_json(whole=True))) == spec
    read = {name: value for name, value in other.items() if reads(method, name)}
    assert read == {} or parse_spec(given | read) != spec


def test_what_a_method_does_not_read_must_be_a_value_that_the_field_can_have() -> None:
    for field, value in {"kto_weight": -1, "kto_over": "prompt", "steering": "emoji"}.items():
        with pytest.raises(SpecError) as caught:
            parse_spec({"attribute": "gender", "method": "sft", field: value})
        assert caught.value.field == field and repr(value) in str(caught.value)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_baseline_reads_only_whether_it_retains(preset: str) -> None:
    base = {"attribute": "gender", "preset": preset, "method": "dpo"}
    some, more, none = (parse_spec(base | {"retain_weight": weight}) for weight in (0.01, 3, 0))
    assert some == more != none
    assert parse_spec(base) == (some if PRESETS[preset].retain_weight else none)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", PRESETS)
def test_steps_alone_take_a_warmup_in_proportion_where_the_presets_would_leave_none(
    preset: str, method: str
) -> None:
    base = {"attribute": "gender", "preset": preset, "method": method}
    usual = PRESETS[preset]
    for steps in (2, 3, usual.warmup_steps - 1, usual.warmup_steps, usual.warmup_steps + 1, 500):
        spec = parse_spec(base | {"steps": steps})
        fewer = steps <= usual.warmup_steps and reads(method, "steps")
        expected = usual.warmup_steps * steps // usual.steps if fewer else usual.warmup_steps
        assert spec.training.warmup_steps == expected
        assert parse_spec(spec.to_mapping()) == spec
    if reads(method, "warmup_steps"):
        with pytest.raises(SpecError, match=r"warmup_steps: 20 of 20 steps"):
            parse_spec(base | {"steps": 20, "warmup_steps": 20})


def test_whole_numbers_may_be_written_with_a_point() -> None:
    assert parse_spec({"attribute": "gender", "steps": 90.0}).training.steps == 90


def test_a_specification_cannot_be_changed() -> None:
    spec = parse_spec({"attribute": "gender"})
    with pytest.raises(AttributeError):
        spec.rounds = 3  # type: ignore[misc]


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no attribute": ({"attribute": ...}, "attribute", "missing"),
    "unknown field": ({"epochs": 3}, "'epochs'", "epochs"),
    "probabilities": ({"target": {"male": 0.5, "female": 0.6}}, "target", "1.1"),
    "negative": ({"target": {"male": -0.1, "female": 1.1}}, "target", "-0.1"),
    "missing": ({"target": {"male": 1}}, "target", "'female'"),
    "one category": ({"attribute": {"name": "a", "categories": ["b"]}}, "attribute.categories", "1 given"),
    "duplicates": (
        {"attribute": {"name": "a", "categories": ["b", "b"]}},
        "attribute.categories",
        "'b'",
    ),
    "empty category": (
        {"attribute": {"name": "a", "categories": ["b", ""]}},
        "attribute.categories",
        "''",
    ),
    "no row": (
        {"contexts": ["x", "y"], "target": {"x": {"male": 1, "female": 0}}},
        "target",
        "'y'",
    ),
    "10,000 contexts": ({"contexts": [str(i) for i in range(10_000)]}, "contexts", "10000"),
    "braces": ({"templates": {"seen": ["{context} {x}"]}}, "templates.seen", "{x}"),
    "no slot": ({"templates": {"heldout": ["no slot"]}}, "templates.heldout", "'no slot'"),
    "templates not a mapping": ({"templates": ["{context}"]}, "templates", "{context}"),
    "templates not a list": ({"templates": {"seen": "{context}"}}, "templates.seen", "{context}"),
    "templates null": ({"templates": {"seen": None}}, "templates.seen", "None"),
    "template not text": ({"templates": {"seen": [["{context}"]]}}, "templates.seen", "{context}"),
    "unknown method": ({"method": "ppo"}, "method", "'ppo'"),
    "method a list": ({"method": ["hybrid"]}, "method", "hybrid"),
    "unknown preset": ({"preset": "fast"}, "preset", "'fast'"),
    "preset a list": ({"preset": ["quick"]}, "preset", "quick"),
    "unknown steering": ({"steering": "emoji"}, "steering", "'emoji'"),
    "empty model": ({"base_model": " "}, "base_model", "' '"),
    "model a number": ({"base_model": 3}, "base_model", "3"),
    "no rounds": ({"rounds": 0}, "rounds", "0"),
    "rounds as text": ({"rounds": "many"}, "rounds", "'many'"),
    "rounds a truth value": ({"rounds": True}, "rounds", "True"),
    "negative seed": ({"seed": -1}, "seed", "-1"),
    "cold": ({"temperature": 0}, "temperature", "0"),
    "top_p": ({"top_p": 1.5}, "top_p", "1.5"),
    "top_k": ({"top_k": 2.5}, "top_k", "2.5"),
    "one token": ({"max_new_tokens": 1}, "max_new_tokens", "1"),
    "no steps": ({"steps": 0}, "steps", "0"),
    "rate as text": ({"learning_rate": "fast"}, "learning_rate", "'fast'"),
    "rate not finite": ({"learning_rate": float("nan")}, "learning_rate", "nan"),
    "all warm-up": ({"steps": 5, "warmup_steps": 5}, "warmup_steps", "5 of 5"),
    "no second half": ({"method": "dpo", "steps": 1, "warmup_steps": 0}, "steps", "1 leaves none"),
    "kto_over": ({"kto_over": "prompt"}, "kto_over", "'prompt'"),
    "precision": ({"precision": "int8"}, "precision", "'int8'"),
    "a long name": ({"name": "n" * 101}, "name", "nnn"),
    "one attribute in a list": ({"attribute": ["gender"]}, "attribute", "1 in the list"),
    "one attribute twice": ({"attribute": ["gender", "gender"]}, "attribute", "'gender' is given twice"),
    "a list in the list": ({"attribute": ["race", ["gender", "sentiment"]]}, "attribute", "list in the list"),
    "too many cells": (
        {"attribute": ["race", {"name": "n", "categories": list(range(11))}]},
        "attribute",
        "5 × 11 = 55 cells",
    ),
    "a word of two parts": (
        {"attribute": ["race", {"name": "colour", "categories": ["BLACK", "red"]}]},
        "attribute",
        "'BLACK' is a word of both 'race' and 'colour'",
    ),
    "a product without a part": (
        {"attribute": ["gender", "race"], "target": {"gender": "even"}},
        "target",
        "'race' has no target",
    ),
    "a product with another part": (
        {"attribute": ["gender", "race"], "target": {"gender": "even", "race": "even", "age": "even"}},
        "target",
        "'age' is not a part",
    ),
    "a product with a bad part": (
        {"attribute": ["gender", "race"], "target": {"gender": {"male": 0.4, "female": 0.4}, "race": "even"}},
        "target[gender]",
        "sum to 0.8",
    ),
    "a cell is missing": (
        {"attribute": ["gender", "sentiment"], "target": {"male, positive": 1}},
        "target",
        "no probability",
    ),
    "no statistics for a part": (
        {"attribute": ["gender", "race"], "target": {"gender": "real", "race": "real"}},
        "target[race]",
        "'real' has no statistics",
    ),
    "all contexts held out": ({"contexts": ["a", "b"], "heldout_contexts": 2}, "heldout_contexts", "2 of 2"),
    "fewer than none held out": ({"heldout_contexts": -1}, "heldout_contexts", "-1"),
    "an unknown context held out": ({"heldout_contexts": ["astronauts"]}, "heldout_contexts", "'astronauts'"),
    "a context held out twice": (
        {"contexts": ["a", "b", "c"], "heldout_contexts": ["a", "a"]},
        "heldout_contexts",
        "twice",
    ),
    "held-out contexts as text": ({"heldout_contexts": "three"}, "heldout_contexts", "'three'"),
    "held-out contexts without a rule": (
        {"target": "real", "heldout_contexts": 3},
        "heldout_contexts",
        "no rule",
    ),
    "held-out contexts of a product without a rule": (
        {
            "attribute": ["gender", "race"],
            "target": {"gender": "real", "race": "even"},
            "heldout_contexts": 3,
        },
        "heldout_contexts",
        "no rule",
    ),
    "a CSV where no files are read": ({"contexts": "jobs.csv"}, "contexts", "'jobs.csv'"),
}


@pytest.mark.parametrize(("values", "field", "given"), BAD.values(), ids=list(BAD))
def test_a_bad_field_is_named_with_what_was_given(values: dict[str, Any], field: str, given: str) -> None:
    merged = {n: v for n, v in ({"attribute": "gender"} | values).items() if v is not ...}
    with pytest.raises(SpecError) as caught:
        parse_spec(merged)

    assert caught.value.field == field
    assert given in str(caught.value)
    assert caught.value.remedy.strip()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, [], "gender", 3])
def test_what_is_no_mapping_is_refused(value: Any) -> None:
    with pytest.raises(SpecError, match="mapping"):
        parse_spec(value)


NO_MAPPINGS = {
    "nothing": "",
    "a list": "- a",
    "an open bracket": "a: [",
    "two colons": "a: b: c",
    "a tab": "\t",
    "an object": "!!python/object/new:os.system [ls]",
    "a 13th month": "name: 2024-13-45",
    "a number of too many digits": f"rounds: {'1' * 5000}",
    "a number of too many digits to write": f"rounds: !!int 0x{'f' * 5000}",
    "a number without digits": "rounds: !!int 0x_",
    "a tag without a value": "rounds: !!int ''",
    "a tag of another value": "stories: !!bool perhaps",
    "a tag that cannot be read": "name: !!timestamp today",
    "nested without end": "[" * 3000,
}


@pytest.mark.parametrize("text", NO_MAPPINGS.values(), ids=list(NO_MAPPINGS))
def test_a_text_that_is_no_mapping_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_text(text)

    assert caught.value.field == "SPEC"
    assert "\n" not in str(caught.value)


class TestFiles:
    """Specifications and CSV files on disk."""

    def write(self, folder: Path, text: str, csv: bytes = b"") -> Path:
        (folder / "jobs.csv").write_bytes(csv)
        path = folder / "spec.yaml"
        path.write_text(text, "utf-8")
        return path

    def test_contexts_and_target_come_from_one_csv_beside_the_file(self, tmp_path: Path) -> None:
        csv = b"context,male,female\nnurse,0.2,0.8\npilot,0.9,0.1\n"
        spec = load_spec(self.write(tmp_path, "attribute: gender\ncontexts: jobs.csv\n", csv))

        assert spec.contexts.names == ("nurse", "pilot")
        assert spec.target.rows == ((0.2, 0.8), (0.9, 0.1))

    def test_a_csv_of_contexts_alone_leaves_the_target_even(self, tmp_path: Path) -> None:
        spec = load_spec(self.write(tmp_path, "attribute: gender\ncontexts: jobs.csv\n", b"context\nnurse\n"))

        assert spec.target.rows == ((0.5, 0.5),)

    def test_the_target_may_come_from_a_csv(self, tmp_path: Path) -> None:
        text = "attribute: gender\ncontexts: [nurse]\ntarget: jobs.csv\n"
        spec = load_spec(self.write(tmp_path, text, b"context,female,male\nnurse,0.8,0.2\n"))

        assert spec.target.rows == ((0.2, 0.8),)

    @pytest.mark.parametrize("name", ["shares.tsv", "SHARES.CSV"])
    def test_a_target_is_any_file_that_can_be_read(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("context\tmale\tfemale\nnurse\t0.1\t0.9\n", "utf-8")
        path = self.write(tmp_path, f"attribute: gender\ncontexts: [nurse]\ntarget: {name}\n")

        assert load_spec(path).target.rows == ((0.1, 0.9),)

    def test_fields_given_beside_the_file_replace_its_own(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "attribute: gender\nrounds: 5\n")

        assert load_spec(path, {"rounds": 9}).rounds == 9

    @pytest.mark.parametrize(
        ("csv", "given"),
        [
            (b"job\nnurse\n", "'job'"),
            ("context\nInfirmière\n".encode("latin-1"), "UTF-8"),
            (b"context,male,female\nnurse,0.5,0.6\n", "1.1"),
            (b"context,male,female\nnurse,0.5,\n", "'female'"),
            (b"context,men,women\nnurse,0.5,0.5\n", "'men'"),
            (b"context,male,female\nnurse,0.5,0.5\nnurse,0.4,0.6\n", "'nurse'"),
            (b"context,male,female\n", "0 given"),
        ],
    )
    def test_a_bad_csv_is_named(self, tmp_path: Path, csv: bytes, given: str) -> None:
        path = self.write(tmp_path, "attribute: gender\ncontexts: jobs.csv\n", csv)
        with pytest.raises(SpecError) as caught:
            load_spec(path)

        assert given in str(caught.value)

    def test_a_repeated_row_in_a_target_csv_is_not_dropped_silently(self, tmp_path: Path) -> None:
        csv = b"context,male,female\nnurse,0.5,0.5\nnurse,0.4,0.6\n"
        path = self.write(tmp_path, "attribute: gender\ncontexts: [nurse]\ntarget: jobs.csv\n", csv)
        with pytest.raises(SpecError) as caught:
            load_spec(path)

        assert "'nurse'" in str(caught.value)

    @pytest.mark.parametrize("name", ["missing.csv", "nul\\0.csv"])
    @pytest.mark.parametrize("field", ["contexts", "target"])
    def test_a_csv_that_cannot_be_read_names_its_field(self, tmp_path: Path, field: str, name: str) -> None:
        with pytest.raises(SpecError) as caught:
            load_spec(self.write(tmp_path, f'attribute: gender\n{field}: "{name}"\n'))

        assert caught.value.field == field and name[:3] in str(caught.value)

    def test_a_missing_or_binary_specification_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
        for name in ("none.yaml", "bytes.yaml"):
            with pytest.raises(SpecError, match=name):
                load_spec(tmp_path / name)


def test_presets_are_usable_and_differ() -> None:
    assert set(PRESETS) == {"quick", "standard", "paper"}
    assert len({*PRESETS.values()}) == 3
    assert PRESETS["quick"].steps < PRESETS["standard"].steps
    assert (PRESETS["paper"].adapted_layers, PRESETS["paper"].kto_over) == (0, "completion")


@pytest.mark.parametrize("name", ["steps", "lora_rank", "prompts_per_step"])
def test_counts_must_be_whole(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        TrainingConfig(**{name: 9.5})

    assert caught.value.field == name


def test_what_is_no_number_today_is_a_text_and_comes_back_as_one() -> None:
    text = "attribute: {name: time, categories: [9:30, 010, 1_000, 0x1F, 12, 1.5]}\ncontexts: [a call]\n"
    spec = parse_spec(parse_text(text))
    assert spec.attribute.names == ("9:30", "010", "1_000", "0x1F", "12", "1.5")
    assert parse_spec(parse_text(spec.to_yaml())) == spec
    assert yaml.safe_load(spec.to_yaml())["attribute"]["categories"] == list(spec.attribute.names)
    assert parse_text("a: [1e-3, 3, -2, .5, 1.]")["a"] == [0.001, 3, -2, 0.5, 1.0]
