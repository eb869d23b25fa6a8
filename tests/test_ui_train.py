"""What the Train tab answers: fitting, filling in, previews, errors beside their section."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from distalign.errors import SpecError
from distalign.folders import DataFolder
from distalign.planner import rounds_needed
from distalign.sharing import bundled, pack
from distalign.spec import METHODS, STEERED_METHODS, TRAINED_METHODS, RunSpec, load_spec, parse_spec
from distalign.spelling import Spelling
from distalign.templates import PHRASINGS
from distalign.training_config import FIELD_TYPES
from storage import Store
from ui import forms, page, shares, sheet_preview, starts, tables, train_cards, train_fit, train_side
from ui.forms import Form
from ui.train_settings import KNOB_GROUPS

HOSTILE = "<img src=x onerror=alert(1)>"


def values_of(form: Form) -> list:
    """What the page hands to a handler for a form: as the controls hold it."""
    found = [
        update["value"] if isinstance(update, dict) and "value" in update else update
        for update in train_fit.fill(form)[: len(forms.ALL_FIELDS)]
    ]
    at = forms.ALL_FIELDS.index("table")
    found[at] = pd.DataFrame(found[at]["data"], columns=found[at]["headers"])
    return found


@pytest.mark.parametrize("name", bundled())
def test_a_filled_in_form_is_read_as_the_specification_it_was_filled_in_from(name: str) -> None:
    spec = load_spec(bundled()[name])
    form = starts.listed(spec)

    assert forms.spec_of(train_fit.read_form(tuple(values_of(form)))) == spec


def test_the_default_form_is_filled_in_as_it_opens() -> None:
    assert forms.spec_of(train_fit.read_form(tuple(values_of(Form())))) == forms.spec_of(Form())


@pytest.mark.parametrize(
    "given",
    [
        {"attribute": {"name": "time", "categories": ["9:00", "10:30"]}, "contexts": ["a call"]},
        {
            "attribute": {
                "name": "mood",
                "categories": [{"name": "good", "synonyms": ["fine, thanks"]}, "bad"],
            }
        },
        {"attribute": {"name": "mood", "categories": ["good", "bad"]}, "contexts": ["context", "a call"]},
        {"attribute": ["gender", {"name": "age (person)", "categories": ["young", "old"]}]},
        {"attribute": ["gender", {"name": "age", "categories": ["#young", "old"]}], "target": "even"},
        {
            "attribute": {"name": "time", "categories": ["9:00", "10:30"]},
            "target": {"9:00": 0.3, "10:30": 0.7},
        },
    ],
)
def test_what_the_boxes_would_read_otherwise_is_kept_as_it_is(given: dict) -> None:
    spec = parse_spec(given)
    form = starts.listed(spec)
    assert form.more and forms.spec_of(train_fit.read_form(tuple(values_of(form)))) == spec


def test_a_half_typed_form_that_is_brought_back_keeps_its_figures() -> None:
    table = {"baker": {"low": "0.2", "high": "0.8"}}
    form = replace(
        Form(), attribute=forms.CUSTOM, custom_name="level", custom_categories="low\nlow", target="table",
        contexts=forms.PASTED, pasted="baker", row={"low": "0.4", "high": "0.6"}, table=table,
    )  # fmt: skip
    again = train_fit.read_form(tuple(values_of(form)))
    assert again.table == table and again.row == {"low": "0.4", "high": "0.6"}


# --- shares ----------------------------------------------------------------------


def test_a_joint_attribute_of_two_parts_is_a_matrix() -> None:
    attribute = parse_spec({"attribute": ["gender", "sentiment"]}).attribute
    (group,) = json.loads(shares.row_value(attribute, tables.even_row(attribute.names)))["groups"]

    assert (group["rows"], group["columns"]) == (["male", "female"], ["positive", "negative", "neutral"])
    assert shares.read_row(shares.row_value(attribute, {"male, neutral": "1"}))["male, neutral"] == "1"


def test_a_joint_attribute_of_more_parts_is_a_matrix_for_each_category_of_those_before() -> None:
    size = {"name": "size", "categories": ["big", "small"]}
    three = parse_spec({"attribute": ["gender", "sentiment", size]}).attribute
    (group,) = json.loads(shares.row_value(three, tables.even_row(three.names)))["groups"]

    assert group["blocks"] == ["male", "female"]
    assert (group["rows"], group["columns"]) == (["positive", "negative", "neutral"], ["big", "small"])
    # The names are in the order of the matrices, row by row.
    assert group["names"] == [
        f"{b}, {r}, {c}" for b in group["blocks"] for r in group["rows"] for c in group["columns"]
    ]
    four = parse_spec(
        {"attribute": ["gender", {"name": "age", "categories": ["young", "old"]}, "sentiment", size]}
    )
    (group,) = json.loads(shares.row_value(four.attribute, {}))["groups"]
    assert group["blocks"] == ["male, young", "male, old", "female, young", "female, old"]


def test_a_part_that_loses_a_category_keeps_the_shares_of_the_others() -> None:
    size = {"name": "size", "categories": ["big", "small"]}
    attribute = parse_spec({"attribute": ["gender", size]}).attribute
    before = {"gender": "even", "size": {"big": "0.5", "small": "0.3", "huge": "0.2"}}

    value = shares.parts_value(attribute, before, {})
    assert shares.read_parts(value) == {"gender": "even", "size": {"big": "0.625", "small": "0.375"}}


def test_parts_are_even_real_or_shares() -> None:
    attribute = parse_spec({"attribute": ["gender", "sentiment"]}).attribute
    row = {"positive": "0.5", "negative": "0.25", "neutral": "0.25"}
    given = {"gender": "real", "sentiment": row}
    value = shares.parts_value(attribute, given, {"gender": True})

    assert shares.read_parts(value) == given
    # Without statistics there is nothing to choose.
    assert shares.read_parts(shares.parts_value(attribute, given, {}))["gender"] == "even"


@pytest.mark.parametrize(
    "value", [None, "", "x", "[]", "{}", '{"groups": 3}', '{"groups": [3, {"names": 1}]}', "[" * 9999]
)
def test_what_a_browser_should_not_send_is_no_shares(value: object) -> None:
    assert shares.read_row(value) == {}
    assert isinstance(shares.read_parts(value), dict)


# --- fitting -----------------------------------------------------------------------


def test_a_pasted_table_becomes_the_target_of_each_context() -> None:
    form = Form(contexts="list", pasted="context\tmale\tfemale\nbakers\t30\t70\n", target="even")
    radio, table, *_ = train_fit.fit(*values_of(form), pasted=True)

    assert radio["value"] == "table"
    assert table == {"headers": ["Context", "male", "female"], "data": [["bakers", "0.3", "0.7"]]}


def test_pasted_columns_in_another_order_are_not_swapped_and_other_categories_are_no_target() -> None:
    form = Form(contexts="list", pasted="context\tfemale\tmale\nbakers\t30\t70\n", target="even")
    table = train_fit.fit(*values_of(form), pasted=True)[1]
    assert table == {"headers": ["Context", "male", "female"], "data": [["bakers", "0.7", "0.3"]]}

    other = replace(form, pasted=form.pasted.replace("female", "women"))
    radio, table, *_ = train_fit.fit(*values_of(other), pasted=True)
    assert "value" not in radio and isinstance(table, dict) and "data" not in table


SEVEN = Form(
    attribute="custom",
    custom_categories="\n".join("abcdefg"),
    custom_name="size",
    contexts="list",
    pasted="\n".join(f"place {n}" for n in range(1000)),
    target="even",
)


def test_a_table_that_is_too_large_to_show_is_used_and_said_to_be() -> None:
    rows = "".join(f"place {n}\t40\t10\t10\t10\t10\t10\t10\n" for n in range(1000))
    form = replace(SEVEN, pasted="context\t" + "\t".join("abcdefg") + "\n" + rows)
    radio, table, box, note, grid = train_fit.fit(*values_of(form), pasted=True)

    assert radio["value"] == "table" and "data" not in table
    assert (box["visible"], note["visible"], grid["visible"]) == (True, True, False)
    assert "1,000 contexts × 7 categories" in note["value"] and "It is used all the same" in note["value"]
    spec = forms.spec_of(replace(form, target="table"))
    assert spec.target.rows[-1] == pytest.approx((0.4, *[0.1] * 6))
    *_, note, _ = train_fit.fit(*values_of(replace(SEVEN, target="table")))
    assert "Paste the contexts as a table" in note["value"]


def test_rules_for_a_table_that_is_too_large_to_show_go_into_the_box_of_contexts() -> None:
    form = replace(SEVEN, target="table")
    text = "context\t" + "\t".join("abcdefg") + "\n*9\t1\t0\t0\t0\t0\t0\t0\n*\t0\t0\t0\t0\t0\t0\t1\n"
    table, _, pasted = train_fit.fill_table(text, False, *values_of(form))

    assert "data" not in table
    rows = forms.spec_of(replace(form, pasted=pasted)).target.rows
    assert rows[9][0] == 1 and rows[10][6] == 1


@pytest.mark.parametrize(
    ("form", "target", "classes"),
    [
        (Form(attribute="race"), "even", ["no-real", "no-parts"]),
        (Form(target="parts"), "even", ["no-parts"]),
        (Form(attribute="joint", target="stated"), "even", ["no-real", "no-stated"]),
        (Form(attribute="joint", target="parts"), None, ["no-real", "no-stated"]),
    ],
)
def test_a_target_that_the_attribute_cannot_have_becomes_even(
    form: Form, target: str | None, classes: list
) -> None:
    radio = train_fit.fit(*values_of(form))[0]

    assert radio.get("value") == target and radio["elem_classes"] == classes


def test_only_settings_that_count_are_shown() -> None:
    def visible(method: str, stories: bool) -> list[str]:
        updates = train_fit.settings("quick", method, "even", False, stories)[-len(forms.ADVANCED) :]
        return [name for name, update in zip(forms.ADVANCED, updates, strict=True) if update["visible"]]

    assert "steps" in visible("hybrid", False) and "few_shot" not in visible("hybrid", False)
    assert "story_tokens" in visible("hybrid", True)
    assert "few_shot" in visible("prompt", False) and "steps" not in visible("prompt", False)
    assert "exact_epsilon" in visible("sft", False) and "exact_epsilon" not in visible("prompt", False)
    assert "beta" in visible("dpo", False) and "beta" not in visible("sft", False)
    for name, unread in {
        "sft": {"warmup_steps", "kl_weight", "kto_weight", "sft_weight", "anchor_weight", "kto_over"},
        "kl_only": {"kto_weight", "anchor_weight", "beta", "kto_over"},
        "kto_only": {"kl_weight", "anchor_weight"},
    }.items():
        assert not unread & set(visible(name, True))
    # The base model is sampled in this arithmetic, too.
    assert [name for name in visible("zero_shot", False) if name in FIELD_TYPES] == ["precision"]


def test_the_other_settings_are_hidden_or_say_what_they_do_for_the_method() -> None:
    names = ("preset", "line", "stories", "judge", "phrasings", "story_seen", "story_heldout", "steering")

    def settings(method: str) -> dict:
        updates = train_fit.settings("quick", method, "even", False, True)
        return dict(zip(names, updates[: -len(forms.ADVANCED) - len(KNOB_GROUPS)], strict=True))

    told = {method: settings(method) for method in METHODS}
    assert [method for method in METHODS if told[method]["steering"]["visible"]] == list(STEERED_METHODS)
    assert [method for method in METHODS if told[method]["preset"]["visible"]] == list(TRAINED_METHODS)
    assert "180 steps" in told["dpo"]["line"] and "trains nothing" in told["prompt"]["line"]
    trained = [method for method in METHODS if told[method]["stories"]["info"].startswith("Train on")]
    assert trained == list(TRAINED_METHODS)
    for box, methods in {"phrasings": METHODS[:-1], "story_seen": TRAINED_METHODS}.items():
        assert [method for method in METHODS if "reads none" not in told[method][box]["info"]] == [*methods]
    assert "few-shot examples" in told["prompt"]["phrasings"]["info"]
    assert all(told[method][name]["visible"] for method in METHODS for name in ("judge", "story_heldout"))


def test_a_knob_says_what_it_does_for_the_method() -> None:
    def info(method: str, name: str) -> str:
        return train_fit.settings("quick", method, "even", False, False)[
            forms.ADVANCED.index(name) - len(forms.ADVANCED)
        ]["info"]

    assert "warm-up" in info("hybrid", "steps") and "warm-up" not in info("sft", "steps")
    assert "KTO" in info("kto_only", "warmup_steps") and "KTO" not in info("kl_only", "warmup_steps")
    for method in ("sft", "dpo"):
        for name in ("prompts_per_step", "answers_per_step", "retain_weight"):
            assert "budget of tokens" in info(method, name)


def test_writing_out_the_templates_keeps_what_was_typed() -> None:
    form = Form(templates_seen="Mine {context}")
    written = dict(zip(forms.TEMPLATE_BOXES, train_fit.write_out(*values_of(form)), strict=True))

    assert isinstance(written["templates_seen"], dict)  # left as it is
    full = replace(form, **{n: t for n, t in written.items() if isinstance(t, str)})
    assert forms.spec_of(full).templates == replace(
        forms.spec_of(form).templates, phrasings=forms.spec_of(full).templates.phrasings
    )
    assert forms.spec_of(full).templates.phrasings == PHRASINGS


# --- pasted tables -------------------------------------------------------------------


def test_rules_fill_the_table_and_contexts_without_a_row_keep_theirs() -> None:
    old = {"bakers": {"male": "0.9", "female": "0.1"}}
    form = Form(contexts="list", pasted="bakers\nnurses\npilots", target="table", table=old)
    text = "context\tmale\tfemale\n*nurse*\t10 %\t90 %\n*lots\t80 %\t20 %"
    table, preview, _ = train_fit.fill_table(text, False, *values_of(form))

    assert table["data"] == [["bakers", "0.9", "0.1"], ["nurses", "0.1", "0.9"], ["pilots", "0.8", "0.2"]]
    assert "2 of 3 contexts get a row, 2 of them by a rule" in preview and "bakers" in preview


def test_a_preview_names_wrong_rows_and_escapes_what_it_shows() -> None:
    form = Form(contexts="list", pasted="bakers\npilots", target="table")
    text = f"context,male,female\nbakers,0.5,0.4\n{HOSTILE},1,0\npilots,{HOSTILE},0"
    preview = train_fit.preview_paste(text, False, *values_of(form))

    assert "3 rows cannot be used" in preview
    for words in (
        "<b>Row 2:</b>",
        "sum to 0.9",
        "<b>Row 3:</b>",
        "is not one of the contexts",
        "<b>Row 4:</b>",
    ):
        assert words in preview
    assert "<img" not in preview
    assert train_fit.preview_paste("  ", False, *values_of(form)) == ""


def test_the_preview_of_pasted_contexts_is_for_tables_only() -> None:
    attribute = forms.attribute_of(Form())
    assert sheet_preview.contexts_preview("bakers\npilots", attribute) == ""
    assert "1 context, and shares of male, female" in sheet_preview.contexts_preview(
        "context,male,female\nbakers,0.3,0.7", attribute
    )
    assert "columns" in sheet_preview.contexts_preview("context,context\na,b", attribute)


# --- what follows from the form ------------------------------------------------------


def redraw(
    form: Form, tmp_path, first: int = -1, gap: str = "5", confidence: str = "95", power: str = "80"
) -> dict:
    asked = (gap, confidence, power)
    names = [*train_side.DRAWN, *train_cards.SECTIONS]
    return dict(
        zip(names, train_side.redraw(DataFolder(tmp_path), "", first, *asked, *values_of(form)), strict=True)
    )


@pytest.mark.parametrize(
    ("form", "section"),
    [
        (Form(attribute="custom", custom_categories="one"), "attribute"),
        (Form(contexts="list", pasted=""), "contexts"),
        (Form(target="stated", stories=True), "target"),
        (Form(rounds="many"), "training"),
        (Form(templates_seen="x"), "templates"),
        (Form(phrasings="x"), "templates"),
        (Form(advanced={"steps": "abc"}), "advanced"),
        (Form(more="colour: red"), "advanced"),
    ],
)
def test_an_error_stands_beside_its_section_and_in_the_card_of_the_run(
    form: Form, section: str, tmp_path
) -> None:
    drawn = redraw(form, tmp_path)

    assert [name for name in train_cards.SECTIONS if drawn[name]] == [section]
    assert drawn[section] == drawn["preview"]


def test_the_planner_answers_for_the_target_and_its_buttons_set_its_figures(tmp_path) -> None:
    form = Form(attribute="sentiment", target="even")
    drawn = redraw(form, tmp_path)
    alone, overall = drawn["planned_rounds"]

    assert f"<b>{alone:,} rounds</b>" in drawn["planned"] and overall == -(-alone // 25)
    assert "not a number" in redraw(form, tmp_path, gap="many")["planned"]
    for gap in ("0", "100", "1e-15"):
        assert "out of range" in redraw(form, tmp_path, gap=gap)["planned"]
    assert "show a gap of 0.0001 points" in redraw(form, tmp_path, gap="0.0001")["planned"]
    stricter = redraw(form, tmp_path, confidence="99", power="90")
    assert stricter["planned_rounds"][0] > alone and "99 % confidence, 90 % power" in stricter["planned"]
    assert stricter["planned_rounds"][0] == rounds_needed(((1 / 3,) * 3,), 0.05, 0.99, 0.9).per_context
    for wrong in ("100", "0", "-5"):
        assert (
            "Confidence" in (told := redraw(form, tmp_path, confidence=wrong)["planned"])
            and "out of range" in told
        )


def test_examples_are_drawn_only_while_they_are_open_and_escape_what_was_typed(tmp_path) -> None:
    form = Form(contexts="list", pasted="a & <b>bold</b>", target="even")
    assert not isinstance(redraw(form, tmp_path)["examples"], str)
    text = redraw(form, tmp_path, first=0)["examples"]

    assert "Desirable" in text and "Undesirable" in text
    assert "&lt;b&gt;bold" in text and "<b>bold" not in text


@pytest.mark.parametrize("method", ["hybrid", "sft", "dpo", "prompt", "zero_shot"])
def test_every_method_has_examples_or_says_why_not(method: str) -> None:
    spec: RunSpec = parse_spec({"attribute": "gender", "method": method})
    text = train_cards.examples_html(spec, Spelling())

    assert "Example 1" in text
    assert ("Desirable" in text) is (method in ("hybrid", "sft", "dpo"))


# --- starts ----------------------------------------------------------------------------


def test_a_form_starts_from_a_run_a_bundled_specification_a_file_or_a_link(tmp_path) -> None:
    store = Store(tmp_path / "runs.db")
    spec = parse_spec({"attribute": "race", "target": "even", "seed": 7, "name": "mine"})
    run = store.insert_run(spec)
    values = [value for _, value in starts.choices(store)]

    assert values[:2] == [starts.DEFAULT, f"run:{run.id}"]
    assert forms.spec_of(starts.start(store, f"run:{run.id}")[0]) == spec
    assert forms.spec_of(starts.start(store, "spec:weekday")[0]) == load_spec(bundled()["weekday"])
    assert forms.spec_of(starts.from_file(spec.to_yaml().encode())) == spec
    assert forms.spec_of(starts.from_file(spec.to_json().encode())) == spec
    assert forms.spec_of(starts.from_address(store, {"spec": pack(spec)})[0]) == spec
    assert forms.spec_of(starts.from_address(store, {"from": run.id})[0]) == spec
    assert starts.from_address(store, {"run": run.id}) is None


def test_what_is_typed_among_the_starts_must_be_one_of_them(tmp_path) -> None:
    store = Store(tmp_path / "runs.db")
    starts.require_choice(store, "spec:weekday")
    for typed in ("", "weekday", "run:gone"):
        with pytest.raises(SpecError, match="not in the list"):
            starts.require_choice(store, typed)


@pytest.mark.parametrize("chosen", ["spec:../../etc/passwd", "run:gone"])
def test_a_start_that_is_not_there_is_an_error(chosen: str, tmp_path) -> None:
    with pytest.raises(Exception, match=r"gone|not bundled"):
        starts.start(Store(tmp_path / "runs.db"), chosen)


def test_a_file_may_name_neither_a_folder_of_the_server_nor_be_huge() -> None:
    for data in (b"attribute: gender\nbase_model: /etc", b"\xff", b"x" * 500_000):
        with pytest.raises(SpecError):
            starts.from_file(data)


def test_sharing_a_form_that_cannot_be_read_says_why() -> None:
    form = Form(rounds="many")
    for kind in ("link", "command"):
        shown, note = train_side.share(kind, *values_of(form))
        assert shown["visible"] is False and "many" in note
    text, note = train_side.share("link", *values_of(Form()))
    assert text["value"].startswith("?tab=train&spec=") and note == ""


def test_the_saved_file_is_the_forms_specification(tmp_path) -> None:
    folder = SimpleNamespace(place=lambda name: tmp_path / name)
    path, note = train_side.save(folder, *values_of(Form(seed="3")))

    assert note == "" and load_spec(tmp_path / path) == forms.spec_of(Form(seed="3"))


@pytest.mark.parametrize(
    "button",
    ["normalise-table", "use-for-all", "fill-table", "target-csv", "csv", "more-examples", "copy-link"],
)
def test_a_sentence_beside_a_button_says_what_it_does(button: str, tmp_path) -> None:
    built = page.build(Store(tmp_path / "runs.db"), DataFolder(tmp_path))
    row = next(block.parent for block in built.blocks.values() if block.elem_id == button)
    near = [*row.children, *row.parent.children] if button == "copy-link" else row.children

    assert any("da-quiet" in str(getattr(block, "value", "")) for block in near)


def test_no_event_of_the_page_has_two_handlers_that_repeat_each_other(tmp_path) -> None:
    config = page.build(Store(tmp_path / "runs.db"), DataFolder(tmp_path)).get_config_file()
    waiting = Counter(
        tuple(target)
        for dependency in config["dependencies"]
        if dependency["trigger_mode"] == "always_last"
        for target in dependency["targets"]
    )

    assert [target for target, count in waiting.items() if count > 1] == []
