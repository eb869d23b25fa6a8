"""What the Train tab's controls become when others change. Each function returns Gradio updates."""

from __future__ import annotations

from typing import Any

import gradio as gr

from distalign.attributes import Attribute
from distalign.contexts import Contexts
from distalign.errors import SpecError
from distalign.stated import STATED
from distalign.targets import parse_target
from distalign.templates import PHRASINGS, built_in_templates
from distalign.training_config import CHOICES, FIELD_TYPES, reads, recipe
from ui import cards, forms, labels, shares, sheet_preview, tables
from ui.form_text import rows_text, templates_text
from ui.forms import Form
from ui.train_settings import KNOB_GROUPS, template_info

# The controls that read_form reads otherwise than as they are.
EDITED = ("row", "parts", "table")


def read_form(values: tuple[Any, ...]) -> Form:
    """The controls' values, in the order of ``forms.ALL_FIELDS``, as a Form."""
    named = dict(zip(forms.ALL_FIELDS, values, strict=True))
    row, parts, table = (named.pop(name) for name in EDITED)
    knobs = {name: named.pop(name) for name in forms.ADVANCED}
    texts = {
        name: "" if value is None and name in forms.TEXT_FIELDS else value for name, value in named.items()
    }
    return Form(
        **texts,
        row=shares.read_row(row),
        parts=shares.read_parts(parts),
        table=tables.table_from_cells(headers_of(table), table.values.tolist()),
        advanced=knobs,
    )


def headers_of(frame: Any) -> list[str]:
    return [str(name) for name in frame.columns]


def table_value(names: tuple[str, ...], table: dict[str, dict[str, object]]) -> Any:
    lines = [[context, *row.values()] for context, row in table.items()]
    return {"headers": ["Context", *names], "data": lines}


def settings(preset: str, method: str, target: str, any_attribute: bool, stories: bool) -> list[Any]:
    """Which settings count for a method, what each does there, and what it shows while it is blank.

    Outputs: the preset, its sentence, the tick for stories, the judge, phrasings, the two boxes of
    story templates, the kind of steering tokens, the headings of the knobs, the knobs.
    """
    values = recipe(preset, method, any_attribute and target == STATED, stories)
    used = forms.knobs_in_use(method, stories)
    show = gr.update(visible=bool(stories))
    headings = [gr.update(visible=any(n in used for n in names)) for names in KNOB_GROUPS.values()]
    knobs = []
    for name in forms.ADVANCED:
        info = labels.knob(name, method)[1]
        change: dict[str, Any] = {"visible": name in used, "info": info}
        if name in CHOICES:
            change["info"] = f"{info}. Preset: {getattr(values, name)}"
        elif name in FIELD_TYPES:
            change["placeholder"] = f"{getattr(values, name):g}"
        knobs.append(gr.update(**change))
    trains = reads(method, "preset")
    line = (
        labels.preset_line(preset, values.steps)
        if trains
        else "This method trains nothing, so it takes no preset."
    )
    return [
        gr.update(visible=trains),
        cards.quiet(line),
        gr.update(info=labels.stories(method)),
        show,
        gr.update(info=template_info("phrasings", method)),
        gr.update(visible=bool(stories), info=template_info("story_seen", method)),
        show,
        gr.update(visible=reads(method, "steering")),
        *headings,
        *knobs,
    ]


def fit_shares(*values: Any) -> list[Any]:
    """Fit the editors of shares to the categories, keeping what was typed. Outputs: row, parts."""
    form = read_form(values)
    try:
        attribute, contexts = forms.attribute_of(form), forms.contexts_of(form)
    except SpecError:
        return [gr.skip(), gr.skip()]
    row = tables.fit_row(attribute.names, form.row)
    parts = shares.parts_value(attribute, form.parts, _statistics(attribute, contexts), fitted=True)
    same = list(row.items()) == list(form.row.items())
    shown = values[forms.ALL_FIELDS.index("parts")]
    return [
        gr.skip() if same else shares.row_value(attribute, row, fitted=True),
        gr.skip() if not attribute.parts or shares.same(parts, shown) else parts,
    ]


def _statistics(attribute: Attribute, contexts: Contexts) -> dict[str, bool]:
    return {part.name: forms.real_exists(part, contexts) for part in attribute.parts}


def fit(*values: Any, pasted: bool = False) -> list[Any]:
    """Fit the target's choices and its table to the attribute and the contexts, keeping what was typed.

    Outputs: target, table, then the table's box with what it shows (``table_boxes``).
    """
    form = read_form(values)
    try:
        attribute, contexts = forms.attribute_of(form), forms.contexts_of(form)
        # Shares of other categories than these are no target; the preview of the contexts says so.
        start = {c: row for c, row in forms.pasted_rows(form).items() if set(row) == set(attribute.names)}
    except SpecError:
        # Half-typed categories or contexts: nothing to fit to yet.
        return [gr.skip(), gr.skip(), table_box(form.target), gr.skip(), gr.skip()]
    real = forms.real_exists(attribute, contexts)
    target = _possible("table" if pasted and start else form.target, attribute, real)
    table: Any = gr.skip()
    if target == "table" and not forms.is_large(attribute, contexts):
        if not start and real:
            start = _real_rows(attribute, contexts)
        typed = {} if pasted and start else form.table
        fitted = tables.fit_table(
            contexts.names, attribute.names, typed, start, tables.fit_row(attribute.names, form.row)
        )
        same = fitted == form.table and list(fitted) == list(form.table)
        table = gr.skip() if same else table_value(attribute.names, fitted)
    # Choices are hidden, not removed: Gradio refuses a value that it has just removed.
    # Nothing is sent that did not change: it could overwrite what was clicked or typed meanwhile.
    radio: dict[str, Any] = {"elem_classes": target_classes(attribute, real)}
    if target != form.target:
        radio["value"] = target
    return [gr.update(**radio), table, *table_boxes(target, attribute, contexts, bool(start))]


def _possible(target: str, attribute: Attribute, real: bool) -> str:
    gone = (target == "real" and not real) or (target == forms.PARTS and not attribute.parts)
    return "even" if gone or (target == STATED and attribute.parts) else target


def target_classes(attribute: Attribute, real: bool) -> list[str]:
    """What style.css hides of the target's choices."""
    hidden = [] if real else ["no-real"]
    return [*hidden, "no-stated" if attribute.parts else "no-parts"]


def _real_rows(attribute: Attribute, contexts: Contexts) -> dict[str, forms.Cells]:
    rows = parse_target("real", attribute, contexts).rows
    return {
        name: dict(zip(attribute.names, map(tables.cell, q), strict=True))
        for name, q in zip(contexts.names, rows, strict=True)
    }


def table_box(target: str) -> Any:
    """The table is there for the target of each context."""
    return gr.update(visible=target == "table")


def table_boxes(target: str, attribute: Attribute, contexts: Contexts, pasted: bool) -> list[Any]:
    """The table's box, and in it the table, or in its place a note that it is too large to be shown.

    Args:
        pasted: whether the contexts came with shares, which are the target of a table that is too large.
    """
    large = forms.is_large(attribute, contexts)
    note = f"{forms.cells_of(attribute, contexts)} are too large a table to show here. " + (
        "It is used all the same: each context has the shares that stand in the box “Your contexts”."
        if pasted
        else "Paste the contexts as a table with a column for each category, and it is used all the same."
    )
    return [
        table_box(target),
        gr.update(value=cards.quiet(note), visible=large),
        gr.update(visible=not large),
    ]


def normalise(frame: Any) -> list[Any]:
    """Rescale every row of the table to sum to 1. Outputs: table, what is said of its sums."""
    rows = tables.table_from_cells(headers_of(frame), frame.values.tolist())
    try:
        fixed = {name: tables.normalise_row(row, f"target[{name}]") for name, row in rows.items()}
    except SpecError as error:
        return [gr.skip(), cards.error_note(error)]
    return [table_value(tuple(headers_of(frame)[1:]), fixed), gr.skip()]


def preview_paste(text: str, rescale: bool, *values: Any) -> str:
    """What a pasted target holds, and what is wrong with its rows."""
    return _pasted(text, rescale, read_form(values))[1] if (text or "").strip() else ""


def fill_table(text: str, rescale: bool, *values: Any) -> list[Any]:
    """Put a pasted target into the table; contexts that it has no row for keep theirs.

    Outputs: table, preview, the box of contexts, which has the rows of a table that is too large to be shown.
    """
    form = read_form(values)
    rows, preview = _pasted(text or "", rescale, form)
    if not rows:
        return [gr.skip(), preview, gr.skip()]
    attribute, contexts = forms.attribute_of(form), forms.contexts_of(form)
    large = forms.is_large(attribute, contexts)
    old = forms.pasted_rows(form) if large else form.table
    rest = tables.fit_row(attribute.names, form.row)
    table = tables.fit_table(contexts.names, attribute.names, {**old, **rows}, {}, rest)
    if large:
        return [gr.skip(), preview, rows_text(attribute.names, table)]
    return [table_value(attribute.names, table), preview, gr.skip()]


def _pasted(text: str, rescale: bool, form: Form) -> tuple[dict[str, dict[str, str]], str]:
    try:
        attribute, contexts = forms.attribute_of(form), forms.contexts_of(form)
        return sheet_preview.read_target(text, attribute, contexts, rescale)
    except SpecError as error:
        return {}, cards.error_note(error)


def preview_contexts(*values: Any) -> str:
    form = read_form(values)
    try:
        attribute = forms.attribute_of(form)
    except SpecError:
        attribute = None
    return sheet_preview.contexts_preview(form.pasted, attribute) if form.contexts == forms.PASTED else ""


def write_out(*values: Any) -> list[Any]:
    """The built-in templates and phrasings, to be edited, where a box is blank. Outputs: the boxes."""
    form = read_form(values)
    try:
        attribute = forms.attribute_of(form)
    except SpecError:
        return [gr.skip()] * len(forms.TEMPLATE_BOXES)
    templates = built_in_templates(attribute)
    return [
        gr.skip() if getattr(form, box).strip() else templates_text(getattr(templates, group) or PHRASINGS)
        for box, group in forms.TEMPLATE_BOXES.items()
    ]


def fill(form: Form) -> list[Any]:
    """The values that make the controls say what a form says.

    Outputs: the fields, then the boxes of attribute (two), contexts and table (``table_boxes``).
    """
    row: Any = gr.skip()
    boxes = [table_box(form.target), gr.skip(), gr.skip()]
    parts, table, classes = shares.value_of([]), {"headers": ["Context"], "data": []}, ["no-parts"]
    try:
        attribute, contexts = forms.attribute_of(form), forms.contexts_of(form)
        row = shares.row_value(attribute, tables.fit_row(attribute.names, form.row))
        parts = shares.parts_value(attribute, form.parts, _statistics(attribute, contexts))
        classes = target_classes(attribute, forms.real_exists(attribute, contexts))
        boxes = table_boxes(form.target, attribute, contexts, bool(forms.pasted_rows(form)))
        if form.table:
            cells = {c: {n: str(v) for n, v in r.items()} for c, r in form.table.items()}
            table = table_value(
                attribute.names, tables.fit_table(contexts.names, attribute.names, cells, {}, {})
            )
    except SpecError:
        # A form that was put aside while it was half typed: its figures stand under the names that they had.
        row = shares.row_as_typed(form.row) if form.row else row
        table = table_value(tuple(next(iter(form.table.values()), {})), form.table) if form.table else table
    special = {"row": row, "parts": parts, "table": table}
    fields = [special[name] if name in special else _value(form, name) for name in forms.ALL_FIELDS]
    at = forms.ALL_FIELDS.index("target")
    fields[at] = gr.update(value=form.target, elem_classes=classes)
    joint, custom, listed = (
        gr.update(visible=form.attribute == forms.JOINT),
        gr.update(visible=form.attribute == forms.CUSTOM),
        gr.update(visible=form.contexts == forms.PASTED),
    )
    return [*fields, joint, custom, listed, *boxes]


def _value(form: Form, name: str) -> Any:
    if name not in forms.ADVANCED:
        value = getattr(form, name)
        return str(value) if name in ("rounds", "seed") else list(value) if name == "joint" else value
    value = form.advanced.get(name)
    if name in CHOICES:
        return value or forms.AS_PRESET
    return "" if value is None else str(value)
