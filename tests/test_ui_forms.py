"""Form values become a specification, or an error that names the field; nothing typed is dropped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distalign.errors import SpecError
from distalign.sharing import bundled
from distalign.spec import METHODS, load_spec, parse_spec
from ui import form_from_spec, form_text, forms, tables
from ui.forms import Form

AGES = "young: youth, junior\nmiddle-aged\n\nold"
CUSTOM = Form(
    attribute="custom",
    custom_name=" age group ",
    custom_categories=AGES,
    custom_kind="general",
    contexts="list",
    pasted="bakers\n\n  pilots \n",
    target="mapping",
    row={"young": "0.2", "middle-aged": "0.3", "old": "0.5"},
    rounds="50",
    seed="7",
)


def test_the_form_as_it_opens_is_the_default_run():
    spec = forms.spec_of(Form())
    assert (spec.attribute.name, spec.contexts.source, spec.target.kind) == (
        "gender",
        "uk-occupations",
        "real",
    )
    assert (spec.method, spec.preset, spec.rounds, spec.seed) == ("hybrid", "quick", 100, 0)


def test_a_custom_attribute_with_synonyms_and_one_target_for_all():
    spec = forms.spec_of(CUSTOM)
    assert spec.attribute.name == "age group"
    assert spec.attribute.names == ("young", "middle-aged", "old")
    assert spec.attribute.classify("a junior one") == 0
    assert spec.contexts.names == ("bakers", "pilots")
    assert spec.target.rows == ((0.2, 0.3, 0.5),) * 2
    assert (spec.rounds, spec.seed) == (50, 7)


def test_a_table_keeps_only_the_rows_of_the_contexts_in_use():
    rows = {"male": "0.4", "female": "0.6"}
    form = Form(contexts="list", pasted="bakers", target="table", table={"bakers": rows, "gone": rows})
    assert forms.spec_of(form).target.rows == ((0.4, 0.6),)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_and_blank_knobs_take_the_preset(name):
    form = Form(
        method=name, preset="paper", advanced={"steps": "", "beta": None, "kto_over": forms.AS_PRESET}
    )
    spec = forms.spec_of(form)
    assert spec.method == name
    assert spec.training == parse_spec({"attribute": "gender", "preset": "paper"}).training


def test_knobs_are_read_as_numbers_and_choices():
    advanced = {
        "steps": "50",
        "warmup_steps": 5.0,
        "learning_rate": "1e-4",
        "kto_over": "completion",
        "top_k": "3",
    }
    spec = forms.spec_of(Form(advanced=advanced))
    assert (spec.training.steps, spec.training.warmup_steps) == (50, 5)
    assert (spec.training.learning_rate, spec.training.kto_over) == (1e-4, "completion")
    assert spec.sampling.top_k == 3


def test_templates_are_one_a_line():
    form = Form(templates_seen="Who is {context}?\nName {context}.", templates_heldout="And {context}?")
    assert forms.spec_of(form).templates.seen == ("Who is {context}?", "Name {context}.")


BAD = {
    "one category": ({"custom_categories": "young"}, "attribute.categories", "1 given"),
    "repeated category": ({"custom_categories": "old\nOld"}, "attribute.categories", "twice"),
    "category without a name": ({"custom_categories": ": man\nold"}, "attribute.categories", "not a name"),
    "a name of braces": ({"custom_name": "{x}"}, "attribute", "brace"),
    "sum is off": ({"row": {"young": "0.2", "middle-aged": "0.3", "old": "0.4"}}, "target", "sum to 0.9"),
    "negative": ({"row": {"young": "-0.2", "middle-aged": "0.7", "old": "0.5"}}, "target", "'-0.2'"),
    "missing": ({"row": {"young": "", "middle-aged": "0.5", "old": "0.5"}}, "target", "no probability"),
    "words": ({"row": {"young": "half", "middle-aged": "0", "old": "0.5"}}, "target", "'half'"),
    "context without a row": (
        {"target": "table", "table": {"bakers": CUSTOM.row}},
        "target",
        "'pilots' has no row",
    ),
    "no contexts": ({"pasted": " \n"}, "contexts", "0 given"),
    "ten thousand contexts": ({"pasted": "\n".join(map(str, range(10_000)))}, "contexts", "10000 given"),
    "a table whose columns repeat": ({"pasted": "context,a,a\nx,1,0\n"}, "contexts", "columns"),
    "a table with a short row": ({"pasted": "job\told\tyoung\nx\t1\n"}, "contexts", "row 2"),
    "further fields that are no mapping": ({"more": "- a"}, "more", "not a mapping"),
    "a further field that is none": ({"more": "colour: red"}, "'colour'", "not a field"),
    "a model of the server's disk": ({"more": "base_model: /etc"}, "base_model", "not on the list"),
    "a phrasing without its slot": ({"phrasings": "It is so."}, "templates.phrasings", "no {category}"),
    "a phrasing that names another": (
        {"phrasings": "{category}, not old"},
        "templates.phrasings",
        "not read",
    ),
    "template with braces": ({"templates_seen": "{context} {x}"}, "templates.seen", "brace"),
    "template without its slot": ({"templates_seen": "Who?"}, "templates.seen", "no {context}"),
    "unknown model": ({"base_model": "../../etc"}, "base_model", "not on the list"),
    "rounds are text": ({"rounds": "many"}, "rounds", "'many'"),
    "rounds are a fraction": ({"rounds": "10.5"}, "rounds", "10.5"),
    "rounds are empty": ({"rounds": None}, "rounds", "nothing is given"),
    "knob is text": ({"advanced": {"steps": "abc"}}, "steps", "'abc'"),
    "knob is out of range": ({"advanced": {"beta": "-1"}}, "beta", "out of range"),
    "not a number at all": ({"advanced": {"beta": "nan"}}, "beta", "nan"),
    "infinite": ({"rounds": "inf"}, "rounds", "inf"),
}


@pytest.mark.parametrize(("changes", "field", "given"), BAD.values(), ids=BAD.keys())
def test_bad_input_names_the_field_and_what_was_given(changes, field, given):
    with pytest.raises(SpecError) as caught:
        forms.spec_of(replace(CUSTOM, **changes))
    assert caught.value.field == field
    assert given in caught.value.problem
    assert caught.value.remedy


def test_real_world_is_offered_only_where_it_exists():
    def exists(form: Form) -> bool:
        return forms.real_exists(forms.attribute_of(form), forms.contexts_of(form))

    assert exists(Form())
    assert exists(Form(contexts="us-occupations"))
    assert not exists(Form(attribute="race"))
    assert not exists(replace(CUSTOM, attribute="gender"))


@pytest.mark.parametrize(
    "form",
    [
        Form(),
        CUSTOM,
        Form(attribute="race", target="even", advanced={"steps": 50, "warmup_steps": 5, "temperature": 0.5}),
        Form(
            contexts="list",
            pasted="a\nb",
            target="table",
            table={c: {"male": 0.4, "female": 0.6} for c in "ab"},
        ),
        Form(method="prompt", advanced={"few_shot": 4}),
        Form(method="sft", advanced={"learning_rate": 0.01}),
        Form(templates_seen="x {context}", templates_heldout="y {context}", steering="special", name="mine"),
        Form(attribute="joint", joint=["sentiment", "gender"], target="even", heldout_contexts="4"),
        replace(CUSTOM, heldout_contexts="pilots\n"),
        Form(target="stated"),
        replace(CUSTOM, target="stated", any_attribute=True),
        replace(CUSTOM, phrasings="{category}!\nIt is {category}."),
        Form(templates_seen="One {context}\\n{options}", templates_heldout="Other {context}"),
        Form(stories=True, judge="endpoint", story_seen="Tell {context}", advanced={"story_tokens": 50}),
        Form(attribute="joint", joint=("gender", "race"), target="parts", parts={"gender": "real"}),
        Form(
            attribute="joint",
            joint=("gender",),
            joint_own="# size\nbig: huge\nsmall",
            target="parts",
            parts={"gender": "even", "size": {"big": "0.25", "small": "0.75"}},
        ),
        Form(
            attribute="joint",
            joint=(),
            joint_own="# size (person)\nbig\nsmall\n# gender",
            target="mapping",
            row={"big, male": 0.1, "big, female": 0.2, "small, male": 0.3, "small, female": 0.4},
        ),
    ],
)
def test_a_specification_comes_back_as_the_form_that_made_it(form):
    spec = forms.spec_of(form)
    assert forms.spec_of(form_from_spec.from_spec(spec)) == spec
    assert form_from_spec.from_spec(spec).more == ""


def test_the_tick_for_any_attribute_counts_only_while_the_target_is_stated():
    assert forms.spec_of(Form(target="stated", any_attribute=True)).any_attribute
    assert not forms.spec_of(Form(target="even", any_attribute=True)).any_attribute


SIZE = {"name": "size", "categories": ["big", "small"]}
TABLE = {"male": 0.25, "female": 0.75}


@pytest.mark.parametrize(
    "mapping",
    [
        {"attribute": ["gender", SIZE], "target": {"gender": {"*": TABLE}, "size": "even"}},
        {"attribute": "gender", "contexts": ["a nurse", "a pilot"], "target": {"*nurse": TABLE, "*": TABLE}},
        {"attribute": ["gender", SIZE], "contexts": ["1", "2"], "heldout_contexts": ["2"]},
        {"attribute": "gender", "method": "zero_shot", "exact_epsilon": 0.01},
        {"attribute": "gender", "story_tokens": 60, "judge": "endpoint"},
        {"attribute": "gender", "templates": {"seen": [" {context}?"], "heldout": ["{context}"]}},
    ],
)
def test_what_no_control_shows_stands_among_the_further_fields(mapping):
    spec = parse_spec(mapping)
    form = form_from_spec.from_spec(spec)
    assert form.more
    assert forms.spec_of(form) == spec


def test_every_bundled_specification_comes_back_from_the_form():
    for name, path in bundled().items():
        spec = load_spec(path)
        form = form_from_spec.from_spec(spec)
        assert forms.spec_of(form) == spec, name
        assert form.more == "", name


def test_an_attribute_without_a_name_is_called_category():
    assert forms.spec_of(replace(CUSTOM, custom_name=" ")).attribute.name == "category"


def test_a_knob_that_a_method_does_not_read_does_not_count():
    form = Form(advanced={"few_shot": "4", "story_tokens": "50"})
    assert forms.spec_of(form) == forms.spec_of(Form())
    assert forms.spec_of(replace(form, method="prompt")).few_shot == 4
    # What was typed for the hybrid stays in its hidden boxes.
    typed = Form(steering="special", advanced={"beta": "0.2", "warmup_steps": "90"})
    for name in ("sft", "prompt", "zero_shot"):
        assert forms.spec_of(replace(typed, method=name)) == forms.spec_of(Form(method=name))


def test_parts_are_heads_with_their_categories_beneath():
    assert form_text.parse_parts("# age group (person)\nyoung: youth\nold\n\n# Gender\n") == [
        {
            "name": "age group",
            "kind": "person",
            "categories": [{"name": "young", "synonyms": ["youth"]}, {"name": "old", "synonyms": []}],
        },
        "Gender",
    ]
    with pytest.raises(SpecError, match="above any name"):
        form_text.parse_parts("young\n# age")


def test_a_joint_attribute_is_two_or_more_of_the_built_in_ones():
    form = Form(attribute="joint", joint=("gender", "sentiment"), target="mapping")
    row = tables.even_row(forms.attribute_of(form).names)
    spec = forms.spec_of(replace(form, row=row | {"male, positive": "0.1667"}))
    assert len(spec.attribute) == 6 and spec.target.kind == "mapping"
    for joint in ((), None, ["race"]):
        with pytest.raises(SpecError, match="in the list"):
            forms.spec_of(replace(form, joint=joint))


def test_held_out_contexts_are_a_number_or_names():
    even = Form(target="even")
    assert forms.spec_of(replace(even, heldout_contexts=" 5 ")).heldout_contexts == 5
    names = forms.spec_of(even).contexts.names[:2]
    assert forms.spec_of(replace(even, heldout_contexts="\n".join(names))).heldout_indices == (0, 1)
    for text, given in {"many": "'many'", "25": "25 of 25"}.items():
        with pytest.raises(SpecError) as caught:
            forms.spec_of(replace(even, heldout_contexts=text))
        assert caught.value.field == "heldout_contexts" and given in caught.value.problem


def test_a_pasted_table_gives_contexts_and_their_rows():
    form = Form(contexts="list", pasted="job\tmale\tfemale\nbakers\t30 %\t70 %\n")
    assert forms.contexts_of(form).names == ("bakers",)
    assert forms.pasted_rows(form) == {"bakers": {"male": "0.3", "female": "0.7"}}
    assert forms.pasted_rows(replace(form, pasted="context\nbakers\n")) == {}
    assert forms.pasted_rows(replace(form, pasted="bakers, all\npilots")) == {}


def test_a_fitted_row_keeps_what_was_typed():
    typed = {"a": "0.2", "b": "0.8"}
    assert tables.fit_row(["a", "b"], typed) == typed
    assert tables.fit_row(["a", "renamed"], typed) == {"a": "0.2", "renamed": "0.8"}
    assert tables.fit_row(["a", "b", "c"], typed) == {"a": "0.2", "b": "0.8", "c": "0"}
    assert tables.fit_row(["a", "b", "c"], {"a": "0.5", "b": "0.5"}) == tables.even_row(["a", "b", "c"])
    assert tables.fit_row(["x", "y"], {}) == {"x": "0.5", "y": "0.5"}
    # What is no number, or does not sum to 1 by itself, is left for the person to see.
    assert tables.fit_row(["a"], {"a": "half", "b": "0.5"}) == {"a": "half"}
    assert tables.fit_row(["a", "b", "c"], {"a": "0.5", "b": "0.4"}) == {"a": "0.5", "b": "0.4", "c": "0"}


def test_what_remains_of_a_row_is_rescaled_and_even_where_nothing_does():
    typed = {"low": "0.5", "medium": "0.3", "high": "0.2"}
    assert tables.fit_row(["low", "medium"], typed) == {"low": "0.625", "medium": "0.375"}
    five = ["a", "b", "c", "d", "e"]
    assert tables.fit_row(five, {"male": "0.3", "female": "0.7"}) == tables.even_row(five)
    assert tables.fit_row(["low", "medium"], {"low": "0", "medium": "0", "high": "1"}) == tables.even_row(
        ["low", "medium"]
    )
    # "Make even" leaves the last hundredth to one of three.
    thirds = {"low": "0.3334", "medium": "0.3333", "high": "0.3333"}
    assert tables.fit_row(five, thirds) == tables.even_row(five)
    table = tables.fit_table(["one"], ["low", "medium"], {"one": typed}, {}, {})
    assert table == {"one": {"low": "0.625", "medium": "0.375"}}


def test_a_fitted_table_prefers_what_was_typed_then_the_file_then_the_rest():
    names = ["a", "b"]
    table = tables.fit_table(
        ["one", "two", "three"],
        names,
        {"one": {"a": "0.1", "b": "0.9"}},
        {"two": {"a": "0.2", "b": "0.8"}},
        {"a": "0.5", "b": "0.5"},
    )
    assert [row["a"] for row in table.values()] == ["0.1", "0.2", "0.5"]


def test_rows_that_were_pasted_stand_under_their_own_names():
    start = {"bakers": {"female": "0.7", "male": "0.3"}}
    table = tables.fit_table(["bakers"], ["male", "female"], {}, start, {})
    assert list(table["bakers"].items()) == [("male", "0.3"), ("female", "0.7")]


LARGE = {
    "attribute": {"name": "size", "categories": list("abcdefg")},
    "contexts": [f"place {n}, “{n}”" for n in range(1000)],
    "target": {
        f"place {n}, “{n}”": dict.fromkeys("bcdefg", 0.1) | {"a": 0.4 - n / 1e5, "g": 0.1 + n / 1e5}
        for n in range(1000)
    },
}


def test_a_table_that_is_too_large_to_edit_comes_from_what_is_pasted():
    spec = parse_spec(LARGE)
    form = form_from_spec.from_spec(spec)
    assert (dict(form.table), form.more) == ({}, "") and form.pasted.startswith("context\ta\tb")
    assert forms.spec_of(form) == spec
    # Rows of a smaller table that was edited before do not count.
    stale = replace(form, table={"place 1, “1”": {"male": "0.5", "female": "0.5"}})
    assert forms.spec_of(stale) == spec
    with pytest.raises(SpecError, match="too many cells to edit here") as caught:
        forms.spec_of(replace(form, pasted="\n".join(LARGE["contexts"])))
    assert caught.value.field == "target" and "1,000 contexts × 7 categories" in caught.value.problem


def test_even_rows_of_any_size_stay_within_the_tolerance():
    for k in range(2, 51):
        assert tables.check_sums({"": tables.even_row([str(i) for i in range(k)])}).fine


def test_cells_survive_missing_values():
    nan = float("nan")
    cells = [["one", nan, " 0.5 ", None]]
    assert tables.table_from_cells(["Context", "a", "b", "c"], cells) == {
        "one": {"a": "", "b": "0.5", "c": ""}
    }


def test_normalising_rescales_and_counts_empty_cells_as_zero():
    assert tables.normalise_row({"a": "20", "b": 30, "c": "50", "d": ""}) == {
        "a": "0.2", "b": "0.3", "c": "0.5", "d": "0",
    }  # fmt: skip
    with pytest.raises(SpecError, match="'half'"):
        tables.normalise_row({"a": "half", "b": "1"})
    with pytest.raises(SpecError, match="not a weight"):
        tables.normalise_row({"a": "-1", "b": "1"})


def test_sums_say_which_row_is_off():
    fine, low, words = {"a": "0.5", "b": "0.5"}, {"a": "0.5", "b": "0.4"}, {"a": "x", "b": "1"}
    check = tables.check_sums({"one": fine, "two": low, "three": words})
    assert (check.rows, check.off, check.first_off) == (3, 2, "two")
    assert check.total == pytest.approx(0.9)
    assert tables.check_sums({"one": words}).total is None
    assert tables.check_sums({"one": fine}).fine
